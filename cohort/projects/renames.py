"""Find the files that either side renamed, to match the three versions of each file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from cohort.git.merging import Place, find_similar
from cohort.git.objects import EXECUTABLE, FILE, blob_id
from cohort.git.writing import File
from cohort.projects.sides import Sides

LARGEST_MOVED = 1 << 20  # a larger file is not looked at when a renamed one is searched
MOST_MOVED = 2_000
EMPTY = blob_id(b"")  # says nothing of where a file went


@dataclass(frozen=True)
class Trio:
    """One file through the three sides: its path on each, None where there is no such file."""

    base: str | None
    ours: str | None
    theirs: str | None


def match(paths: Sequence[str], sides: Sides, place: Place) -> list[Trio]:
    """Match files of the three sides that don't have the same name."""
    before = [path for path in paths if path in sides.base]
    removed = [path for path in before if path not in sides.theirs]
    deleted = [path for path in before if sides.ours.entry(path) is None]
    new_in_theirs = _template_renames(removed, sides, place)
    new_in_ours = _student_renames(deleted, sides, place)
    for path, new in list(new_in_ours.items()):
        # The template has given this name to another file: then it is one that both added.
        if new in sides.theirs and new_in_theirs.get(path) != new:
            del new_in_ours[path]
    trios = []
    for path in before:
        ours = new_in_ours.get(path) if path in deleted else path
        theirs = new_in_theirs.get(path) if path in removed else path
        trios.append(Trio(path, ours, theirs))
    matched = {trio.theirs for trio in trios}
    added = [path for path in paths if path not in sides.base and path not in matched]
    return trios + [Trio(None, path, path) for path in added]


def _template_renames(wanted: Sequence[str], sides: Sides, place: Place) -> dict[str, str]:
    """The new paths of files that the template no longer has under their old ones."""
    if not wanted:
        return {}
    # All that it removed is looked at, so that no new file is given to two old ones.
    gone = {path: sides.base[path] for path in sides.paths if path in sides.base}
    gone = {path: file for path, file in gone.items() if path not in sides.theirs}
    new = {path: sides.theirs[path] for path in sides.paths if path in sides.theirs}
    new = {path: file for path, file in new.items() if path not in sides.base}
    exact = _exact(_names(gone), _names(new))
    if set(wanted) <= exact.keys():
        return exact
    taken = set(exact.values())
    return exact | find_similar(
        place,
        {path: file for path, file in gone.items() if path not in exact},
        {path: file for path, file in new.items() if path not in taken},
    )


def _student_renames(wanted: Sequence[str], sides: Sides, place: Place) -> dict[str, str]:
    """The new paths of files of the template that the student has no longer under their old ones."""
    if not wanted:
        return {}
    gone = {path: file for path, file in sides.base.items() if path not in sides.ours.all}
    new = {
        path: name
        for path, (mode, name) in sides.ours.all.items()
        if path not in sides.base and mode in (FILE, EXECUTABLE) and not sides.is_own(path)
    }
    exact = _exact(_names(gone), new)
    if set(wanted) <= exact.keys():
        return exact
    taken = set(exact.values())
    rest = [path for path in sorted(new) if path not in taken]
    rest = [path for path in rest if sides.ours.size(path) <= LARGEST_MOVED][:MOST_MOVED]
    return exact | find_similar(
        place,
        {path: file for path, file in gone.items() if path not in exact},
        {path: sides.ours.load(path) for path in rest},
    )


def _names(files: Mapping[str, File]) -> dict[str, str]:
    return {path: blob_id(file.content) for path, file in files.items()}


def _exact(gone: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """Pair files of the same content (path to the blob's name), each once; first those whose paths end alike."""
    places = defaultdict(list)
    for path, name in new.items():
        places[name].append(path)
    pairs = [(old, path) for old, name in gone.items() if name != EMPTY for path in places[name]]
    found: dict[str, str] = {}
    taken: set[str] = set()
    for old, path in sorted(pairs, key=lambda pair: (-_shared_ending(pair), pair)):
        if old not in found and path not in taken:
            found[old] = path
            taken.add(path)
    return found


def _shared_ending(paths: Iterable[str]) -> int:
    """Count the last parts that two paths have in common."""
    one, other = (reversed(PurePosixPath(path).parts) for path in paths)
    shared = 0
    for mine, yours in zip(one, other, strict=False):
        if mine != yours:
            break
        shared += 1
    return shared
