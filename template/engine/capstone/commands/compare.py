"""`capstone compare`: the runs side by side, and what changed between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from capstone.core.text import duration, number, say, say_each, verdict_sentence

if TYPE_CHECKING:  # heavy libraries are imported where they are used
    from capstone.runs.comparison import ComparedRun


def compare() -> None:
    """List the finished runs: scores, notes, and what changed."""
    from capstone.core.files import write_text
    from capstone.core.project import find_root
    from capstone.reporting.charts import write_script
    from capstone.reporting.comparison_page import comparison_page
    from capstone.runs.comparison import compared_runs, run_before

    root = find_root()
    runs, problems = compared_runs(root / "runs")
    say_each(problems)
    for place, one in enumerate(runs):
        say_each(run_in_lines(one, run_before(runs[:place])))
    write_script(root / "runs")
    target = root / "runs" / "compare.html"
    write_text(target, comparison_page(runs))
    say()
    say(f"The same as a page, with learning curves: {target.relative_to(root)}")
    say(
        'Next: change one thing and run again, such as `capstone run --name "150 epochs" --set training.epochs=150`.'
    )


def run_in_lines(compared: ComparedRun, before: ComparedRun | None) -> list[str]:
    """Some lines on a run: its scores, its note, and what changed since the one before it."""
    run = compared.run
    metric = run.metrics["primary_metric"]
    score = run.metrics["model"][metric]
    interval = f"{number(score['low'])} to {number(score['high'])}"
    named = f"{run.id}  {run.name}" if run.name != run.id else run.id
    lines = [
        f"{named}  {metric} {number(score['value'])} (95% interval {interval})"
        + ("  quick run" if run.info["quick"] else "")
    ]
    if run.note:
        lines.append(f"    {run.note}")
    lines.append(f"    {verdict_sentence(run.metrics)}")
    took = f"; took {duration(compared.seconds)}" if compared.seconds else ""
    changed = "the first run"
    if before:
        changes = ", ".join(compared.changes_since(before)) or "nothing"
        changed = f'changed since "{before.run.name}": {changes}'
    return [*lines, f"    {changed}{took}"]
