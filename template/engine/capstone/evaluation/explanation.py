"""SHAP: how much each of your columns moved each prediction away from the average one.

A column is the student's own column: its one-hot inputs and its missing flag are switched together, so
nothing has to be added up afterwards. A column that is switched off takes its values from a background
row of the training part. A row's SHAP values add up to its prediction minus the background's mean prediction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from capstone.evaluation.shapley import Model, by_orders, exact, typical

BACKGROUND = 100  # training rows that stand for "not known", at most,
CANDIDATES = 2_000  # taken from so many
MOST_PREDICTIONS = 5_000_000  # made for all rows together, and
MOST_MULTIPLICATIONS = 85e9  # by the network in them: about four seconds on two cores
ORDERS = (25, 200)  # in which the columns are switched on, per row: at least and at most
ENOUGH_ROWS = 0.1  # the share of the wanted rows that is explained although it takes longer,
MOST_PER_ROW = 17e9  # unless each row takes so many multiplications: nearly a second
REPEATS = 5  # shuffles per column in the permutation importance


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


@dataclass(frozen=True)
class Plan:
    """How much work goes into a row's SHAP values: the same for every row of a run, whenever it is asked for.

    exact   whether every combination of the columns is tried
    orders  else, in how many orders the columns are switched on; each is also walked backwards
    """

    exact: bool
    orders: int

    @classmethod
    def of(cls, columns: int, rows: int, weights: int = 1) -> Plan:
        """What can be afforded for so many rows together, with a model of so many weights."""
        affordable = _affordable(weights)
        orders = int(np.clip(affordable // (2 * (columns + 1) * rows), *ORDERS))
        return cls(rows * 2**columns * BACKGROUND <= affordable, orders)

    @classmethod
    def of_run(cls, metrics: dict[str, Any], columns: Sequence[str], weights: int) -> Plan:
        """The plan by which a run has explained its rows; where it has explained none, the one for a single row."""
        explained = metrics.get("explanation", {"rows": 1})
        return cls.of(len(columns), max(explained["rows"], 1), weights)

    @property
    def background(self) -> int:
        """How many training rows stand for "not known", at most."""
        return BACKGROUND if self.exact else min(BACKGROUND, self.orders)


def affordable_rows(columns: int, weights: int, rows: int, wanted: int) -> int:
    """How many of the rows can be explained before patience ends; 0 when one of them takes too long.

    columns  of the table
    weights  how many the model has: what one prediction costs
    rows     how many there are
    wanted   how many shall be explained, at most
    """
    one = 2 * ORDERS[0] * (columns + 1)  # predictions for one row
    if one * weights > MOST_PER_ROW:
        return 0
    enough = math.ceil(ENOUGH_ROWS * wanted)
    return min(rows, wanted, max(enough, _affordable(weights) // one))


def affordable_shuffles(columns: int, weights: int, explained: int) -> int:
    """How many rows the permutation importance can take: it may take as long as the SHAP values, or some seconds."""
    return max(2 * ORDERS[0] // REPEATS * explained, _affordable(weights) // (REPEATS * columns))


def _affordable(weights: int) -> int:
    """How many predictions a network with so many weights may make."""
    return int(min(MOST_PREDICTIONS, MOST_MULTIPLICATIONS / weights))


def explain(
    model: Model,
    rows: np.ndarray,
    background: np.ndarray,
    origins: list[str],
    seed: int,
    plan: Plan | None = None,
) -> Explanation:
    """SHAP values of `rows` (a matrix as the preprocessor makes it). A row's do not depend on the others.

    origins  for each input of the matrix, the column that it comes from
    plan     that of the run; else what can be afforded for these rows
    """
    columns = list(dict.fromkeys(origins))
    sources = np.array(origins)
    inputs = [np.flatnonzero(sources == name) for name in columns]
    rng = np.random.default_rng(seed)
    plan = plan or Plan.of(len(columns), len(rows))

    def outputs(matrix: np.ndarray) -> np.ndarray:
        result = model(matrix)
        return result[:, None] if result.ndim == 1 else result

    some = background[np.sort(rng.permutation(len(background))[:CANDIDATES])]
    background = typical(some, outputs, plan.background)
    rounds = max(1, plan.orders // len(background))
    if plan.exact:
        values = exact(outputs, rows, background, inputs)
    else:
        starts = np.repeat(background, rounds, axis=0)
        values, _ = by_orders(outputs, rows, starts, inputs, rng)
    predicted, base = outputs(rows), outputs(background).mean(axis=0)
    gap = np.abs(base + values.sum(axis=1) - predicted).max()
    spread = max(float(predicted.std(axis=0).max()), float(outputs(background).std(axis=0).max()))
    method = "exact" if plan.exact else f"{2 * rounds * len(background)} orders of the columns"
    return Explanation(columns, values, base, method, float(gap / max(spread, 1e-12)))


def permutation_importance(
    model: Model,
    rows: np.ndarray,
    truth: np.ndarray,
    origins: list[str],
    score: Callable[[np.ndarray, np.ndarray], float],
    seed: int,
) -> dict[str, float]:
    """How much worse the score gets when a column's values are shuffled among the rows.

    Parameters
    ----------
    model : callable
        From a matrix to predictions.
    rows : ndarray, shape (rows, inputs)
        A matrix as the preprocessor makes it.
    truth : ndarray, shape (rows,)
        What is true of these rows.
    origins : list of str
        For each input of the matrix, the column that it comes from.
    score : callable
        Of truth and prediction; higher for a better model.
    seed : int
        Decides how values are shuffled.

    Returns
    -------
    dict of str to float
        For each column, the mean loss of score over the shuffles.
    """
    rng = np.random.default_rng(seed)
    unshuffled = score(truth, model(rows))
    importance = {}
    sources = np.array(origins)
    for name in dict.fromkeys(origins):
        inputs = np.flatnonzero(sources == name)
        drops = []
        for _ in range(REPEATS):
            shuffled = rows.copy()
            shuffled[:, inputs] = rows[rng.permutation(len(rows))][:, inputs]
            drops.append(unshuffled - score(truth, model(shuffled)))
        importance[name] = float(np.mean(drops))
    return importance


def summary(
    explanation: Explanation, importance: dict[str, float], classes: list[str]
) -> pd.DataFrame:
    """shap.csv: one line per column, the one that moves predictions most first.

    Of two classes the second one's probability is explained; of more classes each has a column.
    """
    size = np.abs(explanation.values).mean(axis=0)
    shown = size[:, -1] if len(classes) <= 2 else size.mean(axis=1)
    table = pd.DataFrame({"column": explanation.columns, "mean_abs_shap": shown})
    if len(classes) > 2:
        for number, name in enumerate(classes):
            table[f"mean_abs_shap_{name}"] = size[:, number]
    table["permutation_importance"] = [importance[name] for name in explanation.columns]
    return table.sort_values("mean_abs_shap", ascending=False, kind="stable", ignore_index=True)


def values_table(
    explanation: Explanation, features: pd.DataFrame, classes: list[str]
) -> pd.DataFrame:
    """shap_values.parquet: per row (and class, of more than two) `shap of <column>` for each column.

    `value of <column>` beside them is what the row holds, for the charts.
    """
    outputs = range(len(classes)) if len(classes) > 2 else [explanation.values.shape[2] - 1]
    held = features[explanation.columns].add_prefix("value of ").reset_index(names="row")
    for name in held.columns[1:]:
        if held[name].dtype == object:
            held[name] = held[name].map(lambda value: value if pd.isna(value) else str(value))
    blocks = []
    for number in outputs:
        block = pd.DataFrame(explanation.values[:, :, number], columns=explanation.columns)
        block = block.add_prefix("shap of ")
        block.insert(0, "base", explanation.base[number])
        if len(classes) > 2:
            block.insert(0, "class", classes[number])
        blocks.append(pd.concat([held[["row"]], block, held.drop(columns="row")], axis=1))
    return pd.concat(blocks, ignore_index=True)
