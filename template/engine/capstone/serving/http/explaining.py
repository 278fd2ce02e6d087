"""Why this prediction? SHAP values of one row, by the columns that the model takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone.evaluation.shapley import by_orders, exact

if TYPE_CHECKING:
    from capstone.serving.inference.model import ServedModel

MOST_PREDICTIONS = 20_000  # made for one row, and
SECONDS = 3.0  # taken at most: then the orders walked so far must do


def explain_row(model: ServedModel, prepared: dict[str, np.ndarray]) -> dict[str, Any]:
    """What each column adds to the prediction of a row, as prepare() gives it.

    A column that is switched off takes its values from a row of the run's background. The calculation is the report's,
    on a matrix that holds, instead of values, which row a value comes from: 0 is this row, 1 the background's first.
    """
    deadline = time.monotonic() + SECONDS
    held = {
        name: np.concatenate([prepared[name], column])
        for name, column in model.background().items()
    }
    names = list(held)
    here = np.zeros((1, len(names)), dtype=np.int32)
    others = len(held[names[0]]) - 1
    background = np.repeat(np.arange(1, others + 1, dtype=np.int32)[:, None], len(names), axis=1)
    inputs = [np.array([number]) for number in range(len(names))]

    def outputs(matrix: np.ndarray) -> np.ndarray:
        chosen = {name: held[name][matrix[:, number]] for number, name in enumerate(names)}
        result = model.predict(chosen)
        return result[:, None] if result.ndim == 1 else result

    if 2 ** len(names) * others <= MOST_PREDICTIONS:
        values, method = exact(outputs, here, background, inputs), "exact"
    else:
        rng = np.random.default_rng(0)  # the same row gets the same explanation
        rounds = max(1, MOST_PREDICTIONS // (2 * (len(names) + 1) * others))
        starts = np.concatenate([rng.permutation(background) for _ in range(rounds)])
        values, used = by_orders(outputs, here, starts, inputs, rng, deadline)
        background, method = starts[:used], f"{2 * used} orders of the columns"
    predicted = outputs(here)[0]
    number, output = explained_output(model, predicted)
    moved = values[0, :, number]
    order = np.argsort(-np.abs(moved), kind="stable")
    return {
        "run": model.run,
        "output": output,
        "base": float(outputs(background)[:, number].mean()),
        "predicted": float(predicted[number]),
        "columns": [
            {
                "column": names[place],
                "value": shown(held[names[place]][0], model.serving["columns"][names[place]]),
                "moved": float(moved[place]),
            }
            for place in order
        ],
        "method": method,
    }


def explained_output(model: ServedModel, predicted: np.ndarray) -> tuple[int, str]:
    """Which output is explained: the number, the probability of the class to detect, or of the likeliest."""
    if model.problem == "regression":
        return 0, model.target
    number = 1 if model.problem == "binary" else int(predicted.argmax())
    return number, f"probability of {model.classes[number]}"


def shown(cell: Any, about: dict[str, Any]) -> Any:
    """A value of the graph's input as a reader knows it: dates as text, a missing one as null."""
    value = cell.item() if hasattr(cell, "item") else cell
    if about["kind"] == "category":
        return str(value)
    if value != value:
        return None
    if about["kind"] == "date":
        return str(np.datetime64(int(value), "s")).removesuffix("T00:00:00")
    return bool(value) if about["kind"] == "boolean" else value
