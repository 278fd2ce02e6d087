"""What would have happened on the test part, had someone followed decisions.py."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from capstone.core.decisions import (
    ROOM,
    as_prediction,
    own_copy,
    place,
    plain_number,
    recommend,
    refused_number,
)
from capstone.core.errors import CapstoneError
from capstone.core.settings import Decision
from capstone.core.student_code import load_attribute, load_module, student_code
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
        cases = zip(chosen, predictions, truths, strict=True)
        with student_code("cost_of()", cost_of):
            answers = [cost_of(action, own_copy(row), true) for action, row, true in cases]
        values = [plain_number(answer) for answer in answers]
        for action, answer, value in zip(chosen, answers, values, strict=True):
            if value is None:
                raise CapstoneError(
                    f"cost_of() in {place(root)} returned {refused_number(answer)} for the action "
                    f'"{action[:80]}": return a finite number.'
                )
        return np.array(values, dtype=np.float64)

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


def check_decisions(root: Path, target: Target, truth: np.ndarray, costs: Decision) -> None:
    """Try decisions.py on made-up predictions, before anything has taken time.

    Parameters
    ----------
    root, target
        As of `cost_of_decisions`.
    truth : ndarray, shape (rows,)
        Of the training part: what is made up lies among these numbers, or is of these classes.
    costs : Decision
        Section [decision] of capstone.toml.

    Raises
    ------
    CapstoneError
        When decisions.py gives what can't be used.
    """
    if target.problem == "regression":
        low, quarter, middle, most = np.quantile(truth, (0, 0.25, 0.5, 0.75), method="nearest")
        half_width = float(quarter - low) / 2 or target.scale / 10
        intervals = {"edges": [], "half_widths": [half_width]}
        made_up = truth = np.array([quarter, middle, most])
        context = {"typical": float(middle), "intervals": intervals}
    else:
        classes = len(target.classes)
        made_up, truth = np.full((classes, classes), 0.2 / (classes - 1)), np.arange(classes)
        np.fill_diagonal(made_up, 0.8)
        context = {"typical": target.classes[0]}
        if target.problem == "binary":
            context |= {"positive": target.classes[1], "threshold": 0.5, **costs.model_dump()}
    cost_of_decisions(root, target, truth, as_prediction(target, made_up, context))


def _saving(saved: np.ndarray) -> dict[str, float]:
    """The sum over the rows, with its 95% interval."""
    total = float(saved.sum())
    error = 1.96 * float(saved.std(ddof=1)) * math.sqrt(len(saved)) if len(saved) > 1 else 0.0
    return {"value": total, "low": total - error, "high": total + error}


def _constant(root: Path, name: str) -> str:
    module = load_module(root, ROOM)
    with student_code(place(root)):
        value = getattr(module, name, None)
    if not isinstance(value, str) or not value:
        raise CapstoneError(f'{place(root)} has no text {name}: write e.g. {name} = "..." in it.')
    return value
