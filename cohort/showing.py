"""What the commands print: a progress bar, a table, or JSON.

rich is imported where it draws: `cohort status` needs it for a bar on a terminal alone, and is quicker without.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len

from cohort.outcome import ERROR, REFUSED, WORDS, Outcome

if TYPE_CHECKING:
    from rich.table import Table

NARROWEST = 10  # a column of a table of text
BLOCK = 200  # rows of a table
COLOURS = {"conflict": "yellow", REFUSED: "red", ERROR: "red", "clean": "green", "created": "green"}


@contextmanager
def progress(what: str, total: int, quiet: bool) -> Iterator[Callable[[object], None]]:
    """A bar on standard error, if that is a terminal. Gives what to call for each that is done."""
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

        def told(_: object) -> None:
            bar.advance(task)
            bar.refresh()

        yield told


def show(
    title: str, outcomes: Sequence[Outcome], as_json: bool, problems: Sequence[str] = ()
) -> None:
    """One line per student, what is to be done by hand, and a sum."""
    if as_json:
        projects = [outcome.as_dict() for outcome in outcomes]
        print(
            json.dumps({"title": title, "projects": projects, "problems": list(problems)}, indent=2)
        )
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(width=None if Console().is_terminal else 160)
    # In blocks, each with the heading again: one table of thousands takes tens of megabytes.
    for start in range(0, max(1, len(outcomes)), BLOCK):
        console.print(_table(title if start == 0 else "", outcomes[start : start + BLOCK]))
    for problem in problems:
        console.print(f"[red]{escape(problem)}[/]")
    counts = Counter(WORDS.get(outcome.state, outcome.state) for outcome in outcomes)
    parts = [f"{number} {word}" for word, number in counts.most_common()]
    wrote = sum(outcome.wrote for outcome in outcomes)
    console.print(f"{', '.join(parts) or 'No student'}. Written: {wrote}.", highlight=False)


def _table(title: str, outcomes: Sequence[Outcome]) -> Table:
    from rich.box import SIMPLE
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title or None, box=SIMPLE, title_justify="left", padding=(0, 1, 0, 0))
    for column in ("student", "state", "from", "files", "branch", "what to know"):
        table.add_column(column, overflow="fold", no_wrap=column in ("state", "files"))
    for outcome in outcomes:
        word = WORDS.get(outcome.state, outcome.state)
        about = outcome.message or "; ".join(f"{c['path']}: {c['what']}" for c in outcome.conflicts)
        cells = (
            outcome.student,
            f"[{COLOURS.get(outcome.state, 'default')}]{escape(word)}[/]",
            outcome.now,
            str(len(outcome.changes) or ""),
            outcome.branch if outcome.commit else "",
            about or "; ".join(outcome.notes),
        )
        table.add_row(*(cell if i == 1 else plain(cell) for i, cell in enumerate(cells)))
    return table


def text_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table without colours: a tenth of the time that rich takes for thousands of rows."""
    columns_of_text = zip(columns, *rows, strict=True)
    widths = [max(map(cell_len, column)) for column in columns_of_text]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else 160
    while sum(widths) + 2 * len(widths) > room and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    for at, row in enumerate([columns, *rows]):
        wrapped = [
            [cell] if cell_len(cell) <= width else textwrap.wrap(cell, width)
            for cell, width in zip(row, widths, strict=True)
        ]
        for line in zip_longest(*wrapped, fillvalue=""):
            cells = zip(line, widths, strict=True)
            yield " " + "  ".join(c + " " * (w - cell_len(c)) for c, w in cells).rstrip()
        if at == 0:
            yield " " + "─" * (sum(widths) + 2 * len(widths) - 2)


def plain(text: str) -> str:
    """A text that may be a stranger's, for a table: no markup, and nothing that steers a terminal."""
    from rich.markup import escape

    return escape(plain_text(text))


def plain_text(text: str) -> str:
    """The same for a line of its own."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " for letter in text)


def write_plan_page(path: Path, to: str, outcomes: Sequence[Outcome]) -> None:
    """The plan as one page with every diff."""
    from cohort.pages import page

    path.write_text(
        page("plan.html.jinja", to=to, outcomes=outcomes, words=WORDS), encoding="utf-8"
    )
    print(f"Wrote {path}.")
