"""A command over the whole class: fetch, work in several processes, push, and write it all down."""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from cohort.classroom.config import Class, Student
from cohort.classroom.ledger import Ledger, alone
from cohort.classroom.outcome import CLEAN, CONFLICT, ERROR, REFUSED, Outcome
from cohort.classroom.stores import CONNECTIONS, Remote, open_store
from cohort.errors import CohortError, RefusedError
from cohort.git import process
from cohort.projects.workbench import Job, Workbench, limit_memory
from cohort.template.releases import Releases

Told = Callable[[Outcome], None]
_bench: Workbench | None = None


@dataclass
class Session:
    """A class with its template at hand, and nobody else at work on it."""

    class_: Class
    releases: Releases
    ledger: Ledger


@contextmanager
def session(class_: Class) -> Iterator[Session]:
    """Lock the class and fetch the template: the one connection to it in a run."""
    with alone(class_.cache):
        ledger = Ledger(class_.cache)
        try:
            process.prepare(class_.home, files=class_.settings.forge.file_remotes, network=True)
            shutil.rmtree(class_.cache / "scratch", ignore_errors=True)
            releases = Releases(class_)
            releases.fetch()
            ledger.hold_releases(releases.commits())
            yield Session(class_, releases, ledger)
        finally:
            shutil.rmtree(class_.cache / "scratch", ignore_errors=True)
            ledger.close()


def over_class(
    at: Session, students: Sequence[Student], job: Job, jobs: int, told: Told
) -> list[Outcome]:
    """Plan, or plan and write, for every student, in the roster's order."""
    at.releases.get(job.to)
    unreachable = fetch(at.class_, students)
    ready = [student for student in students if student.name not in unreachable]
    for outcome in unreachable.values():
        outcome.to = job.to
        told(outcome)
    outcomes = dict(unreachable)
    for outcome in _work(at, ready, job, jobs):
        outcomes[outcome.student] = outcome
        told(outcome)
    return [outcomes[student.name] for student in students]


def _work(at: Session, students: Sequence[Student], job: Job, jobs: int) -> Iterator[Outcome]:
    jobs = min(jobs or os.cpu_count() or 1, len(students))
    if jobs <= 1:
        bench = Workbench(at.class_, at.releases)
        try:
            for student in students:
                yield bench.do(student, job)
        finally:
            bench.close()
        return
    for name in at.releases.names:  # made once, and shared by the processes
        at.releases.get(name).environment  # noqa: B018
    # A forked process has the template at hand; where there is no fork, each reads it again.
    how = "fork" if sys.platform == "linux" else "spawn"
    with ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context(how),
        initializer=_start,
        initargs=(at.class_, at.releases if how == "fork" else None),
    ) as pool:
        done = 0
        try:
            for outcome in pool.map(_do, students, [job] * len(students), chunksize=4):
                done += 1
                yield _with_shared_texts(outcome)
        except BrokenProcessPool:
            why = "a process of cohort was killed (memory?); run again with --resume --jobs 1."
            for student in students[done:]:
                yield Outcome(student.name, ERROR, message=why)


def _with_shared_texts(outcome: Outcome) -> Outcome:
    """Thousands of students have the same paths and words: one text each, not one per student."""
    for name in ("now", "to", "branch", "state", "text"):
        setattr(outcome, name, sys.intern(getattr(outcome, name)))
    for name in ("changes", "diffs"):
        texts = getattr(outcome, name)
        setattr(outcome, name, {sys.intern(path): sys.intern(what) for path, what in texts.items()})
    return outcome


def _start(class_: Class, releases: Releases | None) -> None:
    global _bench
    limit_memory()
    _bench = Workbench(class_, releases or Releases(class_))
    multiprocessing.util.Finalize(_bench, _bench.close, exitpriority=10)


def _do(student: Student, job: Job) -> Outcome:
    assert _bench is not None
    return _bench.do(student, job)


def fetch(class_: Class, students: Sequence[Student]) -> dict[str, Outcome]:
    """Fetch the repositories that are on servers, many at a time; returns those that failed."""
    remote = [student for student in students if student.is_remote]

    def fetch_one(student: Student) -> Outcome | None:
        try:
            Remote(class_, student).fetch()
        except RefusedError as error:
            return Outcome(student.name, REFUSED, message=str(error))
        except (CohortError, OSError) as error:
            return Outcome(student.name, ERROR, message=str(error))
        return None

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        failed = [outcome for outcome in pool.map(fetch_one, remote) if outcome is not None]
    return {outcome.student: outcome for outcome in failed}


def push(at: Session, students: Sequence[Student], outcomes: Sequence[Outcome], told: Told) -> None:
    """Push the branches of repositories on servers, many at a time, and only over what was fetched."""
    by_name = {student.name: student for student in students}

    def push_one(outcome: Outcome) -> Outcome:
        student = by_name[outcome.student]
        try:
            store = open_store(at.class_, student)
            if outcome.before != outcome.commit:
                store.move(outcome.branch, outcome.commit, outcome.before)
                outcome.wrote = True
            outcome.pushed = True
        except (CohortError, OSError) as error:
            outcome.state, outcome.message = ERROR, f"it was not pushed: {error}"
        return outcome

    due = [
        outcome
        for outcome in outcomes
        if outcome.commit
        and outcome.state in (CLEAN, CONFLICT)
        and by_name[outcome.student].is_remote
    ]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for outcome in pool.map(push_one, due):
            told(outcome)
