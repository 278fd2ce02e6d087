"""What came of one project, in a form that can be sent, kept and shown."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

CURRENT, NEWER, CLEAN, CONFLICT = "current", "newer", "clean", "conflict"
REFUSED, ERROR = "refused", "error"
# The states as people read them: those that need a person come first.
WORDS = {
    CONFLICT: "needs attention",
    REFUSED: "refused",
    ERROR: "error",
    CLEAN: "will merge cleanly",
    NEWER: "on a newer release",
    CURRENT: "up to date",
    "exists": "already there",
    "no update": "not updated yet",
    "nothing to do": "without a branch",
}
RANK = {state: place for place, state in enumerate(WORDS)}
MERGED = "merged cleanly"
SEVERAL = {"needs attention": "need attention", "error": "errors"}


def word_for(state: str, written: bool = False) -> str:
    """A state as people read it. `written`: the branch with the update is there."""
    return MERGED if state == CLEAN and written else WORDS.get(state, state)


def count_of_word(number: int, word: str) -> str:
    """Students in a state: "1 needs attention", "2 need attention"."""
    return f"{number:,} {word if number == 1 else SEVERAL.get(word, word)}"


NOTHING: dict[str, Any] = {"changes": {}, "conflicts": [], "notes": [], "diffs": {}}


@dataclass(slots=True)  # there are thousands of them
class Outcome:
    """One project after a command."""

    student: str
    state: str
    now: str = ""
    to: str = ""
    head: str = ""
    branch: str = ""
    commit: str = ""
    before: str | None = None  # the branch's commit before, if it was there
    wrote: bool = False
    pushed: bool = False
    message: str = ""  # why not
    text: str = ""  # for the pull request
    changes: dict[str, str] = field(default_factory=dict)
    conflicts: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    diffs: dict[str, str] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """The state as people read it."""
        return word_for(self.state, written=bool(self.commit))

    def compact(self) -> None:
        """Thousands have the same paths and words: one text each, not one per student."""
        for name in ("now", "to", "branch", "state", "text"):
            setattr(self, name, sys.intern(getattr(self, name)))
        for name in ("changes", "diffs"):
            texts = getattr(self, name).items()
            setattr(self, name, {sys.intern(path): sys.intern(what) for path, what in texts})

    def without_empty(self) -> Outcome:
        """The same, to be kept and read: what is empty is one object for all of them."""
        for name, nothing in NOTHING.items():
            if not getattr(self, name):
                setattr(self, name, nothing)
        return self

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """0: all done; 2: some conflicts; 3: some errors; 4: something was refused for safety."""
    outcomes = list(outcomes)
    states = Counter(outcome.state for outcome in outcomes)
    if states[REFUSED]:
        return 4
    if states[ERROR]:
        return 3
    return 2 if any(outcome.conflicts for outcome in outcomes) else 0
