"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from capstone.core.errors import CapstoneError
from capstone.core.text import printable

NEWEST = "LATEST"
WHICH = "Which run; the newest if none."
RunOption = Annotated[str, typer.Option("--run", metavar="RUN", help=WHICH)]
RunArgument = Annotated[str, typer.Argument(metavar="[RUN]", help=WHICH)]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="SECTION.KEY=VALUE", help="Change a setting for this run; repeatable."
    ),
]
LONGEST_NAME, LONGEST_NOTE = 60, 1000  # characters


def name_of_run(text: str) -> str:
    """What `--name` calls a run, as one line. Raises CapstoneError when it is no name any more."""
    return _one_line("--name", text, LONGEST_NAME, "say the rest with --note")


def note_on_run(text: str) -> str:
    """What `--note` says about a run, as one line. Raises CapstoneError when it is too long."""
    return _one_line("--note", text, LONGEST_NOTE, "write more into a file of your own")


def _one_line(option: str, text: str, longest: int, what_to_do: str) -> str:
    words = printable(" ".join(text.split()))
    if len(words) > longest:
        raise CapstoneError(
            f"{option} has {len(words):,} characters, and {longest:,} are the most: {what_to_do}."
        )
    return words


NameOption = Annotated[
    str, typer.Option("--name", metavar="WORDS", help="What to call this run.", parser=name_of_run)
]
NoteOption = Annotated[
    str,
    typer.Option("--note", metavar="WORDS", help="A remark to keep with it.", parser=note_on_run),
]
