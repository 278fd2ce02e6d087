"""`capstone data`: a look at the table before any training, in the terminal and as a page."""

from __future__ import annotations

MOST_COLUMNS = 60  # in the terminal


def data() -> None:
    """Look at the table before any training: kinds, gaps, copies, suspected leaks."""
    from capstone.commands.console import show_table
    from capstone.core.files import write_text
    from capstone.core.project import find_root
    from capstone.core.settings_file import load_settings
    from capstone.core.text import say
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
    say(f"{overview.headline} Read as {how}.")
    say()
    shown = overview.columns.head(MOST_COLUMNS).astype(str)
    show_table("Columns", list(shown), shown.to_numpy().tolist())
    if len(overview.columns) > MOST_COLUMNS:
        say(f"... and {len(overview.columns) - MOST_COLUMNS:,} more columns: see the page.")
    balance = overview.target.astype(str)
    show_table(f"Target: {settings.target}", list(balance), balance.to_numpy().tolist())
    for note in overview.notes or ["Nothing odd was found."]:
        say(f"- {note}")
    target = root / "runs" / "data.html"
    write_text(target, data_page(overview, settings))
    say()
    say(f"The same as a page: {target.relative_to(root)}")
