"""The outcome for one project, in a form that can be sent, stored and shown."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

CURRENT, NEWER, CLEAN, CONFLICT = "current", "newer", "clean", "conflict"
REFUSED, ERROR = "refused", "error"
OPEN, MERGED, CLOSED, MISSING = "open", "merged", "closed", "missing"
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
MERGED_CLEANLY = "merged cleanly"
SEVERAL = {"needs attention": "need attention", "error": "errors"}


def word_for(state: str, written: bool = False) -> str:
    """Return a state in words. `written`: the branch with the update exists."""
    return MERGED_CLEANLY if state == CLEAN and written else WORDS.get(state, state)


def count_of_word(number: int, word: str) -> str:
    """Students in a state: "1 needs attention", "2 need attention"."""
    return f"{number:,} {word if number == 1 else SEVERAL.get(word, word)}"


NOTHING: dict[str, object] = {"changes": {}, "conflicts": [], "notes": [], "diffs": {}}


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request or merge request; `missing`: it could not be opened or looked up yet."""

    state: str
    url: str = ""
    number: int = 0
    why: str = ""  # it is missing, or its state is not the newest

    def __str__(self) -> str:
        return f"pull request {self.state}" + "".join(
            f": {text}" for text in (self.url, self.why) if text
        )


@dataclass(slots=True)  # there are thousands of them
class Outcome:
    """The result of a command for one project."""

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
    pull_request: PullRequest | None = None
    same_as: str = ""  # the student of the same team whose row stands for this repository

    @property
    def word(self) -> str:
        """The state in words."""
        return word_for(self.state, written=bool(self.commit))

    def compact(self) -> None:
        """Share equal strings: thousands of outcomes have the same paths and words."""
        for name in ("now", "to", "branch", "state", "text"):
            setattr(self, name, sys.intern(getattr(self, name)))
        for name in ("changes", "diffs"):
            texts = getattr(self, name).items()
            setattr(self, name, {sys.intern(path): sys.intern(what) for path, what in texts})

    def without_empty(self) -> Outcome:
        """Share empty collections, to save memory; the outcome is read-only from then on."""
        for name, nothing in NOTHING.items():
            if not getattr(self, name):
                setattr(self, name, nothing)
        return self

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """Restore what `as_dict` made, from the ledger's JSON."""
        about = json.loads(text)
        request = about.pop("pull_request", None)
        return cls(**about, pull_request=PullRequest(**request) if request else None)


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """0: all done; 2: some conflicts; 3: some errors, or pull requests missing; 4: something was refused for safety."""
    outcomes = list(outcomes)
    states = Counter(outcome.state for outcome in outcomes)
    if states[REFUSED]:
        return 4
    if states[ERROR] or any(
        one.pull_request is not None and one.pull_request.state == MISSING for one in outcomes
    ):
        return 3
    return 2 if any(outcome.conflicts for outcome in outcomes) else 0
