"""compare.html: the finished runs side by side."""

from __future__ import annotations

from typing import Any

import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.text import number
from capstone.evaluation.metrics import LOWER_IS_BETTER
from capstone.reporting import charts
from capstone.reporting.charts import Plotly
from capstone.reporting.rendering import Chart, render_page
from capstone.runs.folder import Run


def comparison_page(runs: list[Run], settings: dict[str, dict[str, Any]]) -> str:
    """All runs side by side: one chart of the scores, one table of what changed.

    Parameters
    ----------
    runs : list of Run
        At least one finished run, the oldest first. Runs with another primary metric than the newest
        one, or without a value of it, are left out.
    settings : dict of dict
        What could differ between the runs, by run id: {"2026...": {"training.epochs": 200, ...}, ...}.

    Returns
    -------
    str
        The page, which looks for plotly's script beside it.

    Raises
    ------
    CapstoneError
        When no run has a value.
    """
    metric = runs[-1].metrics["primary_metric"]
    comparable = [
        run
        for run in runs
        if run.metrics["primary_metric"] == metric
        and None not in run.metrics["model"][metric].values()
    ]
    if not comparable:
        raise CapstoneError(f"No run has a value of {metric}: there is nothing to compare.")
    scores = {run.id: run.metrics["model"][metric] for run in comparable}
    pick = min if metric in LOWER_IS_BETTER else max
    best = pick(scores, key=lambda run_id: scores[run_id]["value"])
    low, high = scores[best]["low"], scores[best]["high"]
    outside = sum(not low <= score["value"] <= high for score in scores.values())
    table = _scores(comparable, metric)
    return render_page(
        "comparison.html",
        title="Runs side by side",
        best=best,
        best_score=scores[best]["value"],
        metric=metric,
        outside=outside,
        chart=Chart(
            f"{best} scored best" if outside else "No run is clearly better than another",
            charts.dots(
                scores, "runs", f"{metric} on the test rows, with 95 % intervals", highlighted=best
            ),
            table,
        ),
        scores=table,
        settings=_different({run.id: settings[run.id] for run in comparable}),
        plotly=Plotly(path=charts.SCRIPT),
    )


def _scores(runs: list[Run], metric: str) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "run": run.id,
                **{name: number(score["value"]) for name, score in run.metrics["model"].items()},
                f"validation {metric}": number(run.metrics["validation"].get(metric)),
                "epochs": run.info["epochs"],
                "note": "quick run" if run.info["quick"] else "",
            }
            for run in runs
        ]
    )


def _different(settings: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """One line per setting that is not the same in all runs, one column per run."""
    keys = dict.fromkeys(key for values in settings.values() for key in values)
    lines = [
        {"setting": key, **{run: str(values.get(key, "")) for run, values in settings.items()}}
        for key in keys
    ]
    different = [line for line in lines if len({line[run] for run in settings}) > 1]
    return pd.DataFrame(different, columns=["setting", *settings])
