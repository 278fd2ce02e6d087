"""The reference pages: every question, setting, command and file of a run, read from the code itself."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import typer
import yaml
from pydantic_core import PydanticUndefined
from typer.main import get_command

import capstone as engine
from capstone.checks.rules import RULES
from capstone.commands.app import app as capstone
from capstone.core.settings import Settings
from cohort.cli import app as cohort
from site_tools.project import ROOT


def pages(project: Path) -> dict[str, str]:
    """Path of each page to its Markdown."""
    return {
        "reference/questions.md": questions((ROOT / "copier.yml").read_text(encoding="utf-8")),
        "reference/settings.md": settings((project / "capstone.toml").read_text(encoding="utf-8")),
        "reference/api.md": api(),
        "reference/commands.md": commands(capstone, "capstone", IN_A_PROJECT),
        "reference/cohort.md": commands(cohort, "cohort", IN_A_CLASS),
        "reference/rules.md": rules(),
        "reference/run.md": run((project / "engine" / "guide.md").read_text(encoding="utf-8")),
    }


# ---- The questions of copier.yml -----------------------------------------------------------------

QUESTIONS = """# The questions

`copier copy` asks these. Enter takes the answer in brackets. Every answer can also be given at once, for example
`--data problem=binary`; with `--defaults` nothing is asked. Your answers are in `.copier-answers.yml`, and
`copier update` asks again with them as defaults.
"""


def questions(text: str) -> str:
    """Every question that can be asked, with its choices, its default and when it is asked."""
    asked = {
        name: question
        for name, question in yaml.safe_load(text).items()
        if not name.startswith("_") and question.get("when") is not False
    }
    return QUESTIONS + "".join(_question(name, question) for name, question in asked.items())


def _question(name: str, question: dict[str, Any]) -> str:
    lines = [f"\n## `{name}`\n", question["help"], ""]
    default = question["default"]
    if choices := question.get("choices"):
        lines += [f"- {label}: `{value}`" for label, value in choices.items()]
        lines.append("")
    if isinstance(default, bool):
        default = "yes" if default else "no"
    # What Copier works out from other answers is told, not shown: the pattern would help nobody.
    shown = "made from your other answers" if "{" in str(default) else f"`{default}`"
    lines.append(f"Default: {shown if default != '' else 'empty'}. {_asked(question)}")
    return "\n".join(lines) + "\n"


def _asked(question: dict[str, Any]) -> str:
    condition = str(question.get("when", ""))
    if "data_source == 'own'" in condition:
        return "Asked after `show_all`, for your own table only: `capstone use` asks it better."
    if "ci == 'github'" in condition:
        return "Asked after `show_all`, with GitHub Actions only."
    return "Asked after `show_all` only." if "show_all" in condition else "Always asked."


# ---- The settings of capstone.toml ---------------------------------------------------------------

SETTINGS = """# capstone.toml

Every setting of a project. Change the file, or try a change for one run: `capstone run --set training.epochs=50`.
What you delete gets the default of this page. An unknown key is refused by name. "In the example" is what a new
project with the default answers has.
"""


def settings(text: str) -> str:
    """Every key with its comment, its value in the example, its default and what it accepts."""
    comments, values = _comments(text), tomllib.loads(text)
    parts = [SETTINGS, _table({"seed": Settings.model_fields["seed"]}, "", comments, values)]
    for name, field in Settings.model_fields.items():
        if name == "seed":
            continue
        section: Any = field.annotation
        about = (section.__doc__ or "").partition("\n")[0]
        rows = _table(section.model_fields, f"{name}.", comments, values[name])
        parts.append(f"## [{name}]\n\n{about}\n\n{rows}")
    return "\n".join(parts)


def _comments(text: str) -> dict[str, str]:
    """ "section.key" to the comment behind it."""
    found, section = {}, ""
    for line in text.splitlines():
        if header := re.match(r"\[(\w+)\]", line):
            section = header[1] + "."
        elif key := re.match(
            r"(\w+) *= *(?:\"(?:[^\"\\]|\\.)*\"|[^#\"]|\"[^\"]*\")*?# (.*)$", line
        ):
            found[section + key[1]] = key[2]
    return found


def _table(
    fields: dict[str, Any], before: str, comments: dict[str, str], values: dict[str, Any]
) -> str:
    lines = ["| key | what it does | in the example | default |", "| --- | --- | --- | --- |"]
    for key, field in fields.items():
        name = before + key
        default = field.get_default(call_default_factory=True)
        needed = default is PydanticUndefined
        about = comments.get(name, ABOUT.get(name, ""))
        cells = [
            f"`{name}`",
            about,
            _value(values[key]),
            "must be set" if needed else _value(default),
        ]
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines) + "\n"


# What capstone.toml need not say, since the key's name does.
ABOUT = {
    "project.name": "the project's name, for reports and cards",
    "project.question": "the question that it answers, in one sentence",
    "project.author": "who writes it",
    "project.email": "where readers may write to",
    "project.course": "the course that it is for",
}


def _value(value: Any) -> str:
    """As TOML writes it, or nearly."""
    return "`{}`" if value == {} else f"`{json.dumps(value, ensure_ascii=False)}`"


# ---- The names to import -------------------------------------------------------------------------

ABOUT_API = """# What to import

