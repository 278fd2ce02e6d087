"""Shapley's formula: how much each column moved a prediction. NumPy alone, for the service needs no more.

`outputs` is a model: a matrix to a matrix with one column per output. `inputs` says, for each column of
the table, which columns of the matrix come from it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

MOST_NUMBERS = 20_000_000  # of a matrix held at once: 80 MB

Model = Callable[[np.ndarray], np.ndarray]  # a matrix to numbers, or to probabilities of each class


def typical(rows: np.ndarray, outputs: Model, count: int) -> np.ndarray:
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


def exact(
    outputs: Model, rows: np.ndarray, background: np.ndarray, inputs: list[np.ndarray]
) -> np.ndarray:
    """Shapley's formula: a column's gain, averaged over every combination of the other columns."""
    size = len(inputs)
    combinations = np.arange(2**size)
    on = (combinations[:, None] >> np.arange(size)) & 1 == 1  # which columns each switches on
    switched = np.zeros((2**size, rows.shape[1]), dtype=bool)
    for column, columns in enumerate(inputs):
        switched[:, columns] = on[:, [column]]
    value = []  # of each combination, for each row: the mean prediction over the background
    for row in rows:
        predicted = [outputs(np.where(switched, row, other)) for other in background]
        value.append(np.mean(predicted, axis=0))
    means = np.stack(value)
    count = on.sum(axis=1)
    weight = np.array(
        [
            math.factorial(k) * math.factorial(size - k - 1) / math.factorial(size)
            for k in range(size)
        ]
    )
    result = np.empty((len(rows), size, means.shape[2]))
    for column in range(size):
        without = combinations[~on[:, column]]
        gain = means[:, without | (1 << column)] - means[:, without]
        result[:, column] = np.einsum("rco,c->ro", gain, weight[count[without]])
    return result


def by_orders(
    outputs: Model,
    rows: np.ndarray,
    starts: np.ndarray,
    inputs: list[np.ndarray],
    rng: np.random.Generator,
    deadline: float = math.inf,
) -> tuple[np.ndarray, int]:
    """Switch the columns on one after another, in random orders, and average what each one adds.

    Each background row in `starts` gets an order of its own, which is also walked backwards: that makes
    many orders of few predictions. The sum over the columns is exact for every single order.

    Returns the values, and how many of the starts were used until the deadline (of time.monotonic).
    """
    total: np.ndarray | float = 0.0
    block = max(1, MOST_NUMBERS // ((len(inputs) + 1) * rows.shape[1]))
    used = 0
    for start in starts:
        if used and time.monotonic() > deadline:
            break
        used += 1
        order = rng.permutation(len(inputs))
        for walk in (order, order[::-1]):
            gains = [
                _walk(outputs, rows[first : first + block], start, [inputs[i] for i in walk])
                for first in range(0, len(rows), block)
            ]
            total = total + np.concatenate(gains)[:, np.argsort(walk)]
    return np.asarray(total) / (2 * used), used


def _walk(
    outputs: Model, rows: np.ndarray, start: np.ndarray, steps: list[np.ndarray]
) -> np.ndarray:
    """What each step adds that turns `start` into each row: shape (rows, steps, outputs)."""
    states = np.empty((len(steps) + 1, *rows.shape), dtype=rows.dtype)
    states[0] = start
    for number, columns in enumerate(steps):
        states[number + 1] = states[number]
        states[number + 1][:, columns] = rows[:, columns]
    predicted = outputs(states.reshape(-1, rows.shape[1]))
    gains: np.ndarray = np.diff(predicted.reshape(len(states), len(rows), -1), axis=0)
    return gains.transpose(1, 0, 2)
