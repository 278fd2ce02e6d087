"""A prediction as a table and as decisions.py gets it, and what decisions.py says of it. A service needs it too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from capstone.core.errors import CapstoneError
from capstone.core.project import call_student, load_attribute, package_name
from capstone.core.text import setting_text

ROOM = "decisions"
PROBABILITY = "probability_"  # how the name of a column begins that holds a class's probabilities


class KnowsTarget(Protocol):
    """What is asked of a target here: see Target in model.py."""

    @property
    def problem(self) -> str: ...
    @property
    def classes(self) -> list[str]: ...


def interval_widths(prediction: np.ndarray, fitted: dict[str, Any]) -> np.ndarray:
    """Half the width of each prediction's interval, as fit_intervals() found it."""
    return np.array(fitted["half_widths"])[np.searchsorted(fitted["edges"], prediction)]


def as_columns(target: KnowsTarget, prediction: np.ndarray) -> dict[str, np.ndarray]:
    """A prediction as columns of a table.

    Parameters
    ----------
    target : KnowsTarget
        Its problem and, for classes, their names.
    prediction : ndarray
        Numbers of shape (rows,), or probabilities of shape (rows, classes).

    Returns
    -------
    dict of str to ndarray
        `prediction`; for classes the likeliest one, and `probability_<class>` for each.
    """
    if target.problem == "regression":
        return {"prediction": prediction}
    likeliest = np.array(target.classes, dtype=object)[prediction.argmax(axis=1)]
    shares = {f"{PROBABILITY}{name}": prediction[:, i] for i, name in enumerate(target.classes)}
    return {"prediction": likeliest, **shares}


def as_prediction(
    target: KnowsTarget, prediction: np.ndarray, context: dict[str, Any]
) -> list[dict[str, Any]]:
    """Each row's prediction as recommend_action gets it: plain numbers and words by name.

    Parameters
    ----------
    target : KnowsTarget
        Its problem and, for classes, their names.
    prediction : ndarray
        Numbers of shape (rows,), or probabilities of shape (rows, classes).
    context : dict
        What is the same for every row: `typical`; for regression `intervals`; for binary problems `positive`,
        `threshold` and the costs.
    """
    if target.problem == "regression":
        widths, typical = interval_widths(prediction, context["intervals"]), context["typical"]
        return [
            {"value": value, "low": value - width, "high": value + width, "typical": typical}
            for value, width in zip(prediction.tolist(), widths.tolist(), strict=True)
        ]
    rows = []
    for shares in prediction.tolist():
        likeliest = max(range(len(shares)), key=shares.__getitem__)
        row = {
            "class": target.classes[likeliest],
            "probabilities": dict(zip(target.classes, shares, strict=True)),
            **context,
        }
        if target.problem == "binary":
            row["probability"] = shares[1]
        rows.append(row)
    return rows


def recommend(root: Path, predictions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the student's recommend_action says of each prediction."""
    return ask(load_attribute(root, ROOM, "recommend_action"), root, predictions)


def ask(
    function: Callable[..., Any], root: Path, predictions: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """What the function, the student's recommend_action, says of each prediction.

    Raises CapstoneError for an error in it, and for an answer that can't be used.
    """
    try:
        answers = [function(prediction.copy()) for prediction in predictions]
    except Exception:  # once more, so that the error is told with its file and line
        answers = [call_student(function, root, dict(prediction)) for prediction in predictions]
    for answer in answers:
        if not isinstance(answer, dict) or not {"action", "sure", "cost"} <= set(answer):
            raise CapstoneError(
                f"recommend_action() in {place(root)} returned {setting_text(answer)}: "
                'return {"action": ..., "sure": ..., "cost": ...}.'
            )
    return answers


def place(root: Path) -> str:
    """Where the student's decisions are."""
    return f"src/{package_name(root)}/{ROOM}.py"
