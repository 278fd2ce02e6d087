"""`capstone data`: a look at the table before any training, in the terminal and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from capstone.core.text import say, say_each

if TYPE_CHECKING:  # heavy libraries are imported where they are used
    import pandas as pd

    from capstone.core.settings import Data
    from capstone.reporting.data_page import Overview

MOST_LINES = 60  # columns in the terminal


def data() -> None:
    """Look at the table before training, here and as a page."""
    from capstone.core.files import write_text
    from capstone.core.project import find_root
    from capstone.core.settings_file import load_settings
    from capstone.data.reading import fingerprint
    from capstone.data.validation import check_named_columns
    from capstone.reporting.data_page import data_page, look_at
    from capstone.streaming.source import table_or_sample

    root = find_root()
    settings = load_settings(root).data
    path = root / settings.path
    table, how, sample = table_or_sample(path, settings)
    check_named_columns(table, {"[data] target": [settings.target]}, settings.path)
    cleaned, problem = clean_if_possible(table, root, settings)
    overview = look_at(table, settings, fingerprint(path), sample, cleaned)
    say(f"{overview.headline} Read as {how}.")
    say()
    print_tables(overview, settings)
    print_notes(overview, problem)
    target = root / "runs" / "data.html"
    shown = table if cleaned is None else cleaned
    write_text(target, data_page(overview, table, shown, settings))
    say()
    say(f"The same as a page, with a chart of each column: {target.relative_to(root)}")
    say("Next: `capstone run --quick` tries every step in seconds.")


def clean_if_possible(
    table: pd.DataFrame, root: Path, settings: Data
) -> tuple[pd.DataFrame | None, str]:
    """The table after the student's clean(), or why there is none: a slip in it must not hide the table."""
    from capstone.core.errors import CapstoneError
    from capstone.data.user_steps import apply_step

    left = table.drop(columns=[name for name in settings.leave_out if name in table])
    try:
        return apply_step("clean", left, root, settings.target)[0], ""
    except CapstoneError as error:
        return None, str(error)


def print_tables(overview: Overview, settings: Data) -> None:
    """The columns, and the target's balance or spread."""
    from capstone.commands.console import show_table

    shown = overview.columns.head(MOST_LINES).astype(str)
    show_table("Columns", list(shown), shown.to_numpy().tolist())
    if len(overview.columns) > MOST_LINES:
        say(f"... and {len(overview.columns) - MOST_LINES:,} more columns: see the page.")
    balance = overview.target.astype(str)
    show_table(f"Target: {settings.target}", list(balance), balance.to_numpy().tolist())


def print_notes(overview: Overview, problem: str) -> None:
    """What to look at, with the lines for clean(), and what clean() has answered."""
    from capstone.data.mends import needed_imports

    left = [alert for alert in overview.alerts if alert not in overview.answered]
    for alert in left:
        say(f"- {alert.text}")
        if alert.code:
            say_each(f"      {line}" for line in ["in clean():", *alert.code.splitlines()])
    if imports := needed_imports(" ".join(alert.code for alert in left)):
        say(f"These lines of clean() work {imports} at the top of features.py.")
    if not left:
        say("Nothing is left to look at." if overview.answered else "Nothing odd was found.")
    for alert in overview.answered:
        say(f"✓ mended by your clean(): {alert.text}")
    if problem:
        say(f"clean() can't be tried yet: {problem}")
