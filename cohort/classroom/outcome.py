"""What came of one project, in a form that can be sent, kept and shown."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

CURRENT, NEWER, CLEAN, CONFLICT = "current", "newer", "clean", "conflict"
REFUSED, ERROR = "refused", "error"
WORDS = {
    CURRENT: "up to date",
    NEWER: "newer",
    CLEAN: "merges by itself",
    CONFLICT: "conflict",
    REFUSED: "refused",
    ERROR: "error",
}


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
