"""The commands' output: a progress bar, a table, or JSON.

Only the bar is rich's, and only on a terminal: for thousands of rows its tables take seconds and megabytes.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest

from rich.cells import cell_len

from cohort.classroom.outcome import CLEAN, CONFLICT, ERROR, REFUSED, Outcome, count_of_word
from cohort.classroom.roster import Roster
from cohort.classroom.teams import once
from cohort.text import to_json, visible_text

NARROWEST = 8  # a column of a table: so those of `cohort status` fit into 80 characters
BLOCK = 200  # rows of a table
COLUMNS = ("student", "state", "release", "files", "branch", "notes")
RED, GREEN, YELLOW = 31, 32, 33  # as terminals number them
COLOURS = {CONFLICT: YELLOW, REFUSED: RED, ERROR: RED, CLEAN: GREEN, "created": GREEN}


@contextmanager
def progress(what: str, total: int, quiet: bool) -> Iterator[Callable[[object], None]]:
    """Show a bar on standard error, if that is a terminal. Yields a function to call after each student."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # No thread of rich's own: the processes are forked from this one.
    with Progress(
        *columns, console=Console(stderr=True), transient=True, auto_refresh=False
    ) as bar:
        task = bar.add_task(what, total=total)

        def advance(_: object) -> None:
            bar.advance(task)
            bar.refresh()

        yield advance


def print_json(projects: Sequence[dict[str, object]], roster: Roster, **more: object) -> None:
    """Print a command's result as JSON, with each student's other columns of the roster."""
    extra = {student.name: student.extra for student in roster.students}
    rows = [project | {"extra": extra[str(project["student"])]} for project in projects]
    about = {"projects": rows, "problems": roster.problems}
    print(to_json(more | about, indent=2))


def print_problems(problems: Sequence[str]) -> None:
    """Print the rows of the roster that can't be used."""
    for problem in problems:
        print(in_colour(visible_text(problem), RED))


def show(
    title: str, outcomes: Sequence[Outcome], roster: Roster, as_json: bool, advice: str = ""
) -> None:
    """Print one line per student, the problems of the roster, the number in each state, and the next step."""
    if as_json:
        print_json([outcome.as_dict() for outcome in outcomes], roster, title=title)
        return
    print(title)
    used = _used_columns(outcomes)
    columns = [COLUMNS[place] for place in used]
    # In blocks, each with the heading again.
    for start in range(0, max(1, len(outcomes)), BLOCK):
        block = outcomes[start : start + BLOCK]
        colours = [COLOURS.get(outcome.state, 0) for outcome in block]
        rows = [[_cells(outcome)[place] for place in used] for outcome in block]
        print("", *text_table(columns, rows, colours), "", sep="\n")
    print_problems(roster.problems)
    counted = once(outcomes)  # a team's repository once
    counts = Counter(outcome.word for outcome in counted)
    requests = Counter(one.pull_request.state for one in counted if one.pull_request)
    pull_requests = f" Pull requests: {_sum(requests)}." if requests else ""
    print(f"{_sum(counts) or 'No student'}.{pull_requests} {advice}".rstrip())


def _sum(counts: Counter[str]) -> str:
    return ", ".join(count_of_word(number, word) for word, number in counts.most_common())


def _used_columns(outcomes: Sequence[Outcome]) -> list[int]:
    """Return the columns that are not empty for all students; always the first two."""
    used = {0, 1}
    for outcome in outcomes:
        used |= {place for place, cell in enumerate(_cells(outcome)) if cell}
    return sorted(used)


def _cells(outcome: Outcome) -> list[str]:
    about = [f"{one['path']}: {one['what']}" for one in outcome.conflicts]
    about = [outcome.message] if outcome.message else [*about, *outcome.notes]
    if outcome.pull_request is not None:
        about.append(str(outcome.pull_request))
    if outcome.same_as:
        about.append(f"the same repository as {outcome.same_as}")
    cells = (
        outcome.student,
        outcome.word,
        outcome.now,
        str(len(outcome.changes) or ""),
        outcome.branch if outcome.commit else "",
        "; ".join(about),
    )
    return [visible_text(cell) for cell in cells]


def text_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], colours: Sequence[int] = ()
) -> Iterator[str]:
    """Return the lines of a table. Wide columns are wrapped, the widest first; a row may have a colour."""
    widths = _widths([columns, *rows])
    painted = colours or [0] * len(rows)
    for row, colour in zip([columns, *rows], [0, *painted], strict=True):
        wrapped = [
            [cell]
            if cell_len(cell) <= width
            else textwrap.wrap(cell, width, break_on_hyphens=False)
            for cell, width in zip(row, widths, strict=True)
        ]
        for line in zip_longest(*wrapped, fillvalue=""):
            cells = zip(line, widths, strict=True)
            text = "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in cells)
            yield " " + in_colour(text.rstrip(), colour)
        if row is columns:
            yield " " + "─" * (sum(widths) + 2 * len(widths) - 2)


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column. If possible, no word (a date, a path) is broken."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(cell_len, column)) for column in columns]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else 160
    room -= 2 * len(widths)
    if sum(widths) <= room:
        return widths
    words = [max(cell_len(word) for cell in column for word in cell.split()) for column in columns]
    for floors in (words, [NARROWEST] * len(widths)):
        while sum(widths) > room:
            width, place = max(
                (width if width > floor else 0, place)
                for place, (width, floor) in enumerate(zip(widths, floors, strict=True))
            )
            if width == 0:
                break
            widths[place] -= 1
    return widths


def in_colour(text: str, colour: int) -> str:
    """Colour a text, if the terminal shows colours and nobody has switched them off."""
    if not colour or not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return f"\x1b[{colour}m{text}\x1b[0m"
