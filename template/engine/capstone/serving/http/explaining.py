"""SHAP values of one row, for the columns that the model takes."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from capstone.evaluation.shapley import by_orders, exact
from capstone.serving.inference.served_model import ServedModel

MAX_PREDICTIONS = 500_000  # for one row whose column combinations are all tried
USUAL_ORDERS = 200  # of the columns, where the run does not say how it explained its rows
MAX_SECONDS = 3.0  # after that, the column orders walked so far must do


def explain_row(model: ServedModel, inputs: dict[str, np.ndarray]) -> dict[str, Any]:
    """How much each column adds to the prediction of one row, whose inputs prepare() returned.

    A column that is switched off takes its values from a row of the run's background. The calculation is the report's,
    on a matrix that holds row numbers instead of values: 0 is this row, 1 the background's first.
    """
    deadline = time.monotonic() + MAX_SECONDS
    values = {
        name: np.concatenate([inputs[name], column]) for name, column in model.background().items()
    }
    plan = model.serving.get("explanation", {"seed": 0, "rows": 0, "orders": USUAL_ORDERS})
    names = plan.get("columns", list(values))
    this_row = np.zeros((1, len(names)), dtype=np.int32)
    background_rows = len(values[names[0]]) - 1
    numbers = np.arange(1, background_rows + 1, dtype=np.int32)
    background = np.repeat(numbers[:, None], len(names), axis=1)
    columns = [np.array([number]) for number in range(len(names))]

    def predict(matrix: np.ndarray) -> np.ndarray:
        rows = {name: values[name][matrix[:, number]] for number, name in enumerate(names)}
        result = model.predict(rows)
        return result[:, None] if result.ndim == 1 else result

    affordable = 2 ** len(names) * background_rows <= MAX_PREDICTIONS
    if affordable and plan.get("exact", True):
        shap_values, method = exact(predict, this_row, background, columns), "exact"
    else:
        # The same draws as in the run, which took its background first: the same orders, so the same numbers.
        rng = np.random.default_rng(plan["seed"])
        rng.permutation(plan["rows"])
        rounds = max(1, plan["orders"] // background_rows)
        starts = np.repeat(background, rounds, axis=0)
        shap_values, used = by_orders(predict, this_row, starts, columns, rng, deadline)
        background, method = starts[:used], f"{2 * used} orders of the columns"
    prediction = predict(this_row)[0]
    number, output = explained_output(model, prediction)
    moved = shap_values[0, :, number]
    order = np.argsort(-np.abs(moved), kind="stable")
    return {
        "run": model.run,
        "output": output,
        "base": float(predict(background)[:, number].mean()),
        "predicted": float(prediction[number]),
        "columns": [
            {
                "column": names[place],
                "value": readable(values[names[place]][0], model.serving["columns"][names[place]]),
                "moved": float(moved[place]),
            }
            for place in order
        ],
        "method": method,
    }


def explained_output(model: ServedModel, prediction: np.ndarray) -> tuple[int, str]:
    """Which output is explained: the number, the probability of the class to detect, or that of the likeliest class."""
    if model.problem == "regression":
        return 0, model.target
    number = 1 if model.problem == "binary" else int(prediction.argmax())
    return number, f"probability of {model.classes[number]}"


def readable(cell: Any, column_info: dict[str, Any]) -> Any:
    """A value of the graph's inputs as a reader knows it: dates as text, a missing value as null."""
    value = cell.item() if hasattr(cell, "item") else cell
    if column_info["kind"] == "category":
        return str(value)
    if value != value:
        return None
    if column_info["kind"] == "date":
        return str(np.datetime64(int(value), "s")).removesuffix("T00:00:00")
    return bool(value) if column_info["kind"] == "boolean" else value
