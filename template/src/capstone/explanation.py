"""SHAP: how much each of your columns moved each prediction away from the average one.

A column is the student's own column: its one-hot inputs and its missing flag are switched together, so
nothing has to be added up afterwards. A column that is switched off takes its values from a background
row of the training part. A row's SHAP values add up to its prediction minus the background's mean prediction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np
import pandas as pd

from capstone.metrics import LOWER_IS_BETTER, METRICS

BACKGROUND = 100  # training rows that stand for "not known", at most,
CANDIDATES = 2_000  # taken from so many
MOST_PREDICTIONS = 5_000_000  # made for all rows together, and
MOST_MULTIPLICATIONS = 85e9  # by the network in them: about four seconds on two cores
ORDERS = (25, 200)  # in which the columns are switched on, per row: at least and at most
ENOUGH_ROWS = 100  # are explained although it takes longer,
PATIENCE = 20  # unless it takes so many times as long
MOST_NUMBERS = 20_000_000  # of a matrix held at once: 80 MB
REPEATS = 5  # shuffles per column in the permutation importance

Model = Callable[[np.ndarray], np.ndarray]  # a matrix to numbers, or to probabilities of each class


@dataclass(frozen=True)
class Explanation:
    """SHAP values of some rows.

    values  shape (rows, columns, outputs): in the target's unit, or as probability of each class
    base    shape (outputs,): the mean prediction of the background rows
    error   largest gap between base + values and the prediction, as a share of the predictions' spread
    """

    columns: list[str]
    values: np.ndarray
    base: np.ndarray
    method: str
    error: float


def affordable_rows(columns: int, weights: int, wanted: int) -> int:
    """How many of the wanted rows can be explained before patience ends; 0 when a hundred are too many."""
    one = 2 * ORDERS[0] * (columns + 1)  # predictions for one row
    enough = min(wanted, ENOUGH_ROWS)
    if enough * one * weights > PATIENCE * MOST_MULTIPLICATIONS:
        return 0
    return min(wanted, max(enough, _affordable(weights) // one))


def _affordable(weights: int) -> int:
    """How many predictions a network with so many weights may make."""
    return int(min(MOST_PREDICTIONS, MOST_MULTIPLICATIONS / weights))


def explain(
    model: Model,
    rows: np.ndarray,
    background: np.ndarray,
    origins: list[str],
    seed: int,
    weights: int = 1,
) -> Explanation:
    """SHAP values of `rows` (a matrix as the preprocessor makes it), exact where that is affordable.

    origins  for each input of the matrix, the column that it comes from
    weights  how many the model has: what one prediction costs
    """
    columns = list(dict.fromkeys(origins))
    inputs = [np.flatnonzero(np.array(origins) == name) for name in columns]
    rng = np.random.default_rng(seed)
    affordable = _affordable(weights)
    exact = len(rows) * 2 ** len(columns) * BACKGROUND <= affordable
    orders = int(np.clip(affordable // (2 * (len(columns) + 1) * len(rows)), *ORDERS))

    def outputs(matrix: np.ndarray) -> np.ndarray:
        result = model(matrix)
        return result[:, None] if result.ndim == 1 else result

    some = background[np.sort(rng.permutation(len(background))[:CANDIDATES])]
    background = _typical(some, outputs, BACKGROUND if exact else min(BACKGROUND, orders))
    rounds = max(1, orders // len(background))
    if exact:
        values = _exact(outputs, rows, background, inputs)
    else:
        starts = np.repeat(background, rounds, axis=0)
        values = _by_orders(outputs, rows, starts, inputs, rng)
    predicted, base = outputs(rows), outputs(background).mean(axis=0)
    gap = np.abs(base + values.sum(axis=1) - predicted).max()
    spread = max(float(predicted.std(axis=0).max()), float(outputs(background).std(axis=0).max()))
    method = "exact" if exact else f"{2 * rounds * len(background)} orders of the columns"
    return Explanation(columns, values, base, method, float(gap / max(spread, 1e-12)))


def _typical(rows: np.ndarray, outputs: Model, count: int) -> np.ndarray:
    """So many of the rows, as typical_places() chooses."""
    return np.asarray(rows[typical_places(outputs(rows), count)])


def typical_places(predicted: np.ndarray, count: int) -> np.ndarray:
    """Places of so many rows, evenly spread from the lowest prediction to the highest.

    So even a few have nearly the mean prediction of all, from which each row is explained.

    predicted  shape (rows, outputs)
    """
    order = np.argsort(predicted[:, predicted.std(axis=0).argmax()], kind="stable")
    places = (np.arange(count) + 0.5) * len(predicted) / count
    return np.asarray(order[np.unique(places.astype(int))])


def _exact(
    outputs: Model, rows: np.ndarray, background: np.ndarray, inputs: list[np.ndarray]
) -> np.ndarray:
    """Shapley's formula: a column's gain, averaged over every combination of the other columns."""
    size = len(inputs)
    combinations = np.arange(2**size)
    on = (combinations[:, None] >> np.arange(size)) & 1 == 1  # which columns each switches on
    switched = np.zeros((2**size, rows.shape[1]), dtype=bool)
    for column, its in enumerate(inputs):
        switched[:, its] = on[:, [column]]
    value = []  # of each combination, for each row: the mean prediction over the background
    for row in rows:
        predicted = [outputs(np.where(switched, row, other)) for other in background]
        value.append(np.mean(predicted, axis=0))
    means = np.stack(value)
    count = on.sum(axis=1)
    weight = np.array(
        [factorial(k) * factorial(size - k - 1) / factorial(size) for k in range(size)]
    )
    result = np.empty((len(rows), size, means.shape[2]))
    for column in range(size):
        without = combinations[~on[:, column]]
        gain = means[:, without | (1 << column)] - means[:, without]
        result[:, column] = np.einsum("rco,c->ro", gain, weight[count[without]])
    return result


def _by_orders(
    outputs: Model,
    rows: np.ndarray,
    starts: np.ndarray,
    inputs: list[np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """Switch the columns on one after another, in random orders, and average what each one adds.

    Each background row in `starts` gets an order of its own, which is also walked backwards: that makes
    many orders of few predictions. The sum over the columns is exact for every single order.
    """
    total: np.ndarray | float = 0.0
    block = max(1, MOST_NUMBERS // ((len(inputs) + 1) * rows.shape[1]))
    for start in starts:
        order = rng.permutation(len(inputs))
        for walk in (order, order[::-1]):
            gains = [
                _walk(outputs, rows[first : first + block], start, [inputs[i] for i in walk])
                for first in range(0, len(rows), block)
            ]
            total = total + np.concatenate(gains)[:, np.argsort(walk)]
    return np.asarray(total) / (2 * len(starts))


def _walk(
    outputs: Model, rows: np.ndarray, start: np.ndarray, steps: list[np.ndarray]
) -> np.ndarray:
    """What each step adds that turns `start` into each row: shape (rows, steps, outputs)."""
    states = np.empty((len(steps) + 1, *rows.shape), dtype=rows.dtype)
    states[0] = start
    for number, its in enumerate(steps):
        states[number + 1] = states[number]
        states[number + 1][:, its] = rows[:, its]
    predicted = outputs(states.reshape(-1, rows.shape[1]))
    gains: np.ndarray = np.diff(predicted.reshape(len(states), len(rows), -1), axis=0)
    return gains.transpose(1, 0, 2)


def permutation_importance(
    model: Model,
    rows: np.ndarray,
    truth: np.ndarray,
    origins: list[str],
    problem: str,
    metric: str,
    seed: int,
) -> dict[str, float]:
    """By how much the metric gets worse when a column's values are shuffled among the rows."""
    rng = np.random.default_rng(seed)
    once, score = np.ones((1, len(truth))), METRICS[problem][metric]
    sign = -1 if metric in LOWER_IS_BETTER else 1
    whole = score(truth, model(rows), once)[0]
    importance = {}
    for name in dict.fromkeys(origins):
        its = np.flatnonzero(np.array(origins) == name)
        drops = []
        for _ in range(REPEATS):
            shuffled = rows.copy()
            shuffled[:, its] = rows[rng.permutation(len(rows))][:, its]
            drops.append(sign * (whole - score(truth, model(shuffled), once)[0]))
        importance[name] = float(np.mean(drops))
    return importance


