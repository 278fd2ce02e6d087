"""Metrics that take row weights, so that a thousand bootstrap resamples are one matrix product.

Every function takes `truth` (numbers, or class numbers), `prediction` (numbers of shape (rows,), or
probabilities of shape (rows, classes)) and `weights` of shape (resamples, rows): how often each row
was drawn. It returns one value per resample. With weights of one they equal scikit-learn's metrics.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def r2(truth: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of the target's variance that is explained: 1 is perfect, 0 is the mean's."""
    truth, prediction = truth - truth.mean(), prediction - truth.mean()  # keeps precision
    total = weights @ truth**2 - (weights @ truth) ** 2 / weights.sum(axis=1)
    return 1 - _divide(weights @ (truth - prediction) ** 2, total)


def rmse(truth: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Root of the mean squared error, in the target's unit."""
    return np.sqrt(_mean((truth - prediction) ** 2, weights))


def mae(truth: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean absolute error, in the target's unit."""
    return _mean(np.abs(truth - prediction), weights)


def accuracy(truth: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of rows whose most probable class is the true one."""
    return _mean((prediction.argmax(axis=1) == truth).astype(float), weights)


def f1(truth: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall: of the last class when there are two, else the classes' mean."""
    chosen, scores = prediction.argmax(axis=1), []
    for number in _scored_classes(prediction):
        hits = weights @ ((chosen == number) & (truth == number)).astype(float)
        named = weights @ ((chosen == number).astype(float) + (truth == number))
        scores.append(np.where(named > 0, 2 * hits / np.maximum(named, 1e-12), 0.0))
    return np.mean(scores, axis=0)


def log_loss(truth: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of -log(probability given to the true class): punishes being sure and wrong."""
    probability = prediction[np.arange(len(truth)), truth]
    return _mean(-np.log(np.clip(probability, np.finfo(float).eps, 1)), weights)


def brier(truth: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean squared error of the probabilities: of the last class when there are two, else summed."""
    errors = [(prediction[:, k] - (truth == k)) ** 2 for k in _scored_classes(prediction)]
    return _mean(np.sum(errors, axis=0), weights)


def roc_auc(truth: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Chance that a random positive row is ranked above a random negative one.

    With more than two classes: the mean over the classes, each against the rest.
    """
    areas = []
    for k in _scored_classes(prediction):
        positive, negative = _counts_by_score(truth == k, prediction[:, k], weights)
        below = np.cumsum(negative, axis=1) - negative
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        areas.append(_divide((positive * (below + negative / 2)).sum(axis=1), pairs))
    return np.mean(areas, axis=0)


def pr_auc(truth: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision, the area under the precision-recall curve; classes as in roc_auc."""
    areas = []
    for k in _scored_classes(prediction):
        positive, negative = _counts_by_score(truth == k, -prediction[:, k], weights)
        hits, alarms = np.cumsum(positive, axis=1), np.cumsum(negative, axis=1)
        precision = hits / np.maximum(hits + alarms, 1e-12)
        areas.append(_divide((positive * precision).sum(axis=1), positive.sum(axis=1)))
    return np.mean(areas, axis=0)


METRICS: dict[str, dict[str, Metric]] = {
    "regression": {"r2": r2, "rmse": rmse, "mae": mae},
    "binary": {
        "roc_auc": roc_auc,
        "pr_auc": pr_auc,
        "accuracy": accuracy,
        "f1": f1,
        "log_loss": log_loss,
        "brier": brier,
    },
    "multiclass": {
        "accuracy": accuracy,
        "f1": f1,
        "roc_auc": roc_auc,
        "pr_auc": pr_auc,
        "log_loss": log_loss,
        "brier": brier,
    },
}
LOWER_IS_BETTER = {"rmse", "mae", "log_loss", "brier"}


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ values / weights.sum(axis=1)


def _divide(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Top / bottom; nan where the bottom is 0, e.g. the AUC of a resample with one class only."""
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)


def _scored_classes(prediction: np.ndarray) -> range:
    """The last class alone when there are two (the positive one), else every class."""
    classes = prediction.shape[1]
    return range(1, 2) if classes == 2 else range(classes)


def _counts_by_score(
    positive: np.ndarray, score: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of positive and of negative rows at each distinct score, from low to high."""
    order = np.argsort(score, kind="stable")
    starts = np.unique(score[order], return_index=True)[1]
    ordered, positive = weights[:, order].astype(float), positive[order]
    return (
        np.add.reduceat(ordered * positive, starts, axis=1),
        np.add.reduceat(ordered * ~positive, starts, axis=1),
    )
