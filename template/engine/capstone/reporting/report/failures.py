"""Whom the model fails: groups of people first, then other slices of the table, then single rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from capstone.evaluation.error_analysis import FEWEST_IN_SLICE, row_errors
from capstone.reporting import charts
from capstone.reporting.pages import Chart, short
from capstone.reporting.report.sentences import largest_gaps, one_sided, proxy_sentence
from capstone.runs.results import RunResults

RULES = {
    "demographic_parity": "a threshold per group, equally often chosen",
    "equalized_odds": "a threshold per group, equal hits and false alarms",
    "mean of each group": "shifted by each group's mean residual",
}
WORST_ROWS = 10


@dataclass(frozen=True)
class Groups:
    """How the groups of one column fare.

    hidden           the number of small groups that `scores` leaves out
    equal_treatment  what rules that treat the groups alike would cost; None where rows are too few
    """

    chart: Chart
    scores: pd.DataFrame
    hidden: int
    largest_gaps: str
    equal_treatment: pd.DataFrame | None


@dataclass(frozen=True)
class SensitiveColumn:
    """A sensitive column, or a pair of them; `groups` is None where none can be judged."""

    name: str
    groups: Groups | None
    proxy: str


@dataclass(frozen=True)
class Slices:
    """The parts of the table with the largest errors; `chart` is None where none stands out."""

    overall: str
    smallest: int
    chart: Chart | None


@dataclass(frozen=True)
class Failures:
    """What the section shows."""

    sentences: list[str]
    columns: list[SensitiveColumn]
    slices: Slices
    worst_rows: pd.DataFrame


def failures(results: RunResults) -> Failures:
    """The section "Whom does it fail?"."""
    used = results.settings.data.use_sensitive
    return Failures(
        sentences=one_sided(results),
        columns=[
            SensitiveColumn(
                name,
                groups=None if "note" in compared else _groups(results, name, compared),
                proxy=proxy_sentence(name, compared["proxy"], used)
                if compared.get("proxy")
                else "",
            )
            for name, compared in results.metrics["groups"].items()
        ],
        slices=_slices(results),
        worst_rows=_worst_rows(results),
    )


def _groups(results: RunResults, name: str, compared: dict[str, Any]) -> Groups:
    scores = _scores(name, compared["by_group"])
    return Groups(
        chart=_residuals(results, name, compared),
        scores=scores,
        hidden=compared["groups"] - len(scores),
        largest_gaps=largest_gaps(compared),
        equal_treatment=_equal_treatment(compared["equal_treatment"]),
    )


def _residuals(results: RunResults, name: str, compared: dict[str, Any]) -> Chart:
    """In which direction each group is predicted wrong."""
    finding, label = compared["finding"], compared["finding"]["class"]
    residuals = {line["group"]: line["residual"] for line in compared["by_group"] if line["judged"]}
    drawing = charts.dots(
        residuals,
        f"gap-{_slug(name)}",
        "truth minus prediction, with 95 % intervals: above 0, predicted too low",
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
            for line in compared["by_group"]
            if line["judged"]
        ]
    )
    return Chart(title, drawing, numbers)


def _scores(name: str, groups: list[dict[str, Any]]) -> pd.DataFrame:
    """A row for each group: how many rows it has, and each rate with its interval."""
    lines = []
    for group in groups:
        line = {name: group["group"], "rows": f"{group['rows']:,}"}
        for rate, score in group.items():
            if isinstance(score, dict) and rate != "residual":
                low, high = short(score["low"]), short(score["high"])
                line[rate.replace("_", " ")] = f"{short(score['value'])} ({low} to {high})"
        if not group["judged"]:
            line["note"] = "too small to judge"
        lines.append(line)
    return pd.DataFrame(lines)


def _equal_treatment(rules: list[dict[str, Any]]) -> pd.DataFrame | None:
    if not rules:
        return None
    table = pd.DataFrame(rules)
    table["rule"] = [RULES.get(rule, rule) for rule in table["rule"]]
    return table.rename(columns=lambda name: str(name).replace("_", " "))


def _slices(results: RunResults) -> Slices:
    worst, average = results.metrics["slices"]["worst"], results.metrics["slices"]["all"]["error"]
    regression = results.problem == "regression"
    overall = f"{short(average)} on average" if regression else f"{average:.0%} of the rows wrong"
    if not worst:
        return Slices(overall, FEWEST_IN_SLICE, None)
    table = pd.DataFrame(worst)
    drawing = charts.bars(
        pd.Series([*table["error"], average], [*table["slice"], "all rows"]),
        "slices",
        "average error" if regression else "share of wrong answers",
        "all rows",
    )
    factor = worst[0]["error"] / average if average else float("inf")
    title = f"Where {worst[0]['slice']}, errors are {factor:.1f} times as large as overall"
    chart = Chart(title, drawing, table, f"Over all rows: {overall}.")
    return Slices(overall, FEWEST_IN_SLICE, chart)


def _worst_rows(results: RunResults) -> pd.DataFrame:
    """The rows with the largest errors, or with the smallest probability of the true class."""
    truth, prediction = results.truth(), results.prediction()
    if results.problem == "regression":
        errors = row_errors(truth, prediction, results.problem)
    else:
        errors = 1 - prediction[np.arange(len(truth)), truth]
    worst = np.argsort(-errors, kind="stable")[:WORST_ROWS]
    return results.rows.iloc[worst].drop(columns=["low", "high"], errors="ignore")


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
