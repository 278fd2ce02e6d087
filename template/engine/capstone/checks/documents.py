"""Rules on what is written: the datasheet, the model card, the ethics checklist, personal data."""

from __future__ import annotations

import math
import re
from pathlib import Path

from capstone.checks.ethics_checklist import CHECKLIST, ITEMS, open_items
from capstone.checks.outcome import Open
from capstone.checks.personal_data import suspected_columns
from capstone.checks.project_state import ProjectState
from capstone.core.errors import short_list
from capstone.core.text import count
from capstone.reporting.card.datasheet import DATASHEET, MOST_COLUMNS, table_facts
from capstone.reporting.card.front_matter import check_front_matter
from capstone.reporting.card.markdown_blocks import (
    code,
    contents,
    headings,
    open_points,
    read_document,
)
from capstone.reporting.card.model_card import MODEL_CARD, model_card_blocks, run_of_card

DATASHEET_SECTIONS = (
    *("Motivation", "Composition", "Collection process", "Preprocessing"),
    *("Uses", "Distribution", "Maintenance"),
)
CARD_SECTIONS = (
    *("Model Details", "Intended Use", "Factors", "Metrics", "Evaluation Data", "Training Data"),
    *("Quantitative Analyses", "Ethical Considerations", "Caveats and Recommendations"),
)
A_NUMBER = re.compile(r"\d[\d,]*\.?\d*")


def data_is_documented(project: ProjectState) -> str:
    """The datasheet answers its seven sections, describes every column, and its facts are the table's."""
    path = project.root / DATASHEET
    text = read_document(path)
    held = contents(text, path).get("facts")
    if held is None:
        raise Open(f'{path} has no block "facts"', "`capstone card` says which lines to put back")
    _is_answered(text, path, DATASHEET_SECTIONS)
    if held != table_facts(
        project.table, project.settings.data, project.sha256, project.table_read[2]
    ):
        raise Open(f"the facts in {path} are not those of the table", "`capstone card` writes them")
    words = text.replace(held, "")
    names = list(project.table) if len(project.table.columns) <= MOST_COLUMNS else []
    if unknown := [name for name in names if not _is_named(str(name), words)]:
        raise Open(
            f"{path} does not describe {short_list(unknown)}", "say there what each column means"
        )
    return f"{path} is answered; its facts are those of {project.settings.data.path}"


def personal_data_is_addressed(project: ProjectState) -> str:
    """A column that looks like personal data is spoken of in the ethics checklist."""
    suspected = suspected_columns(project.table)
    path = project.root / CHECKLIST
    words = read_document(path)
    silent = {name: why for name, why in suspected.items() if code(name) not in words}
    if silent:
        name, why = next(iter(silent.items()))
        more = f" (and {short_list(list(silent)[1:])})" if len(silent) > 1 else ""
        raise Open(
            f'column "{name}" {why}{more}',
            f"delete it from the table, or say at A.3 in {path} why {code(name)} is there and how it is protected",
        )
    if suspected:
        return f"{short_list(list(suspected))} may be personal, and {path} speaks of it"
    return "no column looks like names, addresses, numbers of persons"


def card_is_complete(project: ProjectState) -> str:
    """The model card has its nine sections, valid front matter, and no question left."""
    path = project.root / MODEL_CARD
    contents(project.card, path)
    check_front_matter(project.card, path)
    if not run_of_card(project.card, path):
        raise Open(f"{path} has no numbers yet", "`capstone card` writes them")
    _is_answered(project.card, path, CARD_SECTIONS)
    return f"{path} is complete"


def numbers_are_the_runs(project: ProjectState) -> str:
    """Every block of the model card says what the run says.

    A card's run is not in a fresh clone. Then the newest run there is made anew on another machine: its
    numbers may differ a little, and of course its name and date.
    """
    path = project.root / MODEL_CARD
    named = run_of_card(project.card, path)
    if not named:
        raise Open(f"{path} has no numbers yet", "`capstone card` writes them")
    written, true = contents(project.card, path), model_card_blocks(project.whole_run)
    if absent := sorted(set(true) - set(written)):
        raise Open(
            f"{path} lacks {short_list(absent)}", "`capstone card` says which lines to put back"
        )
    same_run = named == project.run.id
    stale = [
        name
        for name, text in true.items()
        if written[name] != text
        and (same_run or (name != "run" and not _nearly(written[name], text)))
    ]
    if stale:
        raise Open(
            f"{path}: {short_list(stale)} differ from runs/{project.run.id}",
            "`capstone card` writes them anew",
        )
    return f"every number in {path} is that of runs/{project.run.id}"


def ethics_is_answered(project: ProjectState) -> str:
    """Each of the 21 questions is ticked with evidence that exists, or N/A with a reason."""
    path = project.root / CHECKLIST
    if items := open_items(project.root):
        raise Open(
            f"{path}: {len(items)} of {len(ITEMS)} questions still to answer: {short_list(items, 2)}",
            "tick each with a link to evidence, or write `N/A:` and a reason",
        )
    return f"all {len(ITEMS)} questions in {path} are answered"


def _is_answered(text: str, path: Path, sections: tuple[str, ...]) -> None:
    there = [heading.casefold() for heading in headings(text)]
    if absent := [name for name in sections if name.casefold() not in there]:
        raise Open(
            f"{path} lacks the section {short_list(absent)}", "put its heading and text back"
        )
    if lines := open_points(text):
        raise Open(
            f"{path}: {count(len(lines), 'question')} still to answer, the first in line {lines[0]}",
            "replace each [More Information Needed] by your answer",
        )


def _is_named(name: str, words: str) -> bool:
    return bool(code(name) in words or re.search(rf"(?<!\w){re.escape(name)}(?!\w)", words))


def _nearly(written: str, true: str) -> bool:
    """Whether two texts differ in nothing but a last digit here and there."""
    if A_NUMBER.sub("0", written) != A_NUMBER.sub("0", true):
        return False
    pairs = zip(A_NUMBER.findall(written), A_NUMBER.findall(true), strict=True)
    return all(math.isclose(_number(a), _number(b), rel_tol=0.01, abs_tol=0.002) for a, b in pairs)


def _number(text: str) -> float:
    return float(text.replace(",", ""))
