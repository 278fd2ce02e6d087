"""Numbers and words as people read them, wherever they stand: terminal, report or model card."""

from __future__ import annotations

import json
from typing import Any

MISSING = "(missing)"  # a missing category is a category of its own
LONGEST_VALUE = 60  # of a table's value in a sentence

# The models that a run compares, by their names in metrics.json.
MODELS = {
    "model": "your network",
    "dummy": "a constant guess",
    "linear": "a linear model",
    "gradient_boosting": "gradient boosting",
}
BASELINES = tuple(name for name in MODELS if name != "model")
# How the network compares with one of them, by the words of metrics.json.
VERDICTS = {
    "better": "better than",
    "worse": "worse than",
    "undecided": "not clearly better or worse than",
}


def number(value: float | None, form: str = ".3f") -> str:
    """A number as people read it; one of a thousand or more has no decimals.

    Parameters
    ----------
    value : float or None
        None and nan become "-".
    form : str
        How a smaller one is written. ".3f" suits scores that stand below one another, ".3g" numbers of any size.
    """
    if value is None or value != value:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:{form}}"


def cell_text(value: object) -> str:
    """One cell of a table as people read it."""
    if not isinstance(value, str) and str(value) in ("None", "nan", "NaT", "<NA>"):
        return MISSING
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    text = str(value)
    return text if isinstance(value, str) else text.removesuffix(" 00:00:00")  # a day's midnight


def cut(text: str, longest: int) -> str:
    """A text that is too long without its middle, and with its length: "aaaa...zzzz (10,000 characters)"."""
    if len(text) <= longest:
        return text
    end = longest // 3
    return f"{text[: longest - end - 3]}...{text[-end:]} ({len(text):,} characters)"


def quoted(value: object) -> str:
    """A table's value in a sentence, between quotation marks and not too long."""
    return f'"{cut(cell_text(value), LONGEST_VALUE)}"'


def setting_text(value: object) -> str:
    """A value of capstone.toml as one would write it there: "adam", true, [64, 32]."""
    try:
        return cut(json.dumps(value, ensure_ascii=False, default=str), 4 * LONGEST_VALUE)
    except (
        ValueError,
        RecursionError,
    ):  # a number of thousands of digits, or lists in lists in lists
        return f"a {type(value).__name__} too large to show"


def verdict_sentence(metrics: dict[str, Any], subject: str = MODELS["model"]) -> str:
    """Whether the network beats each baseline, in words."""
    verdicts = [f"{VERDICTS[how]} {MODELS[name]}" for name, how in metrics["beats"].items()]
    return f"By {metrics['primary_metric']}, {subject} is {', '.join(verdicts)}."
