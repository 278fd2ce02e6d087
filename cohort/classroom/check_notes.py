"""What `capstone check --json` said, as a project's CI left it: a text from a stranger.

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
    """The rules that are open, and whether it is the newest commit that was checked."""

    open: list[str] = field(default_factory=list)
    current: bool = True


def parse(content: bytes) -> list[str]:
    """The open rules, each as "rule: what was said". Raises CohortError for anything but a result."""
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
    """One line without anything that could steer a terminal or turn the direction of a text."""
    return visible_text(f"{str(rule['rule'])[:LONGEST]}: {str(rule['said'])[:LONGEST]}")


def read_note(objects: Objects, notes: str | None, head: str) -> Result | None:
    """The result on the newest commit, else the only one that there is; None when there is none."""
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
    """The note on a commit. With many notes git puts them into folders: ab/cdef..., or ab/cd/ef..."""
    while commit:
        entries = objects.tree(tree)
        if commit in entries:
            return entries[commit]
        mode, tree = entries.get(commit[:2], ("", ""))
        if mode != FOLDER:
            return None
        commit = commit[2:]
    return None
