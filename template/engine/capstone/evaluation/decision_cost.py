"""What would have happened on the test part, had someone followed decisions.py."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from capstone.core.decisions import ROOM, place, recommend
from capstone.core.errors import CapstoneError
from capstone.core.project import call_student, load_attribute, load_module
from capstone.core.text import LONGEST_VALUE, cut
from capstone.training.target import Target


def cost_of_decisions(
    root: Path, target: Target, truth: np.ndarray, predictions: list[dict[str, Any]]
) -> tuple[dict[str, Any], list[str]]:
    """Actions taken and their cost on these rows, against doing nothing and against acting on everyone.

    Parameters
    ----------
    root : Path
        The project's folder: the student's decisions.py is in it.
    target : Target
        What is predicted.
    truth : ndarray, shape (rows,)
        Numbers, or the number of each row's class.
    predictions : list of dict
        As recommend_action gets them.

    Returns
    -------
    tuple of dict and list of str
        What metrics.json keeps, and the action recommended for each row.

    Raises
    ------
    CapstoneError
        When decisions.py gives what can't be used.
    """
    constants = {name: _constant(root, name) for name in ("NOTHING", "ACTION", "UNIT")}
    actions = [str(answer["action"]) for answer in recommend(root, predictions)]
    truths: list[Any] = truth.tolist()
    if target.problem != "regression":
        truths = [target.classes[number] for number in truths]
    cost_of = load_attribute(root, ROOM, "cost_of")

    def costs(chosen: list[str]) -> np.ndarray:
        values = []
        for action, prediction, true in zip(chosen, predictions, truths, strict=True):
            cost = call_student(cost_of, root, action, dict(prediction), true)
            if isinstance(cost, bool) or not isinstance(cost, (int, float)) or math.isnan(cost):
                raise CapstoneError(
                    f"cost_of() in {place(root)} returned {cut(str(cost), LONGEST_VALUE)} for the action "
                    f'"{action}": return a number.'
                )
            values.append(float(cost))
        return np.array(values)

    followed = costs(actions)
    others = {
        "nothing": costs([constants["NOTHING"]] * len(actions)),
        "everyone": costs([constants["ACTION"]] * len(actions)),
    }
    return {
        "unit": constants["UNIT"],
        "nothing": constants["NOTHING"],
        "everyone": constants["ACTION"],
        "actions": {name: actions.count(name) for name in sorted(set(actions))},
        "cost": {"followed": float(followed.sum())}
        | {name: float(cost.sum()) for name, cost in others.items()},
        "saved_against": {name: _saving(cost - followed) for name, cost in others.items()},
    }, actions


def _saving(saved: np.ndarray) -> dict[str, float]:
    """The sum over the rows, with its 95 % interval."""
    total = float(saved.sum())
    error = 1.96 * float(saved.std(ddof=1)) * math.sqrt(len(saved)) if len(saved) > 1 else 0.0
    return {"value": total, "low": total - error, "high": total + error}


def _constant(root: Path, name: str) -> str:
    value = getattr(load_module(root, ROOM), name, None)
    if not isinstance(value, str) or not value:
        raise CapstoneError(f'{place(root)} has no text {name}: write e.g. {name} = "..." in it.')
    return value
