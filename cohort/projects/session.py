"""Run a command over the whole class: fetch, work in several processes, push, and record everything."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Generic

from cohort import faults
from cohort.classroom.config import Class
from cohort.classroom.ledger import Ledger, alone, at_work
from cohort.classroom.outcome import CLEAN, CONFLICT, ERROR, Outcome
from cohort.classroom.roster import Student
from cohort.classroom.stores import CONNECTIONS, SECONDS, TRIES, open_store
from cohort.errors import CohortError
from cohort.forge.pull_requests import PullRequests
from cohort.git import process
from cohort.projects import isolation, pool
from cohort.projects.fetching import fetch
from cohort.projects.isolation import Failed, R, isolated
from cohort.projects.workbench import COPIER_SECONDS, Job, Workbench, update
from cohort.template.releases import Releases

Told = Callable[[Outcome], None]
ONLINE = (
    2.0 * SECONDS * TRIES
)  # more seconds for what talks to a server: it is asked again and again


@dataclass
class Session:
    """A locked class with its fetched template."""

    class_: Class
    releases: Releases
    ledger: Ledger


@contextmanager
def session(class_: Class) -> Iterator[Session]:
    """Lock the class and fetch the template: the one connection to it in a run."""
    with alone(class_.cache):
        ledger = Ledger(class_.cache)
        try:
            process.prepare(class_.home)
            shutil.rmtree(class_.cache / "scratch", ignore_errors=True)
            releases = Releases(class_)
            releases.fetch()
            ledger.hold_releases(releases.commits())
            yield Session(class_, releases, ledger)
        finally:
            shutil.rmtree(class_.cache / "scratch", ignore_errors=True)
            ledger.close()


@dataclass(frozen=True)
class Task(Generic[R]):
    """The work to do on each project, in a form that can be sent to another process."""

    work: Callable[[Workbench, Student], R]
    failed: Failed[R]
    more_seconds: float = 0.0  # than a project may take: for a server's answer, or for copier

    @property
    def seconds(self) -> float:
        return isolation.SECONDS + self.more_seconds


def update_task(at: Session, job: Job) -> Task[Outcome]:
    """Return the task of an update, or of its plan."""
    at.releases.get(job.to)
    failed = partial(Outcome, to=job.to, branch=at.class_.branch(job.to))
    return Task(partial(update, job), failed, COPIER_SECONDS if job.engine == "copier" else 0.0)


def over_class(
    at: Session, students: Sequence[Student], task: Task[R], jobs: int, told: Callable[[R], None]
) -> list[R]:
    """Fetch the repositories of all students, then do something with each; in the roster's order."""
    unreachable = fetch(at.class_, students, task.failed)
    for result in unreachable.values():
        told(result)
    ready = [student for student in students if student.name not in unreachable]
    results = unreachable | work_on(at, ready, task, jobs, told)
    return [results[student.name] for student in students]


def work_on(
    at: Session, students: Sequence[Student], task: Task[R], jobs: int, told: Callable[[R], None]
) -> dict[str, R]:
    """Do something with each project, in several processes; `told` hears of each that is done."""
    if pool.FORKS:
        for name in at.releases.names:  # made once, and shared by the processes
            at.releases.get(name).environment  # noqa: B018
    crew = pool.Crew(
        partial(_bench, at.class_, at.releases if pool.FORKS else None, task),
        lambda student, why: (student.name, task.failed(student.name, ERROR, message=why)),
        task.seconds,
    )
    results: dict[str, R] = {}
    for name, result in pool.each(students, crew, jobs):
        results[name] = result
        told(result)
    return results


@contextmanager
def _bench(
    class_: Class, releases: Releases | None, task: Task[R]
) -> Iterator[Callable[[Student], tuple[str, R]]]:
    """A process's own workbench, and what it does with a student there."""
    faults.keep_log_in(class_.cache)
    with at_work(class_.cache), closing(Workbench(class_, releases or Releases(class_))) as bench:

        def work(student: Student) -> tuple[str, R]:
            do = partial(task.work, bench, student)
            return student.name, isolated(student.name, do, task.failed, task.seconds)

        yield work


def push(
    at: Session,
    students: Sequence[Student],
    outcomes: Sequence[Outcome],
    told: Told,
    requests: PullRequests,
) -> None:
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
    for outcome in due:
        if outcome.before is None:
            requests.expect(by_name[outcome.student], outcome.branch)
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        for outcome in threads.map(push_one, due):
            told(outcome)