Your own files and notebooks import from `capstone` alone: `from capstone import load_settings, read_table`. These names
stay as they are from release to release; everything else in the engine may change.
"""
SECTION = re.compile(r"^(\w+)\n-+\n", re.MULTILINE)


def api() -> str:
    """Every name of the public API with its signature and its docstring."""
    parts = [ABOUT_API]
    for name in engine.__all__:
        thing = getattr(engine, name)
        parts.append(f"## `{name}`\n\n{_signature(name, thing)}{_docstring(thing)}")
    return "\n".join(parts)


def _signature(name: str, thing: Any) -> str:
    """How it is called; nothing for what is only raised or named."""
    is_protocol = getattr(thing, "_is_protocol", False)
    if is_protocol or (isinstance(thing, type) and issubclass(thing, Exception)):
        return ""
    signature = inspect.signature(thing)
    plain = [_with_plain_default(parameter) for parameter in signature.parameters.values()]
    shown = str(signature.replace(parameters=plain)).replace("= Ellipsis", "= ...")
    parameters = re.sub(r"(: |-> )'([^']*)'", r"\1\2", shown)
    return f"```python\n{name}{parameters.removesuffix(' -> None')}\n```\n\n"


def _with_plain_default(parameter: inspect.Parameter) -> inspect.Parameter:
    """Objects and functions as defaults tell nobody anything: "..." stands for them."""
    kinds = (str, int, float, tuple, type(None), type(inspect.Parameter.empty))
    return parameter if isinstance(parameter.default, kinds) else parameter.replace(default=...)


def _docstring(thing: Any) -> str:
    """A NumPy-style docstring as Markdown."""
    first, *sections = SECTION.split(inspect.getdoc(thing) or "")
    parts = [first]
    for title, text in zip(sections[::2], sections[1::2], strict=True):
        entries = re.split(r"\n(?=\S)", text.strip())
        parts += [f"**{title}**\n", *map(_entry, entries), ""]
    return "\n".join(parts)


def _entry(text: str) -> str:
    """`name : type` and the lines below it, as a point of a list."""
    head, _, about = text.partition("\n")
    name, colon, kind = head.partition(" : ")
    shown = f"`{name}` ({kind})" if colon else f"`{name}`"
    return f"- {shown}: {' '.join(textwrap.dedent(about).split())}"


# ---- The commands --------------------------------------------------------------------------------

IN_A_PROJECT = """Run these in a project's folder; with uv write `uv run` before each. What goes wrong is one sentence
on standard error; `--traceback` behind any command shows the whole story.

| exit code | meaning |
| --- | --- |
| 0 | all is well |
| 2 | something that you can mend; the sentence says what, where and how |
| 130 | Ctrl-C ended it |
| 1 | a fault of the template's engine, not of your work: show your instructor what `--traceback` prints |

Names of columns, values and files are shown as they are. What a terminal would obey, or nobody could see, stands there
as Python writes it: `\\x1b`, `\\n`, `\\u202e`. In `--json` and in files every letter is kept.
"""
IN_A_CLASS = """Run these in the folder of `class.toml`. [A class with `cohort`](../cohort.md) says when.
"""


def commands(app: Any, name: str, about: str) -> str:
    """Every command with its arguments and options, in the words of its --help."""
    group: Any = get_command(app)
    parts = [f"# The commands of `{name}`\n\n{group.help}\n\n{about}"]
    for command in group.commands.values():
        context = typer.Context(command, info_name=f"{name} {command.name}")
        usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
        told = " ".join((command.help or "").split())
        options = [one.get_help_record(context) for one in command.get_params(context)]
        rows = [f"| `{option}` | {_cell(help)} |" for option, help in filter(None, options)]
        head = f"## `{name} {command.name}`\n\n{told}\n\nUsage: `{usage}`\n\n"
        parts.append(head + "\n".join(["| option | what it does |", "| --- | --- |", *rows]) + "\n")
    return "\n".join(parts)


def _cell(text: str) -> str:
    """Text that Markdown shows as it is, in a table. A brace would be an attribute."""
    if text.startswith("`"):
        return text.replace("|", "\\|")
    return re.sub(r"([|\[])", r"\\\1", text).replace("<", "&lt;").replace("{", "&#123;")


# ---- The rules of capstone check -----------------------------------------------------------------

ABOUT_RULES = """# The rules of `capstone check`

`capstone check` prints a line for each rule, in this order; `capstone check --only NAME` asks one. A rule that is open
fails `capstone check --final`. Those of which the table says "never" fail every check, with exit code 2: they must not
be open at any time. A rule is switched off in `capstone.toml`, section `[checks]`, with a reason:
`off = { hooks = "our lab forbids them" }`.

| rule | what it asks | may be open on the way |
| --- | --- | --- |
"""


def rules() -> str:
    """Every rule with the first lines of its function, and whether it fails a check that is not final."""
    lines = []
    for name, rule in RULES.items():
        asked = " ".join((rule.__doc__ or "").partition("\n\n")[0].split())
        may = "never" if _finds_harm(rule) else "yes"
        lines.append(f"| `{name}` | {_cell(asked)} | {may} |")
    return ABOUT_RULES + "\n".join(lines) + "\n"


def _finds_harm(rule: Any) -> bool:
    """Whether a rule raises Harm, itself or by a function of its file that it calls."""
    helpers = [one for name, one in vars(inspect.getmodule(rule)).items() if name.startswith("_")]
    called = [one for one in helpers if inspect.isfunction(one) and one.__name__ in _names(rule)]
    return any("Harm" in _names(one) for one in (rule, *called))


def _names(function: Any) -> tuple[str, ...]:
    """What a function names that is not its own."""
    return tuple(function.__code__.co_names)


# ---- The files of a run --------------------------------------------------------------------------


def run(guide: str) -> str:
    """The part of a project's guide on runs: one text for both."""
    part = re.search(r"^## A run\n(.*?)^## ", guide, flags=re.MULTILINE | re.DOTALL)
    assert part, 'a project\'s guide has no heading "A run" any more'
    return f"# The files of a run\n{part[1]}"
