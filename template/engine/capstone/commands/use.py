"""`capstone use PATH`: from a file with a table to a first draft of everything that a run needs."""

from __future__ import annotations

import csv
import filecmp
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from capstone.core.errors import CapstoneError, did_you_mean
from capstone.core.text import one_line, say, say_each

if TYPE_CHECKING:  # heavy libraries are imported where they are used
    import pandas as pd

    from capstone.drafts.choices import Choices, Looked
    from capstone.drafts.files import Draft
    from capstone.profiling.suggestions import Problem

T = TypeVar("T")
NONE = "-"  # the answer for "no column"
PROBLEMS: dict[Problem, str] = {
    "regression": "a number",
    "binary": "one of two classes",
    "multiclass": "one of several classes",
}


def use(
    path: Annotated[Path, typer.Argument(help="Your table: a CSV, Parquet or Excel file.")],
    target: Annotated[str, typer.Option("--target", help="The column to predict.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Take every suggestion; ask nothing.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also replace files that you have worked on.")
    ] = False,
) -> None:
    """Begin with your own table: draft settings, clean() and more."""
    from capstone.core.project import find_root
    from capstone.drafts.choices import Looked, suggested, what_stops_a_run
    from capstone.drafts.files import make_drafts, write_drafts

    root = find_root()
    if not path.exists():
        raise CapstoneError(f"{path} does not exist: name the file with your table.")
    place = place_for(path, root)
    raw, how = look_at_file(path)
    looked = Looked.at(raw)
    say(f"{path.name}: {len(raw):,} rows and {raw.shape[1]:,} columns. Read as {how}.")
    say_mends(looked)
    if target and target not in looked.clean:
        raise CapstoneError(
            f'{path} has no column "{target}"{did_you_mean(target, looked.clean.columns)}'
        )
    choices, reasons = suggested(looked, place.as_posix(), target)
    if yes:
        say_choices(choices, reasons)
    else:
        choices = ask(looked, choices, reasons, bool(target))
    drafts = make_drafts(root, looked, choices, bool(choices.sensitive))
    kept = [] if overwrite else [draft for draft in drafts if draft.yours]
    for draft in drafts:
        say()
        say_each(draft.diff().splitlines())
    if not yes:
        drafts = confirm(drafts)
    elif kept:
        names = ", ".join(draft.path.as_posix() for draft in kept)
        raise CapstoneError(
            f"You have worked on {names}: nothing was written. `capstone use` without --yes asks about each of them; "
            "--overwrite replaces them."
        )
    copy_table(path, root / place)
    write_drafts(root, drafts)
    say_what_next(place, drafts, what_stops_a_run(looked, choices))


def place_for(path: Path, root: Path) -> Path:
    """Where the table will lie, seen from the project's folder: where it is, or in data/raw/."""
    if not f"{path}{path.resolve()}".isprintable():
        raise CapstoneError(f"{path} has a letter in its name that nobody can see: rename it.")
    if path.resolve().is_relative_to(root.resolve()):
        return path.resolve().relative_to(root.resolve())
    if path.is_dir():
        raise CapstoneError(f"{path} is a folder outside your project: move it to data/raw/ first.")
    place = Path("data", "raw", path.name)
    if (root / place).exists() and not filecmp.cmp(root / place, path, shallow=False):
        raise CapstoneError(
            f"{place.as_posix()} is there already and differs from {path}: give one of them another name."
        )
    return place


def look_at_file(path: Path) -> tuple[pd.DataFrame, str]:
    """The table, or a sample of one that is too large for memory, and how it was read."""
    from capstone.core.settings import Data
    from capstone.streaming.source import table_or_sample

    table, how, sample = table_or_sample(path, Data(path="-", target="-", problem="regression"))
    return table, f"{how}; {sample}" if sample else how


def say_mends(looked: Looked) -> None:
    """What clean() has to mend, a line for each."""
    if not looked.mends:
        say("Nothing in it needs mending.")
        return
    say()
    say("To be mended in clean():")
    for mend in looked.mends:
        say(f"  {mend.column}: {mend.reason}.")


def say_choices(choices: Choices, reasons: dict[str, str]) -> None:
    """What was decided without a question."""
    say()
    say(f"To predict: {choices.target}, {PROBLEMS[choices.problem]} ({choices.problem}).")
    if choices.positive:
        say(f"The class to detect: {choices.positive}.")
    say(f"What names a row: {choices.id or 'no column'}.")
    for name in choices.leave_out:
        say(f"Left out: {name}, which {reasons[name]}")
    say(f"Sensitive: {', '.join(choices.sensitive) or 'no column'}.")


