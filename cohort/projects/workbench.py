"""The work on one project, in a process that may be one of several."""

from __future__ import annotations

import difflib
import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property

from cohort.classroom.config import Class
from cohort.classroom.ledger import Ledger, Record
from cohort.classroom.outcome import CLEAN, CONFLICT, ERROR, Outcome
from cohort.classroom.roster import Student
from cohort.classroom.stores import Local, Remote, open_store
from cohort.errors import CohortError
from cohort.git import process
from cohort.git.merging import Place
from cohort.git.objects import LARGEST_COMMIT, Objects, reading
from cohort.projects.plan import Plan, Planner, changes_as_paths, with_markers
from cohort.template.releases import Release, Releases

MOST_LINES = 400  # of a diff that is shown
COPIER_SECONDS = 300.0  # for copier itself on one project
OURS = b"Update the template from "


@dataclass(frozen=True)
class Job:
    """The work to do on every project."""

    to: str
    write: bool = False
    markers: bool = False
    diffs: bool = False
    engine: str = "git"


def update(job: Job, bench: Workbench, student: Student) -> Outcome:
    """Do the work of `cohort plan` and `cohort update` on one project."""
    return bench.do(student, job)


class Workbench:
    """Everything that a process needs for project after project."""

    def __init__(self, class_: Class, releases: Releases) -> None:
        self.class_, self.releases = class_, releases
        self._stack = ExitStack()
        scratch = class_.cache / "scratch" / str(os.getpid())
        process.make_bare(scratch)
        self._stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        objects = self._stack.enter_context(reading(class_.home, scratch, seconds=86_400))
        self.place = Place(class_.home, scratch, objects)
        self.planner = Planner(releases, self.place)

    def close(self) -> None:
        self._stack.close()

    @cached_property
    def records(self) -> dict[str, Record]:
        """What the ledger knows of each student's repository."""
        ledger = Ledger(self.class_.cache)
        try:
            return ledger.records()
        finally:
            ledger.close()

    def do(self, student: Student, job: Job) -> Outcome:
        """Plan a project's update, and write it if asked to. Raises whatever goes wrong."""
        outcome = Outcome(student.name, ERROR, to=job.to, branch=self.class_.branch(job.to))
        store = open_store(self.class_, student)
        outcome.head = store.head().commit
        with reading(self.class_.home, self.place.scratch, store.objects) as objects:
            plan = self._plan(store, objects, outcome, job)
            if job.markers:
                plan = with_markers(plan)
            outcome.state, outcome.now = plan.state, plan.now
            outcome.changes = changes_as_paths(plan.changes)
            outcome.conflicts = [{"path": one.path, "what": one.what} for one in plan.conflicts]
            outcome.notes = plan.notes
            if plan.state not in (CLEAN, CONFLICT):
                return outcome
            outcome.text = self.planner.message(plan)
            if job.diffs:
                outcome.diffs = diffs(plan, objects)
            if job.write:
                self._write(store, objects, plan, outcome)
        return outcome

    def _plan(self, store: Local | Remote, objects: Objects, outcome: Outcome, job: Job) -> Plan:
        if job.engine == "copier":
            from cohort.projects.with_copier import plan_with_copier

            return plan_with_copier(self.planner, store, objects, outcome.head, job.to)
        return self.planner.plan(objects, outcome.head, job.to)

    def _write(self, store: Local | Remote, objects: Objects, plan: Plan, outcome: Outcome) -> None:
        outcome.before = store.branch(outcome.branch)
        if outcome.before is not None:
            _check_ours(objects, outcome.before, self.releases.get(plan.to))
        outcome.commit = self.planner.commit(plan, store.objects)
        if isinstance(store, Local) and outcome.before != outcome.commit:
            store.move(outcome.branch, outcome.commit, outcome.before)
            outcome.wrote = True


def check_ours(bench: Workbench, store: Local | Remote, commit: str, release: Release) -> None:
    """A branch on which someone else has committed is left alone: raises CohortError."""
    with reading(bench.class_.home, bench.place.scratch, store.objects) as objects:
        _check_ours(objects, commit, release)


def _check_ours(objects: Objects, commit: str, release: Release) -> None:
    content = objects.read(commit, "commit", LARGEST_COMMIT)
    head, _, message = content.partition(b"\n\n")
    ours = f"\ncommitter {release.author}".encode() in head and message.startswith(OURS)
    if not ours:
        raise CohortError(
            "its update branch has commits that cohort did not make; they are left alone. "
            "Merge or delete that branch, then run again."
        )


def diffs(plan: Plan, objects: Objects) -> dict[str, str]:
    """Return the changes as unified diffs, per path."""
    tree = objects.commit_tree(plan.head)
    shown = {}
    for path, file in sorted(plan.changes.items()):
        entry = objects.find(tree, path)
        before = objects.read(entry[1], "blob", 8 << 20) if entry else b""
        after = file.content if file else b""
        lines = (part.decode("utf-8", "replace").splitlines() for part in (before, after))
        old, new = lines
        diff = list(difflib.unified_diff(old, new, lineterm="", n=3))[2:]
        if len(diff) > MOST_LINES:
            diff[MOST_LINES:] = [f"@@ {len(diff) - MOST_LINES:,} more lines @@"]
        shown[path] = "\n".join(diff)
    return shown
