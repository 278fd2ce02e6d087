"""How far a prediction can be trusted: temperature, threshold and intervals, fitted on validation rows.

Nothing here may be fitted on the test part: it only measures what was chosen before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from capstone.core.settings import Decision
from capstone.training.target import Target, rescale

LEVEL = 0.9  # share of the truths that a prediction interval is meant to hold
FOLDS = 5  # to find out whether a temperature helps
FEWEST_PER_WIDTH = 50  # validation rows that one width is fitted on


def calibrate(target: Target, truth: np.ndarray, predictions: np.ndarray, seed: int) -> Target:
    """The target with the temperature that makes probabilities fit what happened, where one helps.

    Parameters
    ----------
    target : Target
        As training left it.
    truth, predictions : ndarray
        Of validation rows, shape (rows,) and (rows, classes).
    seed : int
        Divides the rows into folds, of which each is left out once.

    Returns
    -------
    Target
        The same one where the problem is regression.
    """
    if target.problem == "regression":
        return target
    return replace(target, temperature=fit_temperature(truth, predictions, seed))


def fit_temperature(truth: np.ndarray, probabilities: np.ndarray, seed: int) -> float:
    """The temperature with the lowest log loss, or 1 where rows kept out of the fit don't gain by it.

    Parameters
    ----------
    truth : ndarray of int, shape (rows,)
        The number of each row's true class.
    probabilities : ndarray, shape (rows, classes)
        What the network predicts.
    seed : int
        Divides the rows into folds, of which each is left out once.

    Returns
    -------
    float
        Above 1 makes probabilities less sure, below 1 surer.
    """
    fold = np.random.default_rng(seed).permutation(len(truth)) % FOLDS
    gain = np.zeros(len(truth))
    for number in range(FOLDS):
        kept = fold == number
        temperature = _best_temperature(truth[~kept], probabilities[~kept])
        after = losses(truth[kept], rescale(probabilities[kept], temperature))
        gain[kept] = losses(truth[kept], probabilities[kept]) - after
    # A gain smaller than its own standard error may be chance: then leave the network as it is.
    helps = gain.mean() > gain.std() / np.sqrt(len(gain))
    return _best_temperature(truth, probabilities) if helps else 1.0


def losses(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The log loss of each row: -log(probability given to the true class).

    Parameters
    ----------
    truth : ndarray of int, shape (rows,)
        The number of each row's true class.
    probabilities : ndarray, shape (rows, classes)
        What was predicted.

    Returns
    -------
    ndarray, shape (rows,)
        0 for a row that was predicted with certainty and rightly.
    """
    return -np.log(np.clip(probabilities[np.arange(len(truth)), truth], 1e-12, 1))


def _best_temperature(truth: np.ndarray, probabilities: np.ndarray) -> float:
    def loss(log_temperature: float) -> float:
        return float(losses(truth, rescale(probabilities, np.exp(log_temperature))).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))


def calibration_table(
    happened: np.ndarray, probability: np.ndarray, bins: int = 10
) -> pd.DataFrame:
    """For each tenth of the probability scale: rows, mean probability, and how often it happened.

    Parameters
    ----------
    happened : ndarray of bool, shape (rows,)
        Whether each row is of the class.
    probability : ndarray, shape (rows,)
        Of that class.
    bins : int
        Into how many parts the scale is divided.

    Returns
    -------
    DataFrame
        A line for each part that has rows: "from", "rows", "predicted" and "happened".
    """
    number = np.minimum((probability * bins).astype(int), bins - 1)
    rows = np.bincount(number, minlength=bins)
    predicted = np.bincount(number, probability, minlength=bins)
    true = np.bincount(number, happened.astype(float), minlength=bins)
    filled = rows > 0
    return pd.DataFrame(
        {
            "from": np.arange(bins)[filled] / bins,
            "rows": rows[filled],
            "predicted": predicted[filled] / rows[filled],
            "happened": true[filled] / rows[filled],
        }
    )


def calibration_error(happened: np.ndarray, probability: np.ndarray) -> float:
    """Expected calibration error: by how much `predicted` and `happened` differ, weighted by rows.

    Parameters
    ----------
    happened : ndarray of bool, shape (rows,)
        Whether each row is of the class.
    probability : ndarray, shape (rows,)
        Of that class.

    Returns
    -------
    float
        0 for probabilities that come true as often as they say.
    """
    table = calibration_table(happened, probability)
    return float(
        ((table["predicted"] - table["happened"]).abs() * table["rows"]).sum() / len(happened)
    )


