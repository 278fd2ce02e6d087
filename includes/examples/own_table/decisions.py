"""Your decisions: what to do about a prediction, and what it costs. Rewrite them; they are yours.

This draft runs on any table but answers no real question: it acts on untypical predictions, and every mistake costs 1.
Say what can be done about a prediction, who benefits, and what each kind of mistake costs.
"""

from typing import Any

NOTHING = "do nothing"
ACTION = "act"
UNIT = "mistakes"


def recommend_action(prediction: dict[str, Any]) -> dict[str, Any]:
    """What to do, how sure that is, and what it is expected to cost.

    prediction holds for numbers   "value", with "low" and "high" around the truth in 9 of 10 cases
                     for two classes  "probability" of the one to detect; "threshold", from which on acting is cheaper
                     for classes   "class", the likeliest, and "probabilities" of all
                     always        "typical": the middle value, or the most frequent class, in training
    """
    if "value" in prediction:
        act = prediction["value"] > prediction["typical"]
        sure = f"{prediction['low']:.6g} to {prediction['high']:.6g}"
    elif "probability" in prediction:
        act = prediction["probability"] >= prediction["threshold"]
        sure = f"{prediction['probability']:.0%}"
    else:
        act = prediction["class"] != prediction["typical"]
        sure = f"{prediction['probabilities'][prediction['class']]:.0%}"
    return {"action": ACTION if act else NOTHING, "sure": sure, "cost": 0}


def cost_of(action: str, prediction: dict[str, Any], truth: Any) -> float:
    """The cost of an action, once the truth is known. For the report, never for a decision."""
    if "probability" in prediction:
        needed = truth == prediction["positive"]
    elif "value" in prediction:
        needed = truth > prediction["typical"]
    else:
        needed = truth != prediction["typical"]
    if (action == ACTION) == needed:
        return 0
    if "probability" in prediction:
        return prediction["cost_false_positive" if action == ACTION else "cost_false_negative"]
    return 1
