"""What the plan, the commit and the pull request say of a merge: to an instructor, true before and after it.

Each says what was kept and what is left to do, and none advises against keeping a student's work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cohort.git.objects import EXECUTABLE
from cohort.git.writing import File
from cohort.projects.renames import Trio

MOST_NAMED = 5  # of files that are left out for the same reason
RENAME_IT = "Rename the student's, then run `cohort update` again"


def done(base: File, ours: File) -> str:
    """What the student did to a file."""
    if base.content != ours.content:
        return "changed"
    if base.mode != ours.mode:
        return f"made {_mode(ours)}"
    return "renamed"


def _mode(file: File) -> str:
    return "executable" if file.mode == EXECUTABLE else "not executable"


@dataclass(frozen=True)
class Both:
    """Both sides changed a file: how, what is kept, and what is left to do."""

    changed: str
    kept: str
    to_do: str


SAME_LINES = "the student and the template changed the same lines"
LINES = Both(
    SAME_LINES,
    "the student's side is kept",
    "Add the template's side (`cohort update --markers` shows both)",
)
MARKED = Both(
    SAME_LINES,
    "both sides are in the file, between markers",
    "Decide which is right, and delete the markers",
)
NO_TEXT = Both(
    "the student and the template both changed this file, which is not text and can't be merged",
    "the student's side is kept",
    "Decide which of the two the project needs",
)


def both_changed(trio: Trio, how: Both) -> str:
    """Both sides changed the same file, under one name or more."""
    what = how.changed
    if trio.base is None:
        what = "the template now has a file of this name too"
    elif trio.base != trio.theirs and trio.base != trio.ours:
        what = f"the student and the template both renamed {trio.base} to this name; {what}"
    elif trio.base != trio.ours:
        what = f"the student renamed {trio.base} to this name; {what}"
    elif trio.base != trio.theirs:
        what = f"the template renamed {trio.base} to this name; {what}"
    return f"{what}; {how.kept}. {how.to_do}"


def removed(base: str, path: str, student: str) -> str:
    """The template has the file no longer, and the student's is kept."""
    if base == path:
        what = f"the template no longer has this file, which the student {student}"
    else:
        and_changed = " and changed" if student == "changed" else ""
        what = f"the template no longer has {base}, which the student renamed to this name{and_changed}"
    return f"{what}; the student's file is kept. Check whether the project still needs it"


def renamed_apart(base: str, theirs: str) -> str:
    """Each side gave the file another name."""
    what = f"the student renamed {base} to this name, the template to {theirs}; both are kept"
    return f"{what}, with the student's changes in this one. Merge the two into one file"


def cannot_follow(new: str, in_the_way: str, renamed_from: str | None, path: str) -> str:
    """The template renamed the student's file to a path at which something of the student's is."""
    old = "this file" if renamed_from == path else f"{renamed_from}, now this file,"
    blocker = "it" if in_the_way == path else f"the student's {in_the_way}"
    what = f"the template renamed {old} to {new}, and {blocker} is in the way"
    return f"{what}; the student's file is kept and the template's {new} is left out. {RENAME_IT}"


def no_room(paths: Sequence[str], in_the_way: str) -> str:
    """New files of the template that are left out, for a file of the student's is in the way."""
    first, names = paths[0], ", ".join(paths[:MOST_NAMED])
    names += f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    if first.startswith(f"{in_the_way}/"):
        what = f"the template now has a folder of this name, with {names}"
    elif in_the_way.startswith(f"{first}/"):
        what = f"the template now has a file {first}, where the student has a folder"
    else:
        same = "/".join(in_the_way.split("/")[: len(first.split("/"))])
        what = f"the template now has {names}, which Windows and macOS can't tell apart from {same}"
    return f"{what}; the student's file is kept and the template's is left out. {RENAME_IT}"


def stays_deleted(path: str) -> str:
    return f"{path} stays deleted, although the template changed it"


def comes_renamed(base: str, theirs: str) -> str:
    return (
        f"{theirs} is added: the student deleted {base}, and the template renamed it to this name"
    )


def moved(before: str, after: str) -> str:
    return f"{before} is moved to {after}, as in the template, with the student's changes"


def follows_student(base: str, path: str) -> str:
    return f"{path} gets the template's changes to {base}, which the student renamed to this name"


def other_mode(path: str, theirs: File) -> str:
    return f"{path} keeps the student's mode; the template's is {_mode(theirs)}"
