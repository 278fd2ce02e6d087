"""`capstone card`: a run's numbers into docs/model_card.md, the table's facts into data/README.md."""

from __future__ import annotations

from capstone.commands.options import NEWEST, RunOption


def card(run_id: RunOption = NEWEST) -> None:
    """Write a run's numbers into model card and datasheet."""
    from capstone.core.project import find_root
    from capstone.core.settings_file import load_settings
    from capstone.core.text import say, say_each
    from capstone.reporting.card.card import write_cards
    from capstone.runs.folder import read_run
    from capstone.streaming.source import table_or_sample

    root = find_root()
    data = load_settings(root).data
    run = read_run(root / "runs", run_id)
    table, _, sample = table_or_sample(root / data.path, data)
    say_each(write_cards(root, run, data, table, sample))
    if run.info.get("quick"):
        say("Note: this was a quick run; its numbers say nothing about the model.")
    say("Next: answer what is left in both files; `capstone check` says what else is open.")
