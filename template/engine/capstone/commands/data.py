"""`capstone data`: a look at the table before any training, in the terminal and as a page."""

from __future__ import annotations


def data() -> None:
    """Look at the table before any training: kinds, gaps, copies, suspected leaks."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

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
    overview = look_at(table, settings, fingerprint(path), sample)
    print(f"{overview.headline} Read as {how}.\n")
    shown = Table(*overview.columns.columns, title="Columns", box=SIMPLE, padding=(0, 1, 0, 0))
    for line in overview.columns.head(60).astype(str).itertuples(index=False):
        shown.add_row(*line)
    console = Console()
    console.print(shown)
    if len(overview.columns) > 60:
        print(f"... and {len(overview.columns) - 60:,} more columns: see the page.")
    balance = Table(*overview.target.columns, title=f"Target: {settings.target}", box=SIMPLE)
    for line in overview.target.astype(str).itertuples(index=False):
        balance.add_row(*line)
    console.print(balance)
    for note in overview.notes or ["Nothing odd was found."]:
        print(f"- {note}")
    target = root / "runs" / "data.html"
    write_text(target, data_page(overview, settings))
    print(f"\nThe same as a page: {target.relative_to(root)}")
