"""`cohort audit`: which of the template's files has a student changed, and what was put in their way?"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cohort.classroom.outcome import Outcome
from cohort.classroom.roster import Student
from cohort.classroom.stores import open_store
from cohort.errors import RefusedError
from cohort.git.comparing import Difference, Entry, Folder, compare, folder_of
from cohort.git.objects import EXECUTABLE, FOLDER, LINK, SUBMODULE, Objects, reading
from cohort.git.objects import FILE as PLAIN
from cohort.projects.expected import Expected, Finding
from cohort.projects.past import read_past
from cohort.projects.workbench import Workbench
from cohort.template.answers import FILE

UNCHANGED, CHANGED = "unchanged", "changed"
MOST_FILES = 20_000  # in one folder that the student added
LARGEST_SETTINGS = 256 << 10
LIKE = 0.5  # of a folder's files, to believe that it was moved


@dataclass(frozen=True)
class Project:
    """The tree of a student's commit."""

    objects: Objects
    tree: str


def audit(bench: Workbench, student: Student) -> Outcome:
    """Which files of ours has the student changed, deleted, moved or overlaid?"""
    outcome = Outcome(student.name, UNCHANGED)
    store = open_store(bench.class_, student)
    outcome.head = store.head().commit
    with reading(bench.class_.home, bench.place.scratch, store.objects) as objects:
        project = Project(objects, objects.commit_tree(outcome.head))
        last = bench.planner.read_answers(objects, project.tree)
        outcome.now = bench.planner.check_answers(last, bench.releases.get(bench.releases.newest))
        past = read_past(bench, student, objects, outcome.head, last)
        expected = Expected(bench, student, last, past)
        findings = [
            *expected.answers(),
            *_settings(expected, project),
            *_files(expected, project),
        ]
    for one in findings:
        outcome.changes.setdefault(one.path, one.kind)
    outcome.conflicts = [{"path": one.path, "what": one.what} for one in findings if one.counts]
    outcome.notes = [f"{one.path}: {one.what}" for one in findings if not one.counts]
    outcome.notes += [past.note] if past.note else []
    outcome.state = CHANGED if findings else UNCHANGED
    return outcome


def _settings(expected: Expected, project: Project) -> Iterator[Finding]:
    """The tables in files of settings that steer the engine."""
    for path, tables in expected.settings.items():
        entry = project.objects.find(project.tree, path)
        if path not in expected.files or entry == expected.files[path]:
            continue
        if entry is None or entry[0] not in (PLAIN, EXECUTABLE):
            yield Finding(path, "changed", "deleted or replaced by the student", counts=True)
            continue
        try:
            text = project.objects.read(entry[1], "blob", LARGEST_SETTINGS).decode()
            theirs = tomllib.loads(text)
        except RefusedError as error:
            yield Finding(path, "changed", str(error), counts=True)
            continue
        except (ValueError, RecursionError):
            yield Finding(path, "changed", "can't be read as TOML", counts=True)
            continue
        ours = tomllib.loads(expected.made.content(path).decode())
        for table in tables:
            if _table(ours, table) != _table(theirs, table):
                yield Finding(path, "changed", f"[{table}] changed by the student", counts=True)


def _table(settings: Mapping[str, object], name: str) -> object:
    """What a file of settings has under a name such as "tool.pytest"."""
    found: object = settings
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _files(expected: Expected, project: Project) -> Iterator[Finding]:
    differences = [
        one
        for one in compare(folder_of(expected.files), project.tree, project.objects)
        if one.path != FILE
    ]
    added = {one.path: one.found for one in differences if not one.expected and one.found}
    files, endless = _added_files(added, project.objects)
    for one in differences:
        if isinstance(one.expected, Folder) and one.found is None:
            new = _most_alike(one.expected, files)
            yield _gone(expected, one, one.expected, files, new)
            added.pop(new or "", None)
        elif one.expected is not None:
            by = "" if one.kind.startswith("replaced") else " by the student"
            yield Finding(one.path, one.kind, f"{one.kind}{by}", _counts(expected, one))
    for path in added:
        if path in endless:
            what = f"added by the student, with more than {MOST_FILES:,} files: not checked"
            yield Finding(path, "added", what, counts=True)
        else:
            below = {p: entry for p, entry in files.items() if p == path or p.startswith(path)}
            yield from _added(expected, path, below)


def _added_files(added: Mapping[str, Entry], objects: Objects) -> tuple[dict[str, Entry], set[str]]:
    """The files that were added, those of added folders too; and the folders that have too many."""
    files: dict[str, Entry] = {}
    endless = set()
    for path, entry in added.items():
        if entry[0] != FOLDER:
            files[path] = entry
            continue
        try:
            files |= objects.walk(entry[1], MOST_FILES, path)
        except RefusedError:
            endless.add(path)
    return files, endless


def _added(expected: Expected, path: str, files: Mapping[str, Entry]) -> Iterator[Finding]:
    """What was added where nothing but ours should be. A folder of such files is one line."""
    bad = sorted(path for path, entry in files.items() if _is_in_the_way(expected, path, entry))
    if len(bad) == len(files) > 1:
        what = f"added by the student ({len(files)} files)"
        yield Finding(path, "added", what, counts=True)
        return
    for path in bad:
        yield Finding(path, "added", "added by the student", counts=True)


def _is_in_the_way(expected: Expected, path: str, entry: Entry) -> bool:
    """A link and a submodule may stand for a folder."""
    inside = entry[0] in (LINK, SUBMODULE) and expected.is_in_the_way(f"{path}/__init__.py")
    return inside or expected.is_in_the_way(path)


def _counts(expected: Expected, one: Difference) -> bool:
    if isinstance(one.expected, Folder):
        return any(expected.is_protected(path) for path, _ in one.expected.files(one.path))
    return expected.is_protected(one.path)


def _most_alike(folder: Folder, files: Mapping[str, Entry]) -> str | None:
    """The folder among added files that holds most of a missing folder's, if it is so many."""
    paths: dict[str, list[str]] = {}
    for path, (_, blob) in folder.files():
        paths.setdefault(blob, []).append(path)
    places = Counter(
        added.removesuffix(path)
        for added, (_, blob) in files.items()
        for path in paths.get(blob, ())
        if f"/{added}".endswith(f"/{path}")
    )
    if not places:
        return None
    place, same = places.most_common(1)[0]
    return place if same >= LIKE * len(list(folder.files())) else None


def _gone(
    expected: Expected,
    one: Difference,
    folder: Folder,
    files: Mapping[str, Entry],
    new: str | None,
) -> Finding:
    """A folder that is not at its place: perhaps at another."""
    first, *more = (path for path, _ in folder.files(one.path))
    path = one.path if more else first
    if new is None:
        return Finding(path, "deleted", "deleted by the student", _counts(expected, one))
    changed = sum(files.get(new + file) != entry for file, entry in folder.files())
    also = f"; {changed} of its files changed" if changed else ""
    what = f"moved by the student to {new or 'the top folder'}{also}"
    return Finding(path, "moved", what, _counts(expected, one))
