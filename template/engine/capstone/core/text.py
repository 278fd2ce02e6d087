"""Numbers and words as people read them, wherever they stand: terminal, report or model card."""

from __future__ import annotations

MISSING = "(missing)"  # a missing category is a category of its own


def number(value: float | None) -> str:
    """A metric with three decimals, or a big number without any."""
    if value is None or value != value:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"
