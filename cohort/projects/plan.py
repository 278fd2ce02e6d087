"""What an update does to one project: planned in memory, then written as one branch or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cohort.classroom.outcome import CLEAN, CONFLICT, CURRENT, NEWER
from cohort.errors import CohortError, RefusedError
from cohort.git.merging import Place
from cohort.git.objects import EXECUTABLE, FOLDER, LINK, Objects
from cohort.git.objects import FILE as PLAIN
from cohort.git.writing import Changes, File, commit_stream, fast_import
from cohort.projects.merge import Conflict, Merged, merge
from cohort.projects.sides import RenderedFiles, Sides, StudentFiles
from cohort.template import answers as answers_file
from cohort.template.answers import FILE
from cohort.template.releases import Release, Releases
from cohort.template.rendering import Answers, Rendering


@dataclass
class Plan:
    """What an update would do to a project."""

    state: str
    head: str
    now: str  # the project's release
    to: str
    changes: dict[str, File | None] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Planner:
    """Plans and writes updates to one release."""

    def __init__(self, releases: Releases, place: Place) -> None:
        self.releases, self.place = releases, place

    def plan(self, objects: Objects, head: str, to: str) -> Plan:
        """Work out an update, reading only. Raises CohortError for a project that can't be updated."""
        target = self.releases.get(to)
        tree = objects.commit_tree(head)
        last = self.read_answers(objects, tree)
        now = self.check_answers(last, target)
        state = compare(self.releases.get(now), target)
        if state:
            return Plan(state, head, now, to)
        url = answers_file.source_of(last)
        new = Rendering(target, url, Answers(last))
        old = self.old_rendering(now, target, new, last)
        ours = StudentFiles(objects, tree)
        paths, notes = _leave_students(_can_differ(old, new), old, new, ours)
        whole = _in_untouched_folders(paths, old, objects, tree)
        sides = Sides(
            paths=[path for path in paths if path not in whole],
            base=RenderedFiles(old),
            theirs=RenderedFiles(new),
            ours=ours,
            is_own=lambda path: new.is_students(path) or old.is_students(path),
            release=to,
        )
        merged = merge(sides, self.place, {path: sides.theirs.get(path) for path in whole})
        _renew_answers(merged, new, objects, tree)
        state = CONFLICT if merged.conflicts else CLEAN
        return Plan(state, head, now, to, merged.changes, merged.conflicts, [*notes, *merged.notes])

    def read_answers(self, objects: Objects, tree: str) -> dict[str, object]:
        """The answers file of a project's tree."""
        entry = objects.find(tree, FILE)
        if entry is None:
            raise CohortError(f"it has no {FILE}; {answers_file.ADOPT}.")
        if entry[0] not in (PLAIN, EXECUTABLE):
            kind = "a symbolic link" if entry[0] == LINK else "not a plain file"
            raise RefusedError(f"{FILE} is {kind}.")
        return answers_file.parse(objects.read(entry[1], "blob", answers_file.LARGEST))

    def check_answers(self, last: dict[str, object], target: Release) -> str:
        """The project's release, after everything in the file has been checked."""
        settings = self.releases.class_
        known = set(target.shared.questions_data)
        release = last.get("_commit")
        if isinstance(release, str) and release in self.releases.names:
            known |= set(self.releases.get(release).shared.questions_data)
        return answers_file.check(last, settings.template_urls, self.releases.names, known)

    def old_rendering(
        self, now: str, target: Release, new: Rendering, last: dict[str, object]
    ) -> Rendering:
        """The project as its release made it, without what the new release leaves out of updates."""
        given = {name: value for name, value in last.items() if not name.startswith("_")}
        release, exclude = self.releases.get(now), target.shared.exclude
        url = answers_file.source_of(last)
        if release.includes == target.includes and given == new.remembered:
            return Rendering(release, url, Answers(same_as=new), exclude=exclude)
        return Rendering(release, url, Answers(last, given), exclude=exclude)

    def message(self, plan: Plan) -> str:
        """The message of the update's commit: the same for the same update."""
        lines = [f"Update the template from {plan.now} to {plan.to}", ""]
        if plan.conflicts:
            lines += ["Needs attention:", ""]
            lines += [f"- {conflict.path}: {conflict.what}." for conflict in plan.conflicts] + [""]
        if plan.notes:
            lines += ["Notes:", ""] + [f"- {note}." for note in plan.notes] + [""]
        return "\n".join(lines)

    def commit(self, plan: Plan, store: Path, into: Path | None = None) -> str:
        """Write the update's commit into an object store; returns its name. No reference is touched."""
        author = self.releases.get(plan.to).author
        stream = commit_stream(author, self.message(plan), plan.changes, plan.head)
        return fast_import(self.place.home, self.place.scratch, stream, into or store, store)


def with_markers(plan: Plan) -> Plan:
    """The same update, with both sides in each file that can hold them."""
    marked = {one.path: one.marked for one in plan.conflicts if one.marked is not None}
    changes = plan.changes | {path: one.file for path, one in marked.items()}
    conflicts = [
        Conflict(one.path, marked[one.path].what) if one.path in marked else one
        for one in plan.conflicts
    ]
    return replace(plan, changes=changes, conflicts=conflicts)


def compare(now: Release, target: Release) -> str:
    """Whether there is nothing to do; empty when there is."""
    if now.name == target.name:
        return CURRENT
    return NEWER if now.version >= target.version else ""


def _can_differ(old: Rendering, new: Rendering) -> list[str]:
    """The paths for which the two releases may give different files."""
    both = old.sources.keys() & new.sources.keys()
    same = {path for path in both if old.same_bytes(new, path)}
    return sorted((old.sources.keys() | new.sources.keys()) - same - {FILE})


def _leave_students(
    paths: Sequence[str], old: Rendering, new: Rendering, ours: StudentFiles
) -> tuple[list[str], list[str]]:
    """Take the student's own files out: only one that is new in the template, and missing, is written."""
    kept, notes = [], []
    for path in paths:
        students = new.is_students(path) or old.is_students(path)
        is_new = path in new.sources and path not in old.sources
        if not students or (is_new and ours.entry(path) is None):
            kept.append(path)
        elif path not in new.sources and ours.entry(path) is not None:
            notes.append(
                f"{path} is no longer part of the template; it belongs to the student, and stays"
            )
    return kept, notes


def _in_untouched_folders(
    paths: Sequence[str], old: Rendering, objects: Objects, tree: str
) -> set[str]:
    """The paths in folders that are, to the last byte, as the old release made them: nothing is to be merged there.

    So the engine, which few students edit, is taken whole after one comparison of two trees' names.
    """
    actual = objects.tree(tree)
    names = {path.partition("/")[0] for path in paths if "/" in path}
    untouched = {name for name in names if actual.get(name) == (FOLDER, old.plain_folder(name))}
    return {path for path in paths if "/" in path and path.partition("/")[0] in untouched}


def _renew_answers(merged: Merged, new: Rendering, objects: Objects, tree: str) -> None:
    """The answers file is the template's: it says which release the project is at."""
    if FILE not in new.sources:
        raise CohortError(f"the release {new.release.name} does not write {FILE}.")
    entry = objects.find(tree, FILE)
    merged.changes[FILE] = File(entry[0] if entry else PLAIN, new.content(FILE))


def changes_as_paths(changes: Changes) -> dict[str, str]:
    """What happens to each path: "written" or "deleted"."""
    return {
        path: "deleted" if file is None else "written" for path, file in sorted(changes.items())
    }
