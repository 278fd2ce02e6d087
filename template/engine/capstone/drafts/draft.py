"""The student's own files, drafted: settings, clean() and engineer(), decisions, the datasheet."""

from __future__ import annotations

import re
import textwrap
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import tomlkit
from jinja2 import Environment, PackageLoader, StrictUndefined
from tomlkit.exceptions import ParseError
from tomlkit.items import Table

from capstone.core.errors import CapstoneError
from capstone.data.kinds import column_kind
from capstone.data.mends import IMPORTS, Mend, quoted
from capstone.data.schema import describe_column
from capstone.drafts.choices import Choices, Looked

COMMENT_WIDTH = 110
# What Copier fills in where nobody has asked a question of their own.
GIVEN_QUESTIONS = (
    r"How well can .+ be predicted from the other columns\?|What will a house sell for\?"
    r"|Which customers will leave\?|How will a student fare in the first year\?|"
)
OPEN = "[More Information Needed]"


def draft_settings(text: str, choices: Choices) -> str:
    """capstone.toml with the choices in it; comments and all other settings stay.

    Parameters
    ----------
    text : str
        The file as it is.
    choices : Choices
        What goes into section [data], and the way to split that suits the problem.
    """
    try:
        document = tomlkit.parse(text)
    except (
        ParseError
    ) as error:  # valid TOML that no program can edit, such as lists in lists in lists
        raise CapstoneError(f"capstone.toml can't be edited ({error}): mend it first.") from None
    project = _section(document, "project")
    if re.fullmatch(GIVEN_QUESTIONS, str(project.get("question", ""))):
        project["question"] = (
            f'How well can "{choices.target}" be predicted from the other columns?'
        )
    data = _section(document, "data")
    for key, value in asdict(choices).items():
        data[key] = value
    split = _section(document, "split")
    if split.get("method", "random") in ("random", "stratified"):
        split["method"] = "random" if choices.problem == "regression" else "stratified"
    return tomlkit.dumps(document)


def draft_features(looked: Looked, choices: Choices) -> str:
    """features.py: a line of clean() for each mend, with its reason, and a first engineer()."""
    mends = [mend for mend in looked.mends if mend.column not in choices.hidden]
    ratio = first_ratio(looked.clean, choices)
    code = " ".join(mend.code for mend in mends)
    return _render(
        "features.txt",
        names=["Table", "tidy_text", *(name for name in IMPORTS if f"{name}(" in code)],
        numpy=ratio is not None or "np." in code,
        mends=[_shown(mend) for mend in mends if mend.column != choices.target],
        target_mends=[_shown(mend) for mend in mends if mend.column == choices.target],
        target=quoted(choices.target),
        ratio=ratio,
    )


def draft_decisions(choices: Choices) -> str:
    """decisions.py for this kind of problem, with the target and the class to detect in its words."""
    return _render(
        "decisions.txt",
        problem=choices.problem,
        target=_plain(choices.target),
        positive=_plain(choices.positive),
    )


def draft_datasheet(looked: Looked, choices: Choices, personal: bool) -> str:
    """data/README.md with a line for each column; the answers are the student's."""
    columns = [
        {
            "name": f"`{_plain(name).replace('|', ' ')}`",
            "meaning": OPEN,
            "content": _values(looked.clean[name]),
        }
        for name in looked.clean
    ]
    return _render(
        "datasheet.md", title=Path(choices.path).name, columns=columns, about_people=personal
    )


def first_ratio(table: pd.DataFrame, choices: Choices) -> tuple[str, str, str] | None:
    """Two measured numbers above zero, as code, and a name for their ratio; None where there are not two."""
    names = [
        str(name)
        for name in table
        if str(name) not in {choices.target, *choices.hidden, *choices.sensitive}
        and column_kind(table[name]) == "number"
        and table[name].nunique() >= 10
        and table[name].min() >= 0
    ]
    if len(names) < 2:
        return None
    part, whole = names[:2]
    name = f"{part}_per_{whole}"
    if name in table:
        return None
    return f"table[{quoted(part)}]", f"table[{quoted(whole)}]", quoted(name)


def _section(document: tomlkit.TOMLDocument, name: str) -> Table:
    section = document.setdefault(name, tomlkit.table())
    if not isinstance(section, Table):
        raise CapstoneError(
            f"capstone.toml: write [{name}] on a line of its own, and its keys below."
        )
    return section


def _shown(mend: Mend) -> dict[str, object]:
    reason = _plain(mend.reason)
    return {
        "line": mend.line,
        "comment": textwrap.wrap(f"{reason[:1].upper()}{reason[1:]}.", COMMENT_WIDTH),
    }


def _plain(text: str) -> str:
    """A text from the table inside a comment or a docstring: on one line, and it ends nothing."""
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return words.replace("\\", "/").replace('"""', "'''")


def _values(column: pd.Series) -> str:
    """A column's kind, and its range or its categories, for one cell of a Markdown table."""
    about = describe_column(column)
    words = about["kind"]
    if words == "number":
        words += f", {about['low']:g} to {about['high']:g}"
    elif words == "date":
        words += f", {about['low'][:10]} to {about['high'][:10]}"
    elif words == "category":
        words += ": " + ", ".join(about["categories"][:6]) + ", …" * (len(about["categories"]) > 6)
    return _plain(words).replace("|", " ")


def _render(template: str, **values: object) -> str:
    code = template.endswith(".txt")
    environment = Environment(
        loader=PackageLoader("capstone.drafts", "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # what is made is Python and Markdown
        keep_trailing_newline=True,
        trim_blocks=code,
        lstrip_blocks=code,
    )
    return environment.get_template(template).render(**values)
