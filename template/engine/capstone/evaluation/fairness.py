"""Whom the model treats worse: scores per group of each sensitive column, and of each pair of them."""

from __future__ import annotations

from itertools import combinations
from typing import Any

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
MOST_GROUPS = 30  # told one by one, the largest first
RATES = {
    "selection_rate": selection_rate,
    "true_positive_rate": true_positive_rate,
    "false_positive_rate": false_positive_rate,
}


def group_labels(table: pd.DataFrame, sensitive: list[str]) -> dict[str, pd.Series]:
    """A label per row for each sensitive column and each pair of them; missing is a group too."""
    single = {
        name: found
        for name in sensitive
        if name in table and (found := as_groups(table[name], most=10_000)) is not None
    }
    pairs = {
        f"{one} and {other}": single[one] + ", " + single[other]
        for one, other in combinations(single, 2)
    }
    return {**single, **pairs}


def compare_groups(
    labels: pd.Series,
    truth: np.ndarray,
    prediction: np.ndarray,
    problem: str,
    classes: list[str],
    threshold: float | None,
) -> dict[str, Any]:
    """How each group fares: rows, error, rates and mean residual with intervals; and the gaps.

    threshold  binary: where the decision is "yes"; else None
    For classes `happened` and `residual` are of the class in `finding`: the one with the largest gap.
    """
    labels = labels.reset_index(drop=True)
    sizes = labels.value_counts()
    judged = [name for name in sizes.index if sizes[name] >= FEWEST]
    small = sizes[sizes < FEWEST]
    shown = list(sizes.index[:MOST_GROUPS])
    result: dict[str, Any] = {
        "groups": len(sizes),
        "too_small": {"groups": len(small), "rows": int(small.sum())},
        "missing": float((labels == MISSING).mean()),
        "by_group": _by_group(labels, shown, judged, truth, prediction, problem, threshold),
    }
    if len(judged) < 2:
        result["note"] = (
            "only one group: nothing to compare"
            if len(sizes) == 1
            else f"fewer than two groups of {FEWEST} rows or more: too small to judge"
        )
        return result
    kept = labels.isin(judged).to_numpy()
    given = (truth[kept], prediction[kept], labels[kept].to_numpy())
    if problem == "regression":
        errors = MetricFrame(
            metrics=mean_absolute_error,
            y_true=given[0],
            y_pred=given[1],
            sensitive_features=given[2],
        )
        result["gaps"] = {
            "mae_difference": float(errors.difference()),
            "mae_ratio": float(errors.ratio()),
        }
        result["finding"] = _finding(given[0] - given[1], given[2], "")
        return result
    findings = []
    for number in range(1, 2) if len(classes) == 2 else range(len(classes)):
        happened, probability = given[0] == number, given[1][:, number]
        chosen = (
            probability >= threshold if threshold is not None else given[1].argmax(axis=1) == number
        )
        result.setdefault("gaps", {})[classes[number]] = parity(happened, chosen, given[2])
        findings.append(_finding(happened - probability, given[2], classes[number]))
    worst = max(findings, key=lambda finding: abs(finding["z"]))
    number = classes.index(worst["class"])
    for line in result["by_group"]:
        if line["judged"]:
            its = (labels == line["group"]).to_numpy()
            line["happened"] = share(truth[its] == number)
            line["residual"] = _mean((truth[its] == number) - prediction[its, number])
    result["finding"] = worst
    return result


def parity(happened: np.ndarray, chosen: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """fairlearn's gaps between groups: 0 difference and ratio 1 are equal treatment.

    From one MetricFrame: fairlearn's own four functions would make six of them, which takes seconds.
    """
    given = {"y_true": happened, "y_pred": chosen, "sensitive_features": groups}
    frame = MetricFrame(metrics=RATES, **given)
    difference, ratio = frame.difference(), frame.ratio()
    odds = ["true_positive_rate", "false_positive_rate"]
    return {
        "demographic_parity_difference": float(difference["selection_rate"]),
        "demographic_parity_ratio": float(ratio["selection_rate"]),
        "equalized_odds_difference": float(difference[odds].max()),
        "equalized_odds_ratio": float(ratio[odds].min()),
    }


def _by_group(
    labels: pd.Series,
    shown: list[str],
    judged: list[str],
    truth: np.ndarray,
    prediction: np.ndarray,
    problem: str,
    threshold: float | None,
) -> list[dict[str, Any]]:
    """One line per group; a group too small to judge has its rows alone."""
    said = prediction if problem == "regression" else prediction.argmax(axis=1)
    if threshold is not None:
        truth, said = truth == 1, prediction[:, 1] >= threshold
    lines = []
    for name in shown:
        its = (labels == name).to_numpy()
        line: dict[str, Any] = {"group": name, "rows": int(its.sum()), "judged": name in judged}
        if line["judged"] and problem == "regression":
            line["mae"] = _mean(np.abs(truth[its] - said[its]))
            line["residual"] = _mean(truth[its] - said[its])
        elif line["judged"]:
            line["accuracy"] = share(truth[its] == said[its])
        lines.append(line)
    told = labels.isin([line["group"] for line in lines if line["judged"]]).to_numpy()
    if threshold is None or not told.any():
        return lines
    given = {"y_true": truth[told], "y_pred": said[told], "sensitive_features": labels[told].array}
    rates = MetricFrame(metrics=RATES, **given).by_group
    for line in lines:
        if line["judged"]:
            its = (labels == line["group"]).to_numpy()
            among = {
                "selection_rate": np.ones(line["rows"], dtype=bool),
                "true_positive_rate": truth[its],
                "false_positive_rate": ~truth[its],
            }
            for rate, rows in among.items():
                value = float(rates.loc[line["group"], rate])
                line[rate] = {**share(said[its][rows]), "value": value}
    return lines


def _mean(values: np.ndarray) -> dict[str, float]:
    """A mean with its 95 % interval."""
    middle, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
    return {"value": middle, "low": middle - 1.96 * error, "high": middle + 1.96 * error}


def _finding(residuals: np.ndarray, groups: np.ndarray, label: str) -> dict[str, Any]:
    """The group whose truth is farthest from what was predicted, and whether chance explains it.

    residual  truth minus prediction, on average: above 0, the group is predicted too low
    clear     the interval leaves out 0 even though every group had a chance to stand out
    """
    names = sorted(set(groups))
    found = []
    for name in names:
        its = _mean(residuals[groups == name])
        error = max((its["high"] - its["low"]) / (2 * 1.96), 1e-12)
        found.append({"group": name, "class": label, "residual": its, "z": its["value"] / error})
    worst = max(found, key=lambda finding: abs(finding["z"]))
    limit = norm.ppf(1 - 0.025 / len(names))  # Bonferroni: so many groups were looked at
    return {**worst, "clear": bool(abs(worst["z"]) > limit)}
