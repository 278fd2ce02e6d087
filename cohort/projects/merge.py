"""Merge the template's and the student's changes, path by path.

Most paths are settled by comparing names of blobs. For the others, it is first found out which three files belong
together (`renames`), then where the merged file lies, and only then are its lines merged. In a conflict the student's
file stays whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cohort.git.merging import Place, Text, Three, merge_texts
from cohort.git.objects import blob_id
from cohort.git.writing import Changes, File
from cohort.projects import conflict_words as words
from cohort.projects.line_ends import three_way, with_ends, with_unix_ends
from cohort.projects.renames import Trio, match
from cohort.projects.sides import Entry, Sides


@dataclass(frozen=True)
class Marked:
    """The file of a conflict with both sides between markers, and the sentence about it."""

    file: File
    what: str


@dataclass(frozen=True)
class Conflict:
    """Something left for a person to do, because the student's side was kept."""

    path: str
    what: str
    marked: Marked | None = None

    def also(self, what: str, marked: Marked | None) -> Conflict:
        """Combine this conflict with another one of the same file."""
        if self.marked is not None:
            marked = Marked(self.marked.file, f"{self.marked.what}. Also, {what}")
        elif marked is not None:
            marked = Marked(marked.file, f"{self.what}. Also, {marked.what}")
        return Conflict(self.path, f"{self.what}. Also, {what}", marked)


@dataclass
class Merged:
    """The changes of an update, the conflicts for a person to solve, and notes."""

    changes: dict[str, File | None] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def conflict(self, path: str, what: str, marked: Marked | None = None) -> None:
        """Add a conflict, or combine it with the one that the file already has."""
        for number, one in enumerate(self.conflicts):
            if one.path == path:
                self.conflicts[number] = one.also(what, marked)
                return
        self.conflicts.append(Conflict(path, what, marked))


def merge(sides: Sides, place: Place, settled: Changes | None = None) -> Merged:
    """Merge the template's changes into the student's files. `settled`: those that need no merge, and make room."""
    merged = Merged(dict(settled or {}))
    hard = _settle_by_name(sides, merged)
    trios = match(hard, sides, place) if hard else []
    for trio in trios:
        if trio.theirs is not None and trio.ours is not None:
            merged.changes.pop(trio.theirs, None)  # no new file, but an old one under a new name
    blocked = _find_blocked(trios, sides, merged)
    to_merge = []
    for trio in trios:
        if trio.ours is None:
            _note_deleted(trio, blocked, merged)
        elif trio.theirs is None:
            _settle_removed(trio, sides, merged)
        elif _renamed_apart(trio):
            _keep_both(trio, sides, blocked, merged)
        elif trio.theirs not in blocked:
            to_merge.append(trio)
    _merge_texts(to_merge, sides, place, merged)
    _name_blocked(trios, blocked, merged)
    merged.conflicts.sort(key=lambda one: one.path)
    return merged


def _settle_by_name(sides: Sides, merged: Merged) -> list[str]:
    """Settle what only one side changed; returns the other paths."""
    hard = []
    for path in sides.paths:
        base, theirs, ours = sides.base.get(path), sides.theirs.get(path), sides.ours.entry(path)
        if base == theirs or _is(ours, theirs):
            continue
        new = base is None and ours is None
        if new or _is(ours, base):
            merged.changes[path] = theirs
        else:
            hard.append(path)
    return hard


def _is(ours: Entry | None, file: File | None) -> bool:
    return file is not None and ours == (file.mode, blob_id(file.content))


def _renamed_apart(trio: Trio) -> bool:
    """Tell whether the two sides gave the file different names."""
    return trio.base not in (trio.ours, trio.theirs) and trio.ours != trio.theirs


def _follows(trio: Trio) -> bool:
    """Tell whether the student's file moves to its new place in the template."""
    return trio.base == trio.ours != trio.theirs and None not in (trio.ours, trio.theirs)


def _find_blocked(trios: Iterable[Trio], sides: Sides, merged: Merged) -> dict[str, str]:
    """Find the template's new paths that are blocked by a student's file, each with that file.

    A file of the student's that can't move to such a path stays, and may be in the way of others. One that the
    template has too is in the way of none: what fits into the template fits here.
    """
    new = {path for path, file in merged.changes.items() if file is not None}
    new |= {one.theirs for one in trios if one.theirs and (_follows(one) or _renamed_apart(one))}
    new = {path for path in new if path in sides.theirs and path not in sides.base}
    leaving = {path for path, file in merged.changes.items() if file is None} | set(sides.theirs)
    leaving |= {
        one.ours for one in trios if one.ours and one.theirs is None and _is_same(one, sides)
    }
    moving = {one.theirs: one.ours for one in trios if one.theirs and one.ours and _follows(one)}
    blocked: dict[str, str] = {}
    while True:
        gone = leaving | {ours for theirs, ours in moving.items() if theirs not in blocked}
        found = {path: sides.ours.in_the_way(path, gone - {path}) for path in new - blocked.keys()}
        more = {path: file for path, file in found.items() if file is not None}
        if not more:
            break
        blocked |= more
    for path in blocked:
        merged.changes.pop(path, None)
    return blocked


