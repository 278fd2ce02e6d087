"""What following decisions.py comes to: its cost beside simple rules, and what another threshold would have cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from capstone.core.text import short
from capstone.evaluation.error_analysis import cost_points, gain_points
from capstone.reporting import charts
from capstone.reporting.rendering import Chart
from capstone.reporting.report.sentences import better_rule
from capstone.runs.results import RunResults

MOST_NUMBERS = 41  # in the table behind a curve
TENTH = 0.1


def decision_charts(results: RunResults) -> dict[str, Chart]:
    """`costs` for every problem; of two classes also `threshold`, `gains` and `probabilities`."""
    charts_of = {"costs": _costs(results.metrics["decisions"])}
    if results.problem == "binary":
        happened, probability = results.truth() == 1, results.prediction()[:, 1]
        charts_of |= {
            "threshold": _by_threshold(results, happened, probability),
            "gains": _gains(results.target.classes[1], happened, probability),
            "probabilities": _probabilities(results, happened, probability),
        }
    return charts_of


def _costs(decisions: dict[str, Any]) -> Chart:
    """What following decisions.py would have cost, beside the two simple rules."""
    cost, unit = decisions["cost"], decisions["unit"]
    table = pd.DataFrame(
        {
            "rule": [
                "following decisions.py",
                f"all: {decisions['nothing']}",
                f"all: {decisions['everyone']}",
            ],
            f"cost in {unit}": [cost["followed"], cost["nothing"], cost["everyone"]],
        }
    )
    rule = better_rule(decisions)
    saved = decisions["saved_against"][rule]
    title = f'"{decisions[rule]}" for all would have cost about as much'
    if saved["low"] > 0:
        title = "Following the recommendations would have cost least"
    elif saved["high"] < 0:
        title = f'"{decisions[rule]}" for all would have cost least'
    drawing = charts.bars(
        table.set_index("rule")[f"cost in {unit}"],
        "costs",
        f"cost, {unit}",
        table["rule"].iloc[0],
    )
    return Chart(title, drawing, table)


def _by_threshold(results: RunResults, happened: np.ndarray, probability: np.ndarray) -> Chart:
    """The cost of every threshold, on the test rows; the one that was chosen on validation rows is marked."""
    chosen = results.metrics["threshold"]
    points = cost_points(happened, probability, results.settings.decision)
    drawing = charts.lines(
        {"cost": (points["threshold"], points["cost"])},
        "cost-by-threshold",
        ("act from this probability on", "cost on the test rows"),
        marked=("chosen", chosen["value"]),
    )
    cheapest = points.loc[points["cost"].idxmin()]
    title = (
        f"Acting from {chosen['value']:.0%} on cost {short(chosen['test']['cost'])}; "
        f"in hindsight {cheapest['threshold']:.0%} would have cost {short(cheapest['cost'])}"
    )
    return Chart(title, drawing, _thin(points))


def _gains(positive: str, happened: np.ndarray, probability: np.ndarray) -> Chart:
    """How many cases are among the rows with the highest probabilities."""
    points = gain_points(happened, probability)
    rows, cases = points["share of the rows"], points["share of the cases"]
    drawing = charts.lines(
        {"by the network": (rows, cases)},
        "gains",
        ("share of the rows, the likeliest first", f'share of all "{positive}" among them'),
        ideal="at random",
    )
    found = float(np.interp(TENTH, rows, cases))
    title = f'The likeliest tenth of the rows holds {found:.0%} of all "{positive}"'
    return Chart(title, drawing, _thin(points))


def _probabilities(results: RunResults, happened: np.ndarray, probability: np.ndarray) -> Chart:
    """How probabilities are spread, among those that are positive and among the others."""
    other, positive = results.target.classes
    groups = {f"true {other}": probability[~happened], f"true {positive}": probability[happened]}
    drawing = charts.histogram(
        groups, "probabilities", (f'predicted probability of "{positive}"', "test rows")
    )
    numbers = pd.DataFrame(
        {
            "rows that are": list(groups),
            "how many": [len(values) for values in groups.values()],
            "median probability": [float(np.median(values)) for values in groups.values()],
        }
    )
    middles = numbers["median probability"]
    title = (
        f'The median probability is {middles[1]:.0%} for rows that are "{positive}", '
        f"{middles[0]:.0%} for the others"
    )
    return Chart(title, drawing, numbers)


def _thin(points: pd.DataFrame) -> pd.DataFrame:
    chosen = np.linspace(0, len(points) - 1, min(len(points), MOST_NUMBERS)).astype(int)
    return points.iloc[chosen]
