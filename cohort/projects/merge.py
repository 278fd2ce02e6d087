"""Bring together, path by path, what the template changed and what the student changed.

base: what the old release rendered; theirs: what the new one renders; ours: what the student committed.
Most paths are settled by comparing names of blobs. The rest goes to `git merge-tree`, which merges lines and
follows renames, on small trees that hold only these paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cohort.errors import RefusedError
from cohort.git import process
from cohort.git.objects import EXECUTABLE, LARGEST_BLOB, Objects, blob_id
from cohort.git.objects import FILE as PLAIN
from cohort.git.writing import File, write_commit, write_files

LARGEST_MOVED = 1 << 20  # a larger file is not looked at when a renamed one is searched
MOST_MOVED = 2_000


@dataclass(frozen=True)
class Conflict:
    """Something that a person has to do, for the student's side was kept. `marked`: with both sides."""

    path: str
    what: str
    marked: File | None = None


@dataclass
class Merged:
    """What an update changes, what it leaves to a person, and what is worth a word."""

    changes: dict[str, File | None] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sides:
    """The three sides of the paths that can differ; None or absent: no such file."""

    base: Mapping[str, File]
    theirs: Mapping[str, File]
    ours: Mapping[str, tuple[str, str]]  # (mode, name of the blob)


@dataclass(frozen=True)
class Place:
    """Where a merge works: a repository of ours, and its objects."""

    home: Path
    scratch: Path
    objects: Objects


def merge(sides: Sides, objects: Objects, tree: str, place: Place, known: set[str]) -> Merged:
    """Merge. `tree`: the student's; `known`: every path of the old rendering, changed or not."""
    merged = Merged()
    hard: list[str] = []
    for path in sorted(sides.base.keys() | sides.theirs.keys()):
        base, theirs, ours = sides.base.get(path), sides.theirs.get(path), sides.ours.get(path)
        if ours is not None and ours[0] not in (PLAIN, EXECUTABLE):
            raise RefusedError(
                f"{path} is a link or a repository in the project; a plain file was expected."
            )
        if _same(base, theirs) or _is(ours, theirs):
            continue
        if _is(ours, base):
            merged.changes[path] = theirs
        else:
            hard.append(path)
    if hard:
        _merge_hard(hard, sides, objects, tree, place, known, merged)
    return merged


def _same(one: File | None, other: File | None) -> bool:
    return one == other


def _is(ours: tuple[str, str] | None, file: File | None) -> bool:
    if ours is None or file is None:
        return ours is None and file is None
    return ours == (file.mode, blob_id(file.content))


def _merge_hard(
    hard: list[str],
    sides: Sides,
    objects: Objects,
    tree: str,
    place: Place,
    known: set[str],
    merged: Merged,
) -> None:
    """Give `git merge-tree` the paths that both changed, with what may be their new names."""
    base = {path: sides.base[path] for path in hard if path in sides.base}
    theirs = {path: sides.theirs[path] for path in hard if path in sides.theirs}
    if any(path not in theirs for path in hard):  # the template removed a file, or renamed it
        new = [p for p in merged.changes if p not in sides.base and p not in sides.ours]
        theirs |= {path: sides.theirs[path] for path in new}
        for path in new:
            del merged.changes[path]
    ours = {path: sides.ours[path] for path in hard if path in sides.ours}
    if any(path not in ours for path in hard):  # the student removed a file, or renamed it
        ours |= _candidates(objects, tree, known | sides.theirs.keys())
    mine = {path: _load(objects, entry) for path, entry in ours.items()}
    windows = {
        path
        for path in base.keys() & theirs.keys() & mine.keys()
        if _crlf_only(mine[path], base[path])
    }
    for path in windows:
        mine[path] = replace(mine[path], content=mine[path].content.replace(b"\r\n", b"\n"))

    result, conflicted = _merge_trees(base, mine, theirs, place)
    for path in windows & result.keys():
        result[path] = replace(result[path], content=result[path].content.replace(b"\n", b"\r\n"))
        if path in ours and result[path] == _load(objects, ours[path]):
            result.pop(path)
            ours.pop(path)
    for path in sorted(conflicted):
        _settle_conflict(path, base, theirs, ours, mine, result, merged)
    for path in sorted(result.keys() | ours.keys()):
        if path not in conflicted and not _is(ours.get(path), result.get(path)):
            merged.changes[path] = result.get(path)
            if path in mine and path not in result:
                merged.notes.append(f"{path} was moved, with your lines, as in the template")


def _settle_conflict(
    path: str,
    base: Mapping[str, File],
    theirs: Mapping[str, File],
    ours: Mapping[str, tuple[str, str]],
    mine: Mapping[str, File],
    result: Mapping[str, File],
    merged: Merged,
) -> None:
    """Keep the student's side, and say what is left to do."""
    if path not in ours and path in base:
        merged.notes.append(f"{path} stays deleted, though the template has a newer one")
    elif path not in theirs:
        what = "the template no longer has this file; yours is kept. Delete it, or go on without updates"
        merged.conflicts.append(Conflict(path, what))
    elif path not in ours:
        merged.changes[path] = theirs[path]
    elif path not in base:
        what = "the template now has a file of this name too; yours is kept"
        merged.conflicts.append(Conflict(path, what, result.get(path)))
    else:
        what = "you and the template changed the same lines; yours are kept"
        merged.conflicts.append(Conflict(path, what, result.get(path)))


def _crlf_only(mine: File, base: File) -> bool:
    """Does the student's file end its lines as Windows does, where the template's does not?"""
    content = mine.content
    return (
        b"\r\n" not in base.content
        and b"\r\n" in content
        and content.count(b"\n") == content.count(b"\r\n")
        and b"\0" not in content
    )


def _candidates(objects: Objects, tree: str, known: set[str]) -> dict[str, tuple[str, str]]:
    """The student's own files that may be a renamed file of the template."""
    files = {
        path: entry
        for path, entry in objects.walk(tree).items()
        if path not in known and entry[0] in (PLAIN, EXECUTABLE)
    }
    small = {
        path: entry for path, entry in files.items() if objects.size(entry[1]) <= LARGEST_MOVED
    }
    return dict(sorted(small.items())[:MOST_MOVED])


def _load(objects: Objects, entry: tuple[str, str]) -> File:
    return File(entry[0], objects.read(entry[1], "blob", LARGEST_BLOB))


def _merge_trees(
    base: Mapping[str, File], ours: Mapping[str, File], theirs: Mapping[str, File], place: Place
) -> tuple[dict[str, File], set[str]]:
    """The merged files, and the paths in conflict."""
    folder = place.scratch
    root = write_commit(folder, write_files(folder, base.items()))
    sides = [
        write_commit(folder, write_files(folder, side.items()), root) for side in (ours, theirs)
    ]
    command = ("merge-tree", "--write-tree", "-z", "--name-only", *sides)
    printed = process.run(place.home, *command, git_dir=folder, codes=(0, 1))
    told = printed.split(b"\0\0", 1)[0].decode("utf-8", "surrogateescape").split("\0")
    files = place.objects.walk(told[0])
    return {path: _load(place.objects, entry) for path, entry in files.items()}, set(told[1:]) - {
        ""
    }
