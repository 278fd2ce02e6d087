"""Numbers and words as people read them, wherever they stand: terminal, report or model card."""

from __future__ import annotations

from typing import Any

MISSING = "(missing)"  # a missing category is a category of its own

NAMES = {
    "model": "your network",
    "dummy": "dummy",
    "linear": "linear",
    "gradient_boosting": "boosting",
}


def number(value: float | None) -> str:
    """A metric with three decimals, or a big number without any."""
    if value is None or value != value:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"


def verdict_sentence(metrics: dict[str, Any]) -> str:
    """Whether the network beats each baseline, in words."""
    words = {"better": "better than", "worse": "worse than", "undecided": "undecided against"}
    said = [f"{words[verdict]} {NAMES[name]}" for name, verdict in metrics["beats"].items()]
    return f"By {metrics['primary_metric']}, your network is {', '.join(said)}."