def ask(looked: Looked, choices: Choices, reasons: dict[str, str], target_known: bool) -> Choices:
    """One question for each decision, with a suggestion."""
    from capstone.drafts.choices import suggested

    columns = list(map(str, looked.clean))
    say()
    if not target_known:
        target = one_of("Which column should be predicted?", columns, choices.target)
        if target != choices.target:
            choices, reasons = suggested(looked, choices.path, target)
    kinds = ", ".join(f"{name} ({words})" for name, words in PROBLEMS.items())
    answer = one_of(f"What kind of problem is that: {kinds}?", list(PROBLEMS), choices.problem)
    problem = next(name for name in PROBLEMS if name == answer)
    choices = replace(
        choices, problem=problem, positive=choices.positive if problem == "binary" else ""
    )
    if problem == "binary":
        choices = replace(
            choices, positive=ask_class(looked.clean[choices.target], choices.positive)
        )
    name = one_of(
        f"Which column names a row, such as a number? {NONE} for none.",
        [*columns, NONE],
        choices.id or NONE,
    )
    choices = replace(choices, id="" if name == NONE else name)
    for column, reason in reasons.items():
        say(f"  {column} {reason}")
    free = [column for column in columns if column not in (choices.target, choices.id)]
    leave_out = some_of(
        f"Which columns must the network not see, because they are useless or known too late? {NONE} for none.",
        free,
        [column for column in choices.leave_out if column in free],
    )
    free = [column for column in free if column not in leave_out]
    sensitive = some_of(
        f"Which columns are groups of people that must be treated alike? {NONE} for none.",
        free,
        [column for column in choices.sensitive if column in free],
    )
    return replace(choices, leave_out=leave_out, sensitive=sensitive)


def ask_class(target: pd.Series, suggestion: str) -> str:
    """Which of two classes is to be detected."""
    from capstone.data.spellings import class_to_detect

    names = sorted(target.dropna().astype(str).unique())
    if len(names) != 2:
        raise CapstoneError(
            f'"{target.name}" has {len(names)} different values, so that it is no binary problem: '
            "start again and choose another kind."
        )
    likely, reason = class_to_detect(target)
    return one_of(
        f"Which class should be detected, {names[0]} or {names[1]}? ({reason}.)",
        names,
        suggestion or likely,
    )


def one_of(question: str, known: list[str], suggestion: str) -> str:
    """An answer that is one of these; asked again until it is."""
    while True:
        answer = prompt(question, suggestion)
        if answer in known:
            return answer
        say(f'There is no "{answer}"{did_you_mean(answer, known)}')


def some_of(question: str, known: list[str], suggestion: list[str]) -> list[str]:
    """An answer that names some of these, separated by commas."""
    while True:
        answer = prompt(question, ", ".join(map(_in_list, suggestion)) or NONE)
        names = [] if answer == NONE else next(csv.reader([answer], skipinitialspace=True))
        names = [name.strip() for name in names if name.strip()]
        unknown = [name for name in names if name not in known]
        if not unknown:
            return list(dict.fromkeys(names))
        say(f'There is no "{unknown[0]}"{did_you_mean(unknown[0], known)}')


def _in_list(name: str) -> str:
    return f'"{name}"' if "," in name else name


def prompt(question: str, suggestion: str) -> str:
    """What is typed; Enter takes the suggestion."""
    return answer(lambda: str(typer.prompt(one_line(question), default=suggestion)).strip())


def agreed(question: str, default: bool) -> bool:
    """Whether someone says yes."""
    return answer(lambda: typer.confirm(question, default=default))


def answer(ask: Callable[[], T]) -> T:
    """What is answered to a question. Raises CapstoneError where no one is there, typer.Abort after Ctrl-C."""
    no_one = "There is no one to answer the questions: add --yes to take every suggestion."
    if sys.stdin is None:  # the command was started with its input closed
        raise CapstoneError(no_one)
    try:
        return ask()
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        raise CapstoneError(no_one) from None


def confirm(drafts: list[Draft]) -> list[Draft]:
    """The drafts that someone wants to have: asked once, and once more for each file that they have worked on."""
    fresh = [draft for draft in drafts if not draft.yours]
    names = " and ".join(draft.path.as_posix() for draft in fresh)
    chosen = fresh if fresh and agreed(f"\nWrite {names}?", True) else []
    for draft in drafts:
        question = f"You have worked on {draft.path.as_posix()}. Replace it?"
        if draft.yours and agreed(question, False):
            chosen = [*chosen, draft]
    return chosen


def copy_table(source: Path, target: Path) -> None:
    """Put the table into the project, whole or not at all; one that is there stays."""
    from capstone.core.files import writing

    if not target.exists():
        with writing(target) as partial:
            shutil.copyfile(source, partial)


def say_what_next(place: Path, drafts: list[Draft], obstacle: str) -> None:
    """What was written, what a run would end with, and the two commands that come next."""
    written = ", ".join(draft.path.as_posix() for draft in drafts) or "nothing that differs"
    say()
    say(f"Your table is {place.as_posix()}. Written: {written}.")
    if obstacle:
        say(f"A run will need more: {obstacle}")
    say("Read clean() in features.py: each line has its reason, and you decide. Then:")
    say("  capstone data           look at the table, as it is and as clean() leaves it")
    say("  capstone run            train, evaluate and save the model")
