"""`capstone compare`: the runs side by side, and what changed in the settings between them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from capstone.core.errors import CapstoneError
from capstone.core.text import number, say, say_each, setting_text, verdict_sentence

if TYPE_CHECKING:  # heavy libraries are imported where they are used
    from capstone.runs.folder import Run


def compare() -> None:
    """List the finished runs: scores, and what changed in the settings between them."""
    from capstone.core.files import write_text
    from capstone.core.project import find_root
    from capstone.reporting.charts import write_script

    root = find_root()
    say_each(comparison(root / "runs"))
    write_script(root / "runs")
    target = root / "runs" / "compare.html"
    write_text(target, compared_page(root / "runs"))
    say()
    say(f"The same as a page: {target.relative_to(root)}")


def comparison(runs_folder: Path) -> list[str]:
    """Some lines on each finished run, oldest first. Raises CapstoneError when there is none."""
    from capstone.runs.folder import list_runs

    runs = list_runs(runs_folder)
    if not runs:
        raise CapstoneError(
            f"There is no finished run in {runs_folder}: start with `capstone run`."
        )
    lines: list[str] = []
    before: dict[str, Any] = {}
    for run in runs:
        now = _compared_settings(run)
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


def compared_page(runs_folder: Path) -> str:
    """The same as an HTML page."""
    from capstone.reporting.comparison_page import comparison_page
    from capstone.runs.folder import list_runs

    runs = list_runs(runs_folder)
    return comparison_page(runs, {run.id: _compared_settings(run) for run in runs})


def _compared_settings(run: Run) -> dict[str, Any]:
    """What may differ between two runs: their settings, and the table."""
    return flat_settings(run) | {"data.sha256": run.info["data"]["sha256"][:12]}


def flat_settings(run: Run) -> dict[str, Any]:
    """A run's settings as {"training.epochs": 200, ...}."""
    import tomllib

    from capstone.core.settings import flatten

    try:
        sections = tomllib.loads((run.folder / "settings.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return flatten(sections)
