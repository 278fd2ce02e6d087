"""`capstone data`: a look at the table before any training, in the terminal and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # heavy libraries are imported where they are used
    import pandas as pd

    from capstone.core.settings import Data
    from capstone.reporting.data_page import Overview

MOST_LINES = 60  # columns in the terminal


def data() -> None:
    """Look at the table before any training: kinds, gaps, copies, suspected leaks."""
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
    print(f"{overview.headline} Read as {how}.\n")
    print_tables(overview, settings)
    print_notes(overview, problem)
    target = root / "runs" / "data.html"
    target.parent.mkdir(exist_ok=True)
    shown = table if cleaned is None else cleaned
    write_text(target, data_page(overview, table, shown, settings))
    print(f"\nThe same as a page, with a chart of each column: {target.relative_to(root)}")


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
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    shown = Table(*overview.columns.columns, title="Columns", box=SIMPLE, padding=(0, 1, 0, 0))
    for line in overview.columns.head(MOST_LINES).astype(str).itertuples(index=False):
        shown.add_row(*line)
    console = Console()
    console.print(shown)
    if len(overview.columns) > MOST_LINES:
        print(f"... and {len(overview.columns) - MOST_LINES:,} more columns: see the page.")
    balance = Table(*overview.target.columns, title=f"Target: {settings.target}", box=SIMPLE)
    for line in overview.target.astype(str).itertuples(index=False):
        balance.add_row(*line)
    console.print(balance)


def print_notes(overview: Overview, problem: str) -> None:
    """What to look at, with the lines for clean(), and what clean() has answered."""
    left = [alert for alert in overview.alerts if alert not in overview.answered]
    for alert in left:
        print(f"- {alert.text}")
        if alert.code:
            print(f"    in clean(): {alert.code}")
    if not left:
        print("Nothing odd was found.")
    for alert in overview.answered:
        print(f"✓ clean() has answered: {alert.text}")
    if problem:
        print(f"clean() can't be tried yet: {problem}")
