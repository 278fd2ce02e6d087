"""Costs of decisions: what decisions.py may say, and what settings may not."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from capstone.core.errors import CapstoneError
from capstone.core.settings import Decision
from capstone.evaluation.decision_cost import cost_of_decisions
from tests.support.helpers import Render


@pytest.mark.parametrize("cost", [0, -1.0])
def test_costs_of_zero_or_below_are_refused(cost: float) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        Decision.model_validate({"cost_false_positive": float(cost)})


ROOM = """
NOTHING, ACTION, UNIT = "wait", "call", "EUR"
def recommend_action(prediction):
    return {answer}
def cost_of(action, prediction, truth):
    return {cost}
"""


@pytest.mark.parametrize(
    ("answer", "cost", "sentence"),
    [
        (
            '"call"',
            "1",
            'recommend_action() in src/my_capstone/decisions.py returned the text "call"',
        ),
        ('{"action": "call", "sure": "", "cost": 1}', "None", "cost_of() in src/my_capstone"),
        ("1 / 0", "1", "ZeroDivisionError"),
    ],
)
def test_decisions_that_can_not_be_used_are_named(
    copy_of: Render, monkeypatch: pytest.MonkeyPatch, answer: str, cost: str, sentence: str
) -> None:
    project = copy_of()
    room = ROOM.replace("{answer}", answer).replace("{cost}", cost)
    path = project / "src" / "my_capstone" / "decisions.py"
    path.write_text(room, encoding="utf-8")
    monkeypatch.syspath_prepend(str(project / "src"))
    for name in [name for name in sys.modules if name.split(".")[0] == "my_capstone"]:
        monkeypatch.delitem(sys.modules, name)
    target: Any = SimpleNamespace(problem="regression", classes=[])
    with pytest.raises(CapstoneError) as error:
        cost_of_decisions(project, target, np.ones(2), [{"value": 1.0}, {"value": 2.0}])
    assert sentence in str(error.value)
