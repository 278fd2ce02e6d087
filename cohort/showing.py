"""What the commands print: a progress bar, a table, or JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from cohort.outcome import ERROR, REFUSED, WORDS, Outcome

BLOCK = 200  # rows of a table
COLOURS = {"conflict": "yellow", REFUSED: "red", ERROR: "red", "clean": "green", "created": "green"}


@contextmanager
def progress(what: str, total: int, quiet: bool) -> Iterator[Callable[[object], None]]:
    """A bar on standard error, if that is a terminal. Gives what to call for each that is done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    hidden = quiet or not console.is_terminal
    # No thread of rich's own: the processes are forked from this one.
    with Progress(
        *columns, console=console, transient=True, disable=hidden, auto_refresh=False
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


def plain(text: str) -> str:
    """A text that may be a stranger's, for a table: no markup, and nothing that steers a terminal."""
    return escape(plain_text(text))


def plain_text(text: str) -> str:
    """The same for a line of its own."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def write_plan_page(path: Path, to: str, outcomes: Sequence[Outcome]) -> None:
    """The plan as one page with every diff."""
    from cohort.pages import page

    path.write_text(
        page("plan.html.jinja", to=to, outcomes=outcomes, words=WORDS), encoding="utf-8"
    )
    print(f"Wrote {path}.")
