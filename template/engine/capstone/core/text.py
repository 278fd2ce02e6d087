"""Numbers, values and names as people read them, wherever they stand: terminal, report or model card.

Nothing that comes from a table, a setting, a file's name or a run is sent to a terminal or a page as it is: `printable`
shows what would otherwise be obeyed or be invisible.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from functools import partial
from typing import Any

MISSING = "(missing)"  # a missing category is a category of its own
LONGEST_LINE = 1000  # characters of a sentence
LONGEST_WORD = 300  # of what has no space in it, such as a column's name or a path
LONGEST_VALUE = 60  # of a table's value in a sentence
# Python calls these printable, though nothing is seen of them: fillers of scripts, and most variation selectors.
INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0d\U000e0100-\U000e01ef]"
)

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


def printable(text: str) -> str:
    """Text that is safe to show: what a terminal or browser would obey, or nobody could see, becomes an escape.

    Parameters
    ----------
    text : str
        Anything, such as a column's name.

    Returns
    -------
    str
        The same text with control characters, line breaks, bidirectional marks, zero-width and unusual spaces, lone
        surrogates, private and unassigned characters as Python would write them: \\x1b, \\n, \\u202e.
    """
    if text.isprintable() and not INVISIBLE.search(text):
        return text
    return "".join(
        letter if letter.isprintable() and not INVISIBLE.match(letter) else _escape(letter)
        for letter in text
    )


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def cut(text: str, longest: int) -> str:
    """A text that is too long without its middle, and with its length: "aaaa...zzzz (10,000 characters)"."""
    if len(text) <= longest:
        return text
    end = longest // 3
    return f"{text[: longest - end - 3]}...{text[-end:]} ({len(text):,} characters)"


def one_line(text: str) -> str:
    """Any text as one line for a terminal: printable, and of a length that somebody reads.

    Parameters
    ----------
    text : str
        A sentence that may hold names and values as they came.

    Returns
    -------
    str
        At most about a thousand characters. What is cut is cut in the middle: the beginning says what is wrong, the
        end what to do.
    """
    words = re.sub(rf"[^ ]{{{LONGEST_WORD},}}", lambda word: cut(word[0], LONGEST_WORD), text)
    line = printable(words)
    if len(line) <= LONGEST_LINE:
        return line
    end = LONGEST_LINE // 2 - 3
    return f"{line[:end]} ... {line[-end:]}"


def say(text: str = "") -> None:
    """Print one line, at once. Whatever is in it, it stays one line and leaves the terminal as it was."""
    print(one_line(text), flush=True)


def say_aside(text: str) -> None:
    """Print one line to standard error, where it disturbs no program that reads what is printed."""
    print(one_line(text), file=sys.stderr, flush=True)


def say_each(lines: Iterable[str]) -> None:
    """Print lines one by one."""
    for line in lines:
        say(line)


def number(value: float | None, form: str = ".3f", commas_from: float = 1000) -> str:
    """A number as people read it; a large one has commas and no decimals.

    Parameters
    ----------
    value : float or None
        None and nan become "-".
    form : str
        How a smaller one is written. ".3f" suits scores that stand below one another, ".3g" numbers of any size.
    commas_from : float
        What is large. Values of a table may be years, which have no comma.
    """
    if value is None or value != value:
        return "-"
    if abs(value) >= 1e15:  # more digits than a float64 holds
        return f"{value:.3g}"
    text = f"{value:,.0f}" if abs(value) >= commas_from else f"{value:{form}}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


# Of any size in three digits: 71,708 or 0.897 or 0.00012.
short = partial(number, form=".3g")


def duration(seconds: float) -> str:
    """A length of time in its two largest units: "12 s", "3 min 5 s", "2 h 10 min"."""
    whole = round(seconds)
    minutes, left = divmod(whole, 60)
    if not minutes:
        return f"{whole} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s"


def cell_text(value: object) -> str:
    """One value of a table as people read it: no nan, no Timestamp('...'), no np.int64(1)."""
    if not isinstance(value, str) and str(value) in ("None", "nan", "NaT", "<NA>"):
        return MISSING
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    text = str(value)
    return text if isinstance(value, str) else text.removesuffix(" 00:00:00")  # a day's midnight


def quoted(value: object) -> str:
    """A table's value in a sentence, between quotation marks and not too long."""
    return f'"{cut(cell_text(value), LONGEST_VALUE)}"'


def setting_text(value: object) -> str:
    """A value of capstone.toml, or of a student's function, as JSON and TOML write it: "adam", true, [64, 32]."""
    try:
        return cut(json.dumps(value, ensure_ascii=False, default=str), 4 * LONGEST_VALUE)
    except (TypeError, ValueError, RecursionError):
        # A number of thousands of digits, lists in lists in lists, a dictionary of what is no text.
        return f"a {type(value).__name__} that can't be shown"


def count(number: int, thing: str) -> str:
    """How many there are of something whose plural ends in s: "1 epoch", "1,200 rows"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def verdict_sentence(metrics: dict[str, Any], subject: str = MODELS["model"]) -> str:
    """Whether the network beats each baseline, in words."""
    beats = metrics["beats"]
    verdicts = [
        f"{words} {' and '.join(MODELS[name] for name, how in beats.items() if how == verdict)}"
        for verdict, words in VERDICTS.items()
        if verdict in beats.values()
    ]
    return f"By {metrics['primary_metric']}, {subject} is {', '.join(verdicts)}."
