"""A prediction as a table and as decisions.py gets it, and what decisions.py says of it. A service needs it too."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from capstone.core.errors import CapstoneError
from capstone.core.project import package_name
from capstone.core.student_code import described, load_attribute, student_code

ROOM = "decisions"
ANSWER = ("action", "sure", "cost")  # what recommend_action has to say of a prediction
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
    with student_code("recommend_action()", function):
        answers = [function(own_copy(prediction)) for prediction in predictions]
    return [_checked(answer, root) for answer in answers]


def own_copy(prediction: dict[str, Any]) -> dict[str, Any]:
    """A prediction for the student's function, which may change it."""
    return {
        name: value.copy() if isinstance(value, dict) else value
        for name, value in prediction.items()
    }


def plain_number(value: object) -> int | float | None:
    """A finite number as Python's own, also of NumPy's; None for anything else."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        return None
    try:
        return plain if math.isfinite(plain) else None
    except OverflowError:  # a whole number of hundreds of digits
        return None


def refused_number(value: object) -> str:
    """What was returned where a finite number is needed, in words."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float):
        return str(plain)
    return "a number too large" if type(plain) is int else described(plain)


def _checked(answer: object, root: Path) -> dict[str, Any]:
    """The answer, with a cost that is Python's own number."""
    problem = ""
    if not isinstance(answer, dict):
        problem = described(answer)
    elif missing := [name for name in ANSWER if name not in answer]:
        problem = f'a dict without "{missing[0]}"'
    elif not isinstance(answer["action"], str) or not answer["action"]:
        problem = f"{described(answer['action'])} as action, not a name"
    elif (cost := plain_number(answer["cost"])) is None:
        problem = f"{refused_number(answer['cost'])} as cost, not a finite number"
    elif not _can_be_written(answer):
        problem = "something that can't be written as JSON"
    else:
        return {**answer, "cost": cost}
    raise CapstoneError(
        f"recommend_action() in {place(root)} returned {problem}: "
        'return {"action": "...", "sure": "...", "cost": 0.0}.'
    )


def _can_be_written(answer: dict[Any, Any]) -> bool:
    """Whether a service can send the answer. Most hold nothing but plain text, and there are many."""
    sure = answer["sure"]
    text = f"{answer['action']}{sure}" if isinstance(sure, str) else ""
    if text.isascii() and text and len(answer) == len(ANSWER):
        return True
    try:
        json.dumps(answer, default=str, ensure_ascii=False).encode()
    except Exception:  # a circle, half a character, a class of the student's own
        return False
    return True


def place(root: Path) -> str:
    """Where the student's decisions are."""
    return f"src/{package_name(root)}/{ROOM}.py"
