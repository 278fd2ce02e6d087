"""What becomes of a rule: it is done, or raises one of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MARKS = {"done": "✓", "open": "✗", "aside": "–"}
PLAIN_MARKS = {"done": "+", "open": "x", "aside": "-"}  # for consoles that know no others


class Open(Exception):
    """Something is still to be done.

    Parameters
    ----------
    message : str
        What is so.
    remedy : str
        What to do.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


class Harm(Open):
    """What must never be, at any time: it fails `capstone check` without --final too."""


class Skip(Exception):
    """Why a rule does not apply here."""


@dataclass(frozen=True)
class Outcome:
    """What one rule found.

    Parameters
    ----------
    rule : str
        Its name.
    state : str
        "done", "open", or "aside" for a rule that does not apply or is switched off.
    message : str
        What is so.
    remedy : str
        What to do, where something is open.
    harm : bool
        Whether it must never be: then it fails a check that is not the final one too.
    """

    rule: str
    state: Literal["done", "open", "aside"]
    message: str
    remedy: str = ""
    harm: bool = False

    def line(self, encoding: str | None) -> str:
        """For people: `✗ card: 3 questions are open -> answer them`."""
        try:
            "".join(MARKS.values()).encode(encoding or "ascii")
            mark = MARKS[self.state]
        except (UnicodeEncodeError, LookupError):
            mark = PLAIN_MARKS[self.state]
        arrow = f" -> {self.remedy}" if self.remedy else ""
        return f"{mark} {self.rule}: {self.message}{arrow}"

    def as_json(self) -> dict[str, str | bool]:
        """For programs, such as `cohort`."""
        return {
            "rule": self.rule,
            "state": self.state,
            "said": self.message,
            "to_do": self.remedy,
            "harm": self.harm,
        }
