"""What the report says in words that its templates can't choose by themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from capstone.core.text import MODELS
from capstone.evaluation.metrics import LOWER_IS_BETTER

# What people call each metric.
METRIC_NAMES = {
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "MAE",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "accuracy": "accuracy",
    "f1": "F1",
    "log_loss": "log loss",
    "brier": "Brier score",
}
# What people call what is measured in each group.
RATE_NAMES = METRIC_NAMES | {
    "selection_rate": "share chosen",
    "true_positive_rate": "recall (true positive rate)",
    "false_positive_rate": "false alarms (false positive rate)",
}
# What each metric says, for readers who never heard of it.
MEANINGS = {
    "r2": "share of the differences between rows that is explained (1 is perfect)",
    "rmse": "typical error, large errors counting more",
    "mae": "average size of an error",
    "roc_auc": "chance to rank a random case above a random other one (0.5 is guessing)",
    "pr_auc": "average precision: how few false alarms the found cases cost (1 is perfect)",
    "accuracy": "share classified correctly (at a probability of 0.5)",
    "f1": "balance of precision and recall, at 0.5 (1 is perfect)",
    "log_loss": "penalty for being confident and wrong (0 is perfect)",
    "brier": "squared error of the probabilities (0 is perfect)",
}


def verdict(beats: dict[str, str]) -> str:
    """Whether the network is better than the simpler models.

    beats  "better", "worse" or "undecided" against each of them
    """
    lost = _names(name for name, outcome in beats.items() if outcome == "worse")
    undecided = _names(name for name, outcome in beats.items() if outcome == "undecided")
    won = _names(name for name, outcome in beats.items() if outcome == "better")
    if lost:
        return (
            f"The network loses to {lost} on the same data. Use that instead, or find out what it "
            "sees and the network does not."
        )
    if undecided:
        more = f" It is better than {won}, beyond chance." if won else ""
        return (
            f"There is no clear difference from {undecided}: with this many rows it could be chance."
            + more
        )
    return f"It is better than {won}, beyond what chance explains."


def _names(models: Iterable[str]) -> str:
    *names, last = [MODELS[name] for name in models] or [""]
    return f"{', '.join(names)} and {last}" if names else last


def better_rule(decisions: dict[str, Any]) -> str:
    """Which of the simple rules would have cost less: "nothing" or "everyone" (act on none, or on all)."""
    return min(("nothing", "everyone"), key=lambda rule: decisions["cost"][rule])


def better(metric: str) -> str:
    """Which direction is good."""
    return "lower" if metric in LOWER_IS_BETTER else "higher"
