"""Read the result of `capstone check --json` that a project's CI stored: untrusted text.

The CI puts it into the repository as a git note on the commit that it checked (`refs/notes/capstone/check`).
So it is read with git alone, from any server. A student can write such a note by hand: it says where to look,
and proves nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cohort.errors import CohortError, RefusedError
from cohort.git.objects import EXECUTABLE, FILE, FOLDER, Objects
from cohort.text import visible_text

LARGEST = 256 << 10
MOST = 100  # rules
LONGEST = 300  # characters of a sentence
NAME = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Result:
    """The open rules, and whether the newest commit was checked."""

    open: list[str] = field(default_factory=list)
    current: bool = True


def parse(content: bytes) -> list[str]:
    """Return the open rules, each as "rule: message". Raises CohortError for anything but a result."""
    if len(content) > LARGEST:
        raise RefusedError(f"its check result has {len(content):,} bytes; allowed: {LARGEST:,}.")
    try:
        rules = json.loads(content.decode("utf-8"))["rules"]
        if len(rules) > MOST:
            raise ValueError
        return [_line(rule) for rule in rules if rule["state"] == "open"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CohortError("its result of `capstone check --json` can't be read.") from None


def _line(rule: Mapping[str, object]) -> str:
    """Return one line without characters that control a terminal or the direction of text."""
    return visible_text(f"{str(rule['rule'])[:LONGEST]}: {str(rule['said'])[:LONGEST]}")


def read_note(objects: Objects, notes: str | None, head: str) -> Result | None:
    """Return the result for the newest commit, or else the only one there is; None without any."""
    if notes is None:
        return None
    tree = objects.commit_tree(notes)
    found, current = _note_on(objects, tree, head), True
    if found is None:
        others = [one for name, one in objects.tree(tree).items() if NAME.fullmatch(name)]
        found, current = (others[0] if len(others) == 1 else None), False
    if found is None:
        return None
    if found[0] not in (FILE, EXECUTABLE):
        raise RefusedError("its check result is not a plain file.")
    return Result(parse(objects.read(found[1], "blob", LARGEST)), current)


def _note_on(objects: Objects, tree: str, commit: str) -> tuple[str, str] | None:
    """Find the note on a commit. If there are many notes, git puts them into folders: ab/cdef..., or ab/cd/ef..."""
    while commit:
        entries = objects.tree(tree)
        if commit in entries:
            return entries[commit]
        mode, tree = entries.get(commit[:2], ("", ""))
        if mode != FOLDER:
            return None
        commit = commit[2:]
    return None
