"""Merge line endings as one separate property of a file: they don't count as changed lines."""

from __future__ import annotations

from typing import TypeVar

from cohort.git.merging import Three

T = TypeVar("T")
UNIX, WINDOWS = b"\n", b"\r\n"


def three_way(base: T, ours: T, theirs: T) -> T:
    """Return the value of the side that changed; the student's if both did."""
    return theirs if ours == base else ours


def line_end(content: bytes) -> bytes | None:
    """Return the line ending; None if a text mixes both or has no lines."""
    if b"\0" in content:
        return None
    windows = content.count(WINDOWS)
    if not windows:
        return UNIX
    return WINDOWS if windows == content.count(UNIX) else None


def with_unix_ends(three: Three) -> tuple[Three, bytes]:
    """Return the three texts with Unix line endings, and the endings for the merged text.

    Where one of them mixes both, or all have the same, nothing is changed.
    """
    theirs = line_end(three.theirs)
    base = theirs if three.base is None else line_end(three.base)
    ends = (base, line_end(three.ours), theirs)
    if len(set(ends)) == 1:
        return three, UNIX
    base, ours, theirs = ends
    if base is None or ours is None or theirs is None:
        return three, UNIX
    return Three(
        None if three.base is None else three.base.replace(WINDOWS, UNIX),
        three.ours.replace(WINDOWS, UNIX),
        three.theirs.replace(WINDOWS, UNIX),
    ), three_way(base, ours, theirs)


def with_ends(content: bytes, end: bytes) -> bytes:
    """Give a text from `with_unix_ends` these line endings."""
    return content if end == UNIX else content.replace(UNIX, end)