def summary(found: Explanation, importance: dict[str, float], classes: list[str]) -> pd.DataFrame:
    """shap.csv: one line per column, the one that moves predictions most first.

    Of two classes the second one's probability is explained; of more classes each has a column.
    """
    size = np.abs(found.values).mean(axis=0)
    shown = size[:, -1] if len(classes) <= 2 else size.mean(axis=1)
    table = pd.DataFrame({"column": found.columns, "mean_abs_shap": shown})
    if len(classes) > 2:
        for number, name in enumerate(classes):
            table[f"mean_abs_shap_{name}"] = size[:, number]
    table["permutation_importance"] = [importance[name] for name in found.columns]
    return table.sort_values("mean_abs_shap", ascending=False, kind="stable", ignore_index=True)


def values_table(found: Explanation, features: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """shap_values.parquet: per row (and class, of more than two) `shap of <column>` for each column.

    `value of <column>` beside them is what the row holds, for the charts.
    """
    outputs = range(len(classes)) if len(classes) > 2 else [found.values.shape[2] - 1]
    held = features[found.columns].add_prefix("value of ").reset_index(names="row")
    for name in held.columns[1:]:
        if held[name].dtype == object:
            held[name] = held[name].map(lambda value: value if pd.isna(value) else str(value))
    blocks = []
    for number in outputs:
        block = pd.DataFrame(found.values[:, :, number], columns=found.columns)
        block = block.add_prefix("shap of ")
        block.insert(0, "base", found.base[number])
        if len(classes) > 2:
            block.insert(0, "class", classes[number])
        blocks.append(pd.concat([held[["row"]], block, held.drop(columns="row")], axis=1))
    return pd.concat(blocks, ignore_index=True)
