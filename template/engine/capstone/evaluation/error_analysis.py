"""Where the model errs: confusion, curves, error by size, the worst rows and the worst slices."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from capstone.core.settings import Decision
from capstone.core.text import MISSING, number

FEWEST_IN_SLICE = 30
MOST_POINTS = 200  # of a curve: more can't be seen


def row_errors(
    truth: np.ndarray, prediction: np.ndarray, problem: str, threshold: float | None = None
) -> np.ndarray:
    """How wrong each row is: the absolute error, or 1 where the class that is decided for is a wrong one."""
    if problem == "regression":
        return np.abs(truth - prediction)
    return (decided_class(prediction, threshold) != truth).astype(float)


def decided_class(prediction: np.ndarray, threshold: float | None = None) -> np.ndarray:
    """The number of the class that is decided for.

    Parameters
    ----------
    prediction : ndarray, shape (rows, classes)
        Probabilities.
    threshold : float, optional
        Of two classes, the probability from which on the second one is acted on. Without it the likeliest counts.

    Returns
    -------
    ndarray of int, shape (rows,)
    """
    if threshold is None:
        return prediction.argmax(axis=1)
    return (prediction[:, 1] >= threshold).astype(int)


def confusion(truth: np.ndarray, chosen: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """Rows of each true class (down) that were predicted as each class (across)."""
    counts = confusion_matrix(truth, chosen, labels=range(len(classes)))
    return pd.DataFrame(counts, index=pd.Index(classes, name="truth"), columns=classes)


def roc_points(happened: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """The ROC curve: false alarms against hits, as the threshold falls."""
    alarms, hits, thresholds = roc_curve(happened, probability)
    thresholds = np.minimum(thresholds, 1.0)  # scikit-learn starts at infinity
    return _thinned(
        {"false positive rate": alarms, "true positive rate": hits, "threshold": thresholds}
    )


def precision_points(happened: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """The precision-recall curve."""
    precision, recall, thresholds = precision_recall_curve(happened, probability)
    thresholds = np.append(thresholds, 1.0)
    return _thinned({"recall": recall, "precision": precision, "threshold": thresholds})


def cost_points(happened: np.ndarray, probability: np.ndarray, costs: Decision) -> pd.DataFrame:
    """What acting from each threshold on would have cost, from 0 (act on all) to 1 (on nearly none)."""
    thresholds = np.linspace(0, 1, MOST_POINTS + 1)
    acting, missing = np.sort(probability[~happened]), np.sort(probability[happened])
    alarms = len(acting) - np.searchsorted(acting, thresholds, side="left")
    missed = np.searchsorted(missing, thresholds, side="left")
    cost = alarms * costs.cost_false_positive + missed * costs.cost_false_negative
    return pd.DataFrame({"threshold": thresholds, "cost": cost})


def gain_points(happened: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """Of the rows with the highest probabilities, what share of all cases is among them."""
    found = np.concatenate([[0], np.cumsum(happened[np.argsort(-probability, kind="stable")])])
    return _thinned(
        {
            "share of the rows": np.arange(len(found)) / max(len(happened), 1),
            "share of the cases": found / max(happened.sum(), 1),
        }
    )


def error_by_decile(truth: np.ndarray, prediction: np.ndarray) -> pd.DataFrame:
    """Rows sorted by prediction into ten equal parts: mean error (bias) and mean absolute error."""
    order = np.array_split(np.argsort(prediction, kind="stable"), min(10, len(prediction)))
    return pd.DataFrame(
        [
            {
                "part": number,
                "lowest prediction": prediction[rows].min(),
                "highest prediction": prediction[rows].max(),
                "rows": len(rows),
                "mean error": (prediction[rows] - truth[rows]).mean(),
                "mean absolute error": np.abs(prediction[rows] - truth[rows]).mean(),
            }
            for number, rows in enumerate(order, start=1)
        ]
    )


def slices(table: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
    """For each column its slices: a category, a quarter of the numbers, or what is missing."""
    by_column: dict[str, dict[str, np.ndarray]] = {}
    for name in table:
        labels = as_groups(table[name])
        if labels is not None:
            known = labels.value_counts().index[:20]
            by_column[str(name)] = {str(label): (labels == label).to_numpy() for label in known}
    return by_column


def as_groups(column: pd.Series, most: int = 50) -> pd.Series | None:
    """A column as text labels: numbers of many values in quarters; None for ids and free text."""
    present = column.dropna()
    if pd.api.types.is_datetime64_any_dtype(column):
        labels = column.dt.year.astype("Int64").astype(object)
    elif pd.api.types.is_bool_dtype(present) or present.nunique() <= 6:
        labels = column.astype(object)
    elif pd.api.types.is_numeric_dtype(present):
        edges = np.unique(np.nanquantile(present.astype(float), [0, 0.25, 0.5, 0.75, 1]))
        shown = [number(edge, ".3g") for edge in edges]
        names = [f"{low} to {high}" for low, high in pairwise(shown)]
        numbers = pd.to_numeric(column).astype("float64")
        labels = pd.cut(numbers, edges, labels=names, include_lowest=True, ordered=False)
        labels = labels.astype(object)
    elif present.nunique() <= most:
        labels = column.astype(object)
    else:
        return None
    return labels.where(column.notna(), MISSING).map(_plain)


def worst_slices(table: pd.DataFrame, errors: np.ndarray, most: int = 10) -> list[dict[str, Any]]:
    """The groups of rows, by one column or two, where the mean error is highest.

    Only slices of at least 30 rows whose error is higher than the others' by more than chance gives,
    the number of slices looked at considered. A pair is named only where it is clearly worse than its columns.
    """
    names, masks = [], []
    for name, by_label in slices(table).items():
        names += [(name, label) for label in by_label]
        masks += list(by_label.values())
    if not masks:
        return []
    # Every slice is a row of `belongs`; rows and errors of all pairs of slices are two products.
    belongs, total = np.array(masks, dtype=float), len(errors)
    rows, summed = belongs @ belongs.T, (belongs * errors) @ belongs.T
    own = np.array([name for name, _ in names])
    kept = (rows >= FEWEST_IN_SLICE) & (rows < total) & (own[:, None] < own)  # pairs of two columns
    kept |= np.diag(np.diag((rows >= FEWEST_IN_SLICE) & (rows < total)))  # and single slices
    first, second = np.nonzero(kept)
    size, error = rows[first, second], summed[first, second] / rows[first, second]
    rest = (errors.sum() - summed[first, second]) / (total - size)
    noise = np.maximum(errors.std(), 1e-12) * np.sqrt(1 / size + 1 / (total - size))
    sure = (error - rest) / noise > norm.isf(0.05 / max(len(size), 1))
    alone = np.diag(summed) / np.maximum(np.diag(rows), 1)
    worse = error > np.maximum(alone[first], alone[second]) + 2 * errors.std() / np.sqrt(size)
    worst = []
    for place in np.argsort(-error, kind="stable"):
        pair = sorted({first[place], second[place]})
        if sure[place] and (len(pair) == 1 or worse[place]):
            where = " and ".join(f"{names[i][0]} = {names[i][1]}" for i in pair)
            worst.append({"slice": where, "rows": int(size[place]), "error": float(error[place])})
    return worst[:most]


def _thinned(columns: dict[str, np.ndarray]) -> pd.DataFrame:
    """At most 200 points of a curve, the first and the last among them."""
    points = len(next(iter(columns.values())))
    chosen = np.unique(np.linspace(0, points - 1, min(points, MOST_POINTS)).round().astype(int))
    return pd.DataFrame({name: values[chosen] for name, values in columns.items()})


def _plain(value: object) -> str:
    """3.0 as "3": a missing value elsewhere made whole numbers floats."""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)
