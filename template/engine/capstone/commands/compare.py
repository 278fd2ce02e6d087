"""`capstone compare`: the runs side by side, and what changed in the settings between them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from capstone.core.errors import CapstoneError
from capstone.core.text import number, say, say_each, setting_text, verdict_sentence

if TYPE_CHECKING:  # heavy libraries are imported where they are used
    from capstone.runs.folder import Run


def compare() -> None:
    """List the finished runs: scores, and which settings changed."""
    from capstone.core.files import write_text
    from capstone.core.project import find_root
    from capstone.reporting.charts import write_script
    from capstone.reporting.comparison_page import comparison_page

    root = find_root()
    runs, problems = comparable_runs(root / "runs")
    say_each([*problems, *comparison(runs)])
    write_script(root / "runs")
    target = root / "runs" / "compare.html"
    write_text(target, comparison_page([run for run, _ in runs], {r.id: s for r, s in runs}))
    say()
    say(f"The same as a page: {target.relative_to(root)}")
    say(
        "Next: change one thing, such as `capstone run --set training.epochs=100`, and compare again."
    )


def comparable_runs(runs_folder: Path) -> tuple[list[tuple[Run, dict[str, Any]]], list[str]]:
    """Each run that can be read with its settings, oldest first, and a sentence on each that can't.

    Raises CapstoneError when there is none.
    """
    from capstone.runs.folder import read_runs

    runs, problems = read_runs(runs_folder)
    sentences, comparable = list(problems.values()), []
    for run in runs:
        try:
            comparable.append((run, _compared_settings(run)))
        except CapstoneError as error:
            sentences.append(str(error))
    if not comparable:
        nothing = f"There is no finished run in {runs_folder}: start with `capstone run`."
        raise CapstoneError(sentences[-1] if sentences else nothing)
    return comparable, sentences


def comparison(runs: list[tuple[Run, dict[str, Any]]]) -> list[str]:
    """Some lines on each run: its scores, and what changed in the settings since the one before."""
    lines: list[str] = []
    before: dict[str, Any] = {}
    for run, now in runs:
        changed = [
            f"{key} = {setting_text(value)}"
            for key, value in now.items()
            if before.get(key) != value
        ]
        metric = run.metrics["primary_metric"]
        score = run.metrics["model"][metric]
        interval = f"{number(score['low'])} to {number(score['high'])}"
        lines += [
            f"{run.id}  {metric} {number(score['value'])} (95 % interval {interval})"
            + ("  quick run" if run.info["quick"] else ""),
            f"    {verdict_sentence(run.metrics)}",
            f"    changed: {', '.join(changed) or 'nothing'}" if before else "    the first run",
        ]
        before = now
    return lines


def _compared_settings(run: Run) -> dict[str, Any]:
    """What may differ between two runs: their settings, and the table."""
    return flat_settings(run) | {"data.sha256": run.info["data"]["sha256"][:12]}


def flat_settings(run: Run) -> dict[str, Any]:
    """A run's settings as {"training.epochs": 200, ...}."""
    from capstone.core.settings import flatten
    from capstone.runs.folder import read_settings

    return flatten(read_settings(run).model_dump())