def choose_threshold(happened: np.ndarray, probability: np.ndarray, costs: Decision) -> float:
    """The threshold that would have cost least on these rows: act when the probability reaches it.

    Of equally cheap ones the nearest to false_positive / (false_positive + false_negative) is taken,
    which is the best one when the probabilities are right.

    Parameters
    ----------
    happened : ndarray of bool, shape (rows,)
        Whether each row is of the positive class.
    probability : ndarray, shape (rows,)
        Of the positive class.
    costs : Decision
        What a false positive and a false negative cost.

    Returns
    -------
    float
        From 0 to 1.
    """
    false_positive, false_negative = costs.cost_false_positive, costs.cost_false_negative
    scores = np.unique(probability)
    candidates = np.concatenate([[0.0], (scores[1:] + scores[:-1]) / 2, [1.0]])
    acting = np.sort(probability[~happened])
    missing = np.sort(probability[happened])
    alarms = len(acting) - np.searchsorted(acting, candidates, side="left")
    missed = np.searchsorted(missing, candidates, side="left")
    cost = alarms * false_positive + missed * false_negative
    cheapest = candidates[cost <= cost.min() * (1 + 1e-12)]
    ideal = false_positive / (false_positive + false_negative)
    return float(cheapest[np.abs(cheapest - ideal).argmin()])


def judge_threshold(
    happened: np.ndarray, probability: np.ndarray, threshold: float, costs: Decision
) -> dict[str, Any]:
    """What acting at the threshold comes to: rows of each kind, cost, precision and recall.

    Parameters
    ----------
    happened : ndarray of bool, shape (rows,)
        Whether each row is of the positive class.
    probability : ndarray, shape (rows,)
        Of the positive class.
    threshold : float
        From which probability on one acts.
    costs : Decision
        What a false positive and a false negative cost.

    Returns
    -------
    dict
        The counts of the confusion matrix, "cost", "precision" and "recall".
    """
    acts = probability >= threshold
    hits, alarms = int((acts & happened).sum()), int((acts & ~happened).sum())
    missed = int((~acts & happened).sum())
    return {
        "true_positives": hits,
        "false_positives": alarms,
        "false_negatives": missed,
        "true_negatives": int((~acts & ~happened).sum()),
        "cost": alarms * costs.cost_false_positive + missed * costs.cost_false_negative,
        "precision": hits / max(hits + alarms, 1),
        "recall": hits / max(hits + missed, 1),
    }


def fit_intervals(
    truth: np.ndarray, prediction: np.ndarray, level: float = LEVEL
) -> dict[str, Any]:
    """Split conformal: prediction +- half a width holds `level` of new truths, whatever the model is.

    Half a width is the residual that so many validation rows stay below, one row's worth of caution added.
    Each quarter of the predictions has its own, for large predictions often err by more.

    Parameters
    ----------
    truth, prediction : ndarray, shape (rows,)
        Of validation rows, in the target's unit.
    level : float
        The share of truths to hold.

    Returns
    -------
    dict
        `edges` between the quarters of the predictions, and their `half_widths`.
    """
    quarters = 4 if len(truth) >= 4 * FEWEST_PER_WIDTH else 1
    edges = np.quantile(prediction, np.arange(1, quarters) / quarters)
    quarter = np.searchsorted(edges, prediction)
    if np.bincount(quarter, minlength=quarters).min() < min(FEWEST_PER_WIDTH, len(truth)):
        edges, quarter = edges[:0], np.zeros_like(quarter)  # too many predictions are the same
    widths = []
    for number in range(len(edges) + 1):
        residuals = np.sort(np.abs(truth - prediction)[quarter == number])
        position = int(np.ceil((len(residuals) + 1) * level)) - 1
        widths.append(float(residuals[min(position, len(residuals) - 1)]))
    return {"edges": edges.tolist(), "half_widths": widths}


def share(flags: np.ndarray) -> dict[str, float]:
    """How many are true, as a share with its 95% interval (Wilson's, right for few rows too).

    Parameters
    ----------
    flags : ndarray of bool
        One for each row.

    Returns
    -------
    dict
        "value", "low" and "high"; nan where there are no rows.
    """
    if len(flags) == 0:
        return {"value": float("nan"), "low": float("nan"), "high": float("nan")}
    test = binomtest(int(flags.sum()), len(flags))
    interval = test.proportion_ci(method="wilson")
    return {
        "value": float(flags.mean()),
        "low": float(interval.low),
        "high": float(interval.high),
    }
