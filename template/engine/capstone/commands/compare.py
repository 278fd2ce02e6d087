"""`capstone compare`: the runs side by side, and what changed in the settings between them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.settings import flatten
from capstone.core.text import number, verdict_sentence
from capstone.evaluation.metrics import LOWER_IS_BETTER
from capstone.reporting import charts
from capstone.reporting.pages import chart, page, section, text
from capstone.runs.folder import Run, list_runs


def comparison(runs_folder: Path) -> list[str]:
    """Some lines on each finished run, oldest first. Raises CapstoneError when there is none."""
    runs = list_runs(runs_folder)
    if not runs:
        raise CapstoneError(
            f"There is no finished run in {runs_folder}: start with `capstone run`."
        )
    lines: list[str] = []
    before: dict[str, Any] = {}
    for run in runs:
        now = flat_settings(run) | {"data.sha256": run.info["data"]["sha256"][:12]}
        changed = [f"{key} = {value!r}" for key, value in now.items() if before.get(key) != value]
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


def as_page(runs_folder: Path) -> str:
    """All runs side by side: one chart of the scores, one table of what changed."""
    runs = list_runs(runs_folder)
    metric = runs[-1].metrics["primary_metric"]
    same = [run for run in runs if run.metrics["primary_metric"] == metric]
    scores = [run.metrics["model"][metric] for run in same]
    better = (min if metric in LOWER_IS_BETTER else max)(scores, key=lambda score: score["value"])
    best = same[scores.index(better)]
    drawn = charts.dots(
        [run.id for run in same],
        [score["value"] for score in scores],
        [score["low"] for score in scores],
        [score["high"] for score in scores],
        "runs",
        f"{metric} on the test rows, with 95 % intervals",
        best.id,
    )
    table = pd.DataFrame(
        [
            {
                "run": run.id,
                **{name: number(score["value"]) for name, score in run.metrics["model"].items()},
                f"validation {metric}": number(run.metrics["validation"].get(metric)),
                "epochs": run.info["epochs"],
                "note": "quick run" if run.info["quick"] else "",
            }
            for run in same
        ]
    )
    sure = [run.id for run, score in zip(same, scores, strict=True) if _apart(score, better)]
    title = f"{best.id} scored best" if sure else "No run is clearly better than another"
    said = (
        f"{best.id} has the best {metric}, {number(better['value'])}. "
        f"{len(sure)} of the other {len(same) - 1} runs lie outside its interval. "
        "Choose by the validation score: choosing the best test score makes it too rosy."
    )
    return page(
        "Runs side by side",
        text(said, lead=True),
        chart(title, drawn, table),
        section("Scores", table=table),
        section("What changed in the settings", table=_settings_side_by_side(same)),
        report=True,
        head=f'<script src="{charts.SCRIPT}"></script>\n{charts.RESIZE}',
    )


def _apart(score: dict[str, Any], best: dict[str, Any]) -> bool:
    """Whether a value lies outside the best one's interval."""
    return not best["low"] <= score["value"] <= best["high"]


def _settings_side_by_side(runs: list[Run]) -> pd.DataFrame:
    """One line per setting that is not the same in all runs, one column per run."""
    flat = {
        run.id: flat_settings(run) | {"data.sha256": run.info["data"]["sha256"][:12]}
        for run in runs
    }
    keys = list(dict.fromkeys(key for its in flat.values() for key in its))
    lines = []
    for key in keys:
        values = {name: str(its.get(key, "")) for name, its in flat.items()}
        if len(set(values.values())) > 1:
            lines.append({"setting": key, **values})
    return pd.DataFrame(lines, columns=["setting", *flat])


def flat_settings(run: Run) -> dict[str, Any]:
    """A run's settings as {"training.epochs": 200, ...}."""
    try:
        sections = tomllib.loads((run.folder / "settings.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return flatten(sections)
