"""Your decisions: what to do about a prediction, and what it costs. Change them; they are yours.

The story: an estate agent lists houses. Using the predicted price is quick, but if it is far from the truth,
money is lost. A valuer who visits the house finds the right price, for a fee.
"""

import math
from typing import Any

NOTHING = "list at the predicted price"
ACTION = "send a valuer"
UNIT = "EUR"

FEE = 1500  # of a valuer
TOLERANCE = 0.15  # a price that is off by up to this share does no harm
LOSS = 0.01  # share of the price lost when it is off by more


def recommend_action(prediction: dict[str, Any]) -> dict[str, Any]:
    """What to do, how sure that is, and what it is expected to cost.

    prediction  "value", with "low" and "high" around the true price in 9 of 10 cases
    """
    price = prediction["value"]
    off_by = (prediction["high"] - price) / price if price > 0 else 1.0
    # The interval holds 9 of 10 prices; if errors are bell-shaped, that is 1.645 standard deviations.
    chance = math.erfc(TOLERANCE / off_by * 1.645 / math.sqrt(2))
    expected_loss = chance * LOSS * price
    if expected_loss > FEE:
        return {"action": ACTION, "sure": f"may be off by {off_by:.0%}", "cost": FEE}
    return {"action": NOTHING, "sure": f"within {off_by:.0%}", "cost": expected_loss}


def cost_of(action: str, prediction: dict[str, Any], truth: float) -> float:
    """The cost of an action, once the true price is known. For the report, never for a decision."""
    if action == ACTION:
        return FEE
    off_by = abs(prediction["value"] - truth) / truth
    return LOSS * truth if off_by > TOLERANCE else 0
