"""Whom the model fails: groups of people first, then other slices of the table, then single rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from capstone.core.decisions import PROBABILITY
from capstone.core.text import MISSING, number
from capstone.evaluation.error_analysis import FEWEST_IN_SLICE, row_errors
from capstone.reporting import charts
from capstone.reporting.rendering import Chart
from capstone.reporting.report.sentences import RATE_NAMES
from capstone.runs.results import RunResults

RULES = {
    "demographic_parity": "a threshold per group, equally often chosen",
    "equalized_odds": "a threshold per group, equal hits and false alarms",
    "mean of each group": "shifted by each group's average error",
}
WORST_ROWS = 10


@dataclass(frozen=True)
class Groups:
    """How the groups of one column fare.

    equal_treatment  what rules that treat the groups alike would cost; None where rows are too few
    """

    chart: Chart
    scores: pd.DataFrame
    equal_treatment: pd.DataFrame | None


def failures(results: RunResults) -> dict[str, object]:
    """What the section "Where the model is wrong" shows; `groups` of the columns where some can be judged."""
    average = results.metrics["slices"]["all"]["error"]
    return {
        "groups": {
            name: Groups(
                chart=_residuals(results, name, compared, f"group-{place}"),
                scores=_scores(name, compared),
                equal_treatment=_equal_treatment(compared["equal_treatment"]),
            )
            for place, (name, compared) in enumerate(results.metrics["groups"].items())
            if "note" not in compared
        },
        "average_error": average,
        "smallest_slice": FEWEST_IN_SLICE,
        "slices": _slices(results.metrics["slices"]["worst"], average, results.problem),
        "worst_rows": _worst_rows(results),
    }


def _residuals(results: RunResults, name: str, compared: dict[str, Any], place: str) -> Chart:
    """In which direction each group of the column `name` is predicted wrong."""
    finding, label = compared["finding"], compared["finding"]["class"]
    by_group = _in_order(compared["by_group"])
    residuals = {line["group"]: line["residual"] for line in by_group if line["judged"]}
    drawing = charts.dots(
        residuals,
        place,
        "truth minus prediction",
        highlighted=finding["group"] if finding["clear"] else "",
        zero_line=True,
    )
    direction = "low" if finding["residual"]["value"] > 0 else "high"
    title = (
        f'"{label or results.target.name}" is predicted too {direction} for {finding["group"]}'
        if finding["clear"]
        else f"No clear difference by {name}"
    )
    numbers = pd.DataFrame(
        [
            {
                name: line["group"],
                "rows": line["rows"],
                "truth minus prediction": line["residual"]["value"],
                "from": line["residual"]["low"],
                "to": line["residual"]["high"],
            }
            for line in by_group
            if line["judged"]
        ]
    )
    return Chart(title, drawing, numbers)


def _in_order(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Quarters of a number from low to high; other groups as they are, the largest first."""
    starts = [_start(group["group"]) for group in groups]
    if any(start is None for start in starts):
        return groups
    return sorted(groups, key=lambda group: _start(group["group"]) or 0.0)


def _start(label: str) -> float | None:
    """Where a range such as "1,200 to 3,400" begins; infinity for missing values; None for what is no range."""
    if label == MISSING:
        return float("inf")
    try:
        return float(label.split(" to ")[0].replace(",", "")) if " to " in label else None
    except ValueError:
        return None


def _scores(name: str, compared: dict[str, Any]) -> pd.DataFrame:
    """A row for each group: how many rows it has, and each rate with its interval."""
    names = RATE_NAMES | {"happened": f'share that is "{compared["finding"]["class"]}"'}
    lines = []
    for group in _in_order(compared["by_group"]):
        line = {name: group["group"], "rows": f"{group['rows']:,}"}
        for rate, score in group.items():
            if isinstance(score, dict) and rate != "residual":
                low, high = number(score["low"]), number(score["high"])
                line[names.get(rate, rate)] = f"{number(score['value'])} ({low} to {high})"
        if not group["judged"]:
            line["note"] = "too small to judge"
        lines.append(line)
    return pd.DataFrame(lines).fillna("")


def _equal_treatment(rules: list[dict[str, Any]]) -> pd.DataFrame | None:
    if not rules:
        return None
    table = pd.DataFrame(rules)
    table["rule"] = [RULES.get(rule, rule) for rule in table["rule"]]
    return table.rename(columns=lambda name: RATE_NAMES.get(name, str(name).replace("_", " ")))


def _slices(worst: list[dict[str, Any]], average: float, problem: str) -> Chart | None:
    """The parts of the table with the largest errors; None where none stands out."""
    if not worst:
        return None
    table = pd.DataFrame(worst)
    drawing = charts.bars(
        pd.Series([*table["error"], average], [*table["slice"], "all rows"]),
        "slices",
        "average error" if problem == "regression" else "share classified wrongly",
        "all rows",
    )
    factor = worst[0]["error"] / average if average else float("inf")
    title = f"Where {worst[0]['slice']}, errors are {factor:.1f} times as large as overall"
    return Chart(title, drawing, table)


def _worst_rows(results: RunResults) -> pd.DataFrame:
    """The rows with the largest errors, or with the smallest probability of the true class."""
    truth, prediction = results.truth(), results.prediction()
    if results.problem == "regression":
        worst = np.argsort(-row_errors(truth, prediction, results.problem), kind="stable")
        return results.rows.iloc[worst[:WORST_ROWS]].drop(columns=["low", "high"], errors="ignore")
    of_truth = prediction[np.arange(len(truth)), truth]
    worst = np.argsort(of_truth, kind="stable")[:WORST_ROWS]
    shown = [name for name in results.rows if not str(name).startswith(PROBABILITY)]
    rows = results.rows[shown].iloc[worst].copy()
    rows["probability of the truth"] = [f"{share:.1%}" for share in of_truth[worst]]
    return rows
