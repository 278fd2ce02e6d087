"""Your decisions: what to do about a prediction, and what it costs. Change them; they are yours.

The story here: a customer who is about to leave stays if offered a voucher in time. Offered to someone who would have
stayed anyway, the voucher is wasted. The cost of each mistake is set in capstone.toml, section [decision].
"""

from typing import Any

NOTHING = "leave alone"
ACTION = "offer a voucher"
UNIT = "EUR"


def recommend_action(prediction: dict[str, Any]) -> dict[str, Any]:
    """What to do, how sure that is, and what it is expected to cost.

    prediction  "probability" that the customer leaves; "threshold", from which on acting is cheaper
    """
    leaves = prediction["probability"]
    if leaves >= prediction["threshold"]:
        wasted = (1 - leaves) * prediction["cost_false_positive"]
        return {"action": ACTION, "sure": f"leaves: {leaves:.0%}", "cost": wasted}
    lost = leaves * prediction["cost_false_negative"]
    return {"action": NOTHING, "sure": f"stays: {1 - leaves:.0%}", "cost": lost}


def cost_of(action: str, prediction: dict[str, Any], truth: str) -> float:
    """The cost of an action, once the truth is known. For the report, never for a decision."""
    if action == ACTION and truth == "no":
        return prediction["cost_false_positive"]
    if action == NOTHING and truth == "yes":
        return prediction["cost_false_negative"]
    return 0
