"""Your decisions: what to do about a prediction, and what it costs. Change them; they are yours.

The story here: a tutor for the first year keeps some of those who would drop out. Tutors cost money, and a
dropout costs more. Whom to ask follows from the probabilities, not from a class alone.
"""

from typing import Any

NOTHING = "no tutor"
ACTION = "assign a tutor"
UNIT = "EUR"

TUTOR = 600  # for a year
DROPOUT = 6000  # what a dropout costs, to the student and to the university
HELPED = 0.4  # share of the dropouts that a tutor prevents


def recommend_action(prediction: dict[str, Any]) -> dict[str, Any]:
    """What to do, how sure that is, and what it is expected to cost.

    prediction  "probabilities": {"distinction": 0.2, "dropout": 0.5, "pass": 0.3}; "class", the likeliest
    """
    chance = prediction["probabilities"]["dropout"]
    sure = f"drops out: {chance:.0%}"
    with_tutor = TUTOR + chance * (1 - HELPED) * DROPOUT
    without = chance * DROPOUT
    if with_tutor < without:
        return {"action": ACTION, "sure": sure, "cost": with_tutor}
    return {"action": NOTHING, "sure": sure, "cost": without}


def cost_of(action: str, prediction: dict[str, Any], truth: str) -> float:
    """The cost of an action, once the truth is known. For the report, never for a decision.

    Nobody knows what a tutor would have changed for one student, so HELPED is counted as a share.
    """
    dropout = DROPOUT if truth == "dropout" else 0
    return TUTOR + (1 - HELPED) * dropout if action == ACTION else dropout
