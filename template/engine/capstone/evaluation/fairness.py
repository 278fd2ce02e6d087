"""Whom the model treats worse: scores per group of each sensitive column, and of each pair of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Self

import numpy as np
import pandas as pd
from fairlearn.metrics import (
    MetricFrame,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from scipy.stats import norm
from sklearn.metrics import mean_absolute_error

from capstone.core.text import MISSING
from capstone.evaluation.calibration import share
from capstone.evaluation.error_analysis import as_groups

FEWEST = 30  # rows below which a group is too small to judge
MOST_GROUPS = 30  # shown one by one, the largest first
RATES = {
    "selection_rate": selection_rate,
    "true_positive_rate": true_positive_rate,
    "false_positive_rate": false_positive_rate,
}


@dataclass(frozen=True)
class GroupedRows:
    """Rows in groups.

    Parameters
    ----------
    groups : Series, shape (rows,)
        The group of each row.
    truth : ndarray, shape (rows,)
        Numbers, the number of each row's class, or whether it is of one class.
    prediction : ndarray, shape (rows,) or (rows, classes)
        Numbers, the probability of one class or of each, or what was decided.
    """

    groups: pd.Series
    truth: np.ndarray
    prediction: np.ndarray

    def where(self, mask: pd.Series) -> Self:
        """The rows of which the mask is true."""
        kept = mask.to_numpy()
        return replace(
            self,
            groups=self.groups[kept],
            truth=self.truth[kept],
            prediction=self.prediction[kept],
        )

    def of_class(self, number: int) -> Self:
        """Whether each row is of this class, and the probability of it."""
        return replace(self, truth=self.truth == number, prediction=self.prediction[:, number])


def group_labels(table: pd.DataFrame, sensitive: list[str]) -> dict[str, pd.Series]:
    """A group per row for each sensitive column and each pair of them; missing is a group too."""
    single = {
        name: labels
        for name in sensitive
        if name in table and (labels := as_groups(table[name], most=10_000)) is not None
    }
    pairs = {
        f"{one} and {other}": single[one] + ", " + single[other]
        for one, other in combinations(single, 2)
    }
    return {**single, **pairs}


def compare_groups(
    rows: GroupedRows, classes: list[str], threshold: float | None
) -> dict[str, Any]:
    """How each group fares.

    Parameters
    ----------
    rows : GroupedRows
        Predictions are numbers, or the probabilities of each class.
    classes : list of str
        Empty for regression.
    threshold : float or None
        Binary problems: the probability from which on the decision is "yes".

    Returns
    -------
    dict
        `by_group`: rows, error, rates and mean residual of each group with 95% intervals; `gaps` between
        them, and the `finding`: the group that is farthest off. Of classes `happened` and `residual` are of the
        class in the finding, the one with the largest gap. With fewer than two groups to compare: a `note`.
    """
    sizes = rows.groups.value_counts()
    large, small = list(sizes.index[sizes >= FEWEST]), sizes[sizes < FEWEST]
    result: dict[str, Any] = {
        "groups": len(sizes),
        "too_small": {"groups": len(small), "rows": int(small.sum())},
        "missing": float((rows.groups == MISSING).mean()),
    }
    shown = list(sizes.index[:MOST_GROUPS])
    lines = result["by_group"] = _by_group(rows, shown, classes, threshold)
    if len(large) < 2:
        result["note"] = (
            "only one group: nothing to compare"
            if len(sizes) == 1
            else f"fewer than two groups of {FEWEST} rows or more: too small to judge"
        )
        return result
    compared = rows.where(rows.groups.isin(large))
    if not classes:
        return result | _number_gaps(compared)
    result |= _class_gaps(compared, classes, threshold)
    of_worst = rows.of_class(classes.index(result["finding"]["class"]))
    for line in lines:
        if line["judged"]:
            group = of_worst.where(of_worst.groups == line["group"])
            line["happened"] = share(group.truth)
            line["residual"] = _mean(group.truth - group.prediction)
    return result


def parity(happened: np.ndarray, chosen: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """fairlearn's gaps between groups: 0 difference and ratio 1 are equal treatment.

    From one MetricFrame: fairlearn's own four functions would make six of them, which takes seconds.

    Parameters
    ----------
    happened, chosen : ndarray of bool, shape (rows,)
        What is true, and what was decided.
    groups : ndarray, shape (rows,)
        The group of each row.
    """
    frame = MetricFrame(metrics=RATES, y_true=happened, y_pred=chosen, sensitive_features=groups)
    difference, ratio = frame.difference(), frame.ratio()
    odds = ["true_positive_rate", "false_positive_rate"]
    return {
        "demographic_parity_difference": float(difference["selection_rate"]),
        "demographic_parity_ratio": float(ratio["selection_rate"]),
        "equalized_odds_difference": float(difference[odds].max()),
        "equalized_odds_ratio": float(ratio[odds].min()),
    }


def _number_gaps(rows: GroupedRows) -> dict[str, Any]:
    """Gaps and finding where numbers are predicted."""
    groups = rows.groups.to_numpy()
    errors = MetricFrame(
        metrics=mean_absolute_error,
        y_true=rows.truth,
        y_pred=rows.prediction,
        sensitive_features=groups,
    )
    gaps = {"mae_difference": float(errors.difference()), "mae_ratio": float(errors.ratio())}
    return {"gaps": gaps, "finding": _finding(rows.truth - rows.prediction, groups, "")}


def _class_gaps(rows: GroupedRows, classes: list[str], threshold: float | None) -> dict[str, Any]:
    """Gaps of each class (of two, of the second), and the finding of the class with the largest."""
    groups = rows.groups.to_numpy()
    gaps, findings = {}, []
    for number in range(1, 2) if len(classes) == 2 else range(len(classes)):
        one = rows.of_class(number)
        likeliest = rows.prediction.argmax(axis=1) == number
        chosen = likeliest if threshold is None else one.prediction >= threshold
        gaps[classes[number]] = parity(one.truth, chosen, groups)
        findings.append(_finding(one.truth - one.prediction, groups, classes[number]))
    return {"gaps": gaps, "finding": max(findings, key=lambda finding: abs(finding["z"]))}


def _by_group(
    rows: GroupedRows, shown: list[str], classes: list[str], threshold: float | None
) -> list[dict[str, Any]]:
    """One line per group; a group too small to judge has its rows alone."""
    if threshold is not None:
        decided = rows.of_class(1)
        decided = replace(decided, prediction=decided.prediction >= threshold)
    elif classes:
        decided = replace(rows, prediction=rows.prediction.argmax(axis=1))
    else:
        decided = rows
    lines = []
    for name in shown:
        group = decided.where(decided.groups == name)
        size = len(group.truth)
        line: dict[str, Any] = {"group": name, "rows": size, "judged": size >= FEWEST}
        if line["judged"] and not classes:
            line["mae"] = _mean(np.abs(group.truth - group.prediction))
            line["residual"] = _mean(group.truth - group.prediction)
        elif line["judged"]:
            line["accuracy"] = share(group.truth == group.prediction)
        lines.append(line)
    if threshold is not None:
        _add_rates([line for line in lines if line["judged"]], decided)
    return lines


def _add_rates(lines: list[dict[str, Any]], decided: GroupedRows) -> None:
    """How often each group is chosen: of all its rows, of those where it happened, and of the others."""
    judged = decided.where(decided.groups.isin([line["group"] for line in lines]))
    if not len(judged.truth):
        return
    rates = MetricFrame(
        metrics=RATES,
        y_true=judged.truth,
        y_pred=judged.prediction,
        sensitive_features=judged.groups.array,
    ).by_group
    for line in lines:
        group = judged.where(judged.groups == line["group"])
        among = {
            "selection_rate": np.ones(line["rows"], dtype=bool),
            "true_positive_rate": group.truth,
            "false_positive_rate": ~group.truth,
        }
        for rate, mask in among.items():
            value = float(rates.loc[line["group"], rate])
            line[rate] = {**share(group.prediction[mask]), "value": value}


def _mean(values: np.ndarray) -> dict[str, float]:
    """A mean with its 95% interval."""
    middle, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
    return {"value": middle, "low": middle - 1.96 * error, "high": middle + 1.96 * error}


def _finding(residuals: np.ndarray, groups: np.ndarray, label: str) -> dict[str, Any]:
    """The group whose truth is farthest from what was predicted, and whether chance explains it.

    residual  truth minus prediction, on average: above 0, the group is predicted too low
    clear     the interval leaves out 0 even though every group had a chance to stand out
    """
    names = sorted(set(groups))
    findings = []
    for name in names:
        mean = _mean(residuals[groups == name])
        error = max((mean["high"] - mean["low"]) / (2 * 1.96), 1e-12)
        findings.append(
            {"group": name, "class": label, "residual": mean, "z": mean["value"] / error}
        )
    worst = max(findings, key=lambda finding: abs(finding["z"]))
    limit = norm.ppf(1 - 0.025 / len(names))  # Bonferroni: so many groups were looked at
    return {**worst, "clear": bool(abs(worst["z"]) > limit)}