def _is_same(trio: Trio, sides: Sides) -> bool:
    """Tell whether the student changed nothing but line endings."""
    if trio.ours is None or trio.base != trio.ours:
        return False
    base, ours = sides.base[trio.base], sides.ours.load(trio.ours)
    three, _ = with_unix_ends(Three(base.content, ours.content, base.content))
    return three.ours == three.base and ours.mode == base.mode


def _note_deleted(trio: Trio, blocked: dict[str, str], merged: Merged) -> None:
    """Note that a file that the student deleted stays deleted."""
    assert trio.base is not None
    if trio.theirs == trio.base:
        merged.notes.append(words.stays_deleted(trio.base))
    elif trio.theirs is not None and trio.theirs not in blocked:
        merged.notes.append(words.comes_renamed(trio.base, trio.theirs))


def _settle_removed(trio: Trio, sides: Sides, merged: Merged) -> None:
    """Settle a file that the template no longer has: it stays if the student worked on it."""
    assert trio.base is not None and trio.ours is not None
    if _is_same(trio, sides):
        merged.changes[trio.ours] = None
        return
    base, ours = sides.base[trio.base], sides.ours.load(trio.ours)
    what = words.removed(trio.base, trio.ours, words.done(base, ours))
    merged.conflict(trio.ours, what)


def _keep_both(trio: Trio, sides: Sides, blocked: dict[str, str], merged: Merged) -> None:
    """Keep both files if each side gave the file another name, and if there is room."""
    assert trio.base is not None and trio.ours is not None and trio.theirs is not None
    if trio.theirs in blocked:
        return
    merged.changes[trio.theirs] = sides.theirs[trio.theirs]
    merged.conflict(trio.ours, words.renamed_apart(trio.base, trio.theirs))


def _name_blocked(trios: Iterable[Trio], blocked: dict[str, str], merged: Merged) -> None:
    """Report which files of the template are left out, and why."""
    waiting = dict(blocked)
    for trio in trios:
        if trio.theirs in waiting and trio.ours is not None:
            in_the_way = waiting.pop(trio.theirs)
            what = words.cannot_follow(
                trio.theirs, in_the_way, renamed_from=trio.base, path=trio.ours
            )
            merged.conflict(trio.ours, what)
    by_file: dict[str, list[str]] = {}
    for path, in_the_way in sorted(waiting.items()):
        by_file.setdefault(in_the_way, []).append(path)
    for in_the_way, paths in by_file.items():
        merged.conflict(in_the_way, words.no_room(paths, in_the_way))


# ---- Lines --------------------------------------------------------------------------------------------


def _merge_texts(trios: Iterable[Trio], sides: Sides, place: Place, merged: Merged) -> None:
    """Merge the files that both sides have, all at once."""
    works = [_Work(trio, sides) for trio in trios]
    hard = [one for one in works if one.easy is None]
    label = f"template {sides.release}"
    texts = merge_texts(place, [one.three for one in hard], "student", label)
    by_git = dict(zip(map(id, hard), texts, strict=True))
    for one in works:
        one.settle(one.easy or by_git[id(one)], merged)


class _Work:
    """One file that both sides have: its texts with equal line endings, and the parts merged without git."""

    def __init__(self, trio: Trio, sides: Sides) -> None:
        assert trio.ours is not None and trio.theirs is not None
        self.trio, self.before = trio, trio.ours
        self.base = sides.base[trio.base] if trio.base is not None else None
        self.ours, self.theirs = sides.ours.load(trio.ours), sides.theirs[trio.theirs]
        raw = Three(
            self.base.content if self.base else None, self.ours.content, self.theirs.content
        )
        self.three, self.end = with_unix_ends(raw)
        self.path = trio.theirs if _follows(trio) else trio.ours

    @property
    def easy(self) -> Text | None:
        """Return the merged text if only one side changed it or both made the same change."""
        base, ours, theirs = self.three.base, self.three.ours, self.three.theirs
        if ours == theirs or theirs == base:
            return Text(ours, clean=True)
        return Text(theirs, clean=True) if ours == base else None

    def settle(self, text: Text, merged: Merged) -> None:
        """Write the merged file, or keep the student's and record the conflict."""
        file = self.ours
        content = with_ends(text.content, self.end)
        if text.clean:
            file = File(self._mode(), content)
            merged.notes += self._notes(file)
        else:
            merged.conflict(
                self.path, *self._words(content, is_text=text.content != self.three.ours)
            )
        if self.path != self.before:
            merged.changes[self.before] = None
        if self.path != self.before or file != self.ours:
            merged.changes[self.path] = file

    def _words(self, content: bytes, is_text: bool) -> tuple[str, Marked | None]:
        """Return the sentence about a conflict, and for a text also the file with both sides."""
        if not is_text:
            return words.both_changed(self.trio, words.NO_TEXT), None
        marked = Marked(File(self._mode(), content), words.both_changed(self.trio, words.MARKED))
        return words.both_changed(self.trio, words.LINES), marked

    def _mode(self) -> str:
        base = self.base.mode if self.base else self.theirs.mode
        return three_way(base, self.ours.mode, self.theirs.mode)

    def _notes(self, file: File) -> list[str]:
        if self.path != self.before:
            return [words.moved(self.before, self.path)]
        if self.base is None and self.ours.mode != self.theirs.mode:
            return [words.other_mode(self.path, self.theirs)]
        if self.trio.base not in (None, self.path) and file != self.ours:
            return [words.follows_student(str(self.trio.base), self.path)]
        return []
