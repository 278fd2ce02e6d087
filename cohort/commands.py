"""The commands that render: create, plan, update."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cohort import creating, showing
from cohort.config import Class, Student, load, read_roster
from cohort.errors import CohortError, RefusedError
from cohort.forge import open_requests
from cohort.outcome import CLEAN, CONFLICT, ERROR, REFUSED, Outcome, exit_code
from cohort.runner import Session, over_class, push, session
from cohort.stores import open_store
from cohort.work import Bench, Job


def create_class(
    folder: Path, roster: Path | None, to: str, bare: bool, only: list[str] | None, as_json: bool
) -> int:
    """One repository per row; a bad row is named, and the others are made."""
    class_ = load(folder)
    path = roster or class_.folder / class_.settings.class_.roster
    students, bad = read_roster(class_, path)
    students = [student for student in students if not only or student.name in only]
    with session(class_) as at, showing.progress("Creating", len(students), as_json) as told:
        release = at.releases.get(to or at.releases.newest)
        bench = Bench(class_, at.releases)
        run = at.ledger.begin("create", release.name)
        outcomes = []
        try:
            students.reverse()
            while students:  # a row of the roster is forgotten once it is made: there are thousands
                student = students.pop()
                outcome = guarded(student, lambda one: creating.create(bench, one, release, bare))
                at.ledger.note(run, student.name, "created", outcome.as_dict())
                outcomes.append(outcome.without_empty())
                told(outcome)
        finally:
            bench.close()
        at.ledger.end(run)
    problems = [f"{path.name}, {sentence}" for sentence in bad]
    showing.show("Created", outcomes, as_json, problems)
    return max(exit_code(outcomes), 3 if bad else 0)


def plan_class(
    folder: Path,
    to: str,
    only: list[str] | None,
    part: str,
    html: Path | None,
    jobs: int,
    engine: str,
    as_json: bool,
) -> int:
    """What an update would do."""
    class_ = load(folder)
    students = one_part(class_.students(only), part)
    with session(class_) as at, showing.progress("Planning", len(students), as_json) as told:
        job = Job(
            to or at.releases.newest, diffs=html is not None or as_json, engine=_known(engine)
        )

        def keep(outcome: Outcome) -> None:
            at.ledger.keep_plan(outcome)
            told(outcome)

        outcomes = over_class(at, students, job, jobs, keep)
    if html is not None:
        showing.write_plan_page(html, job.to, outcomes)
    showing.show(f"Plan for {job.to}", outcomes, as_json)
    return exit_code(outcomes)


def update_class(
    folder: Path,
    to: str,
    only: list[str] | None,
    part: str,
    canary: int,
    jobs: int,
    *,
    push: bool,
    resume: bool,
    markers: bool,
    engine: str,
    as_json: bool,
) -> int:
    """Write the branches; with --push, on servers too."""
    class_ = load(folder)
    students = one_part(class_.students(only), part)[: canary or None]
    with session(class_) as at, showing.progress("Updating", len(students), as_json) as told:
        job = Job(to or at.releases.newest, write=True, markers=markers, engine=_known(engine))
        run = at.ledger.unfinished("update", job.to) if resume else None
        done = at.ledger.steps(run, "done") if run is not None else {}
        run = run if run is not None else at.ledger.begin("update", job.to)
        finished = _still_true(class_, students, done)

        def note(outcome: Outcome) -> None:
            waits = push and outcome.commit and not outcome.pushed and _is_remote(students, outcome)
            at.ledger.note(run, outcome.student, "prepared" if waits else "done", outcome.as_dict())
            at.ledger.keep_plan(outcome)
            told(outcome)

        due = [student for student in students if student.name not in finished]
        made = {outcome.student: outcome for outcome in over_class(at, due, job, jobs, note)}
        if push:
            _push(at, due, list(made.values()), note, parts_of(part)[1])
        at.ledger.end(run)
    outcomes = [(finished | made)[student.name] for student in students]
    showing.show(f"Update to {job.to}", outcomes, as_json)
    return exit_code(outcomes)


def _push(
    at: Session, students: Sequence[Student], outcomes: list[Outcome], note: Any, machines: int
) -> None:
    push(at, students, outcomes, note)
    open_requests(at.class_, students, outcomes, machines)


def parts_of(part: str) -> tuple[int, int]:
    """ "2/8" as two numbers; the whole is 1/1."""
    found = re.fullmatch(r"(\d{1,4})/(\d{1,4})", part or "1/1")
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise CohortError(f"--part {part} is no part; write 2/8 for the second of eight.")
    return int(found[1]), int(found[2])


def one_part(students: list[Student], part: str) -> list[Student]:
    """Every n-th student: so several machines share a class, each with a part of its own."""
    first, step = parts_of(part)
    return students[first - 1 :: step]


def guarded(student: Student, work: Any) -> Outcome:
    """Work on one student's project, so that what goes wrong there stays there."""
    try:
        outcome: Outcome = work(student)
        return outcome
    except RefusedError as error:
        return Outcome(student.name, REFUSED, message=str(error))
    except (CohortError, OSError) as error:
        return Outcome(student.name, ERROR, message=str(error))


def _still_true(
    class_: Class, students: Sequence[Student], done: dict[str, dict[str, Any]]
) -> dict[str, Outcome]:
    """What an earlier run finished, where the student has not committed since."""
    finished = {}
    for student in students:
        about = done.get(student.name)
        if about and about["state"] in (CLEAN, CONFLICT) and not student.is_remote:
            store = open_store(class_, student)
            if store.head().commit == about["head"]:
                finished[student.name] = Outcome(**about)
        elif about and about["pushed"]:
            finished[student.name] = Outcome(**about)
    return finished


def _is_remote(students: Sequence[Student], outcome: Outcome) -> bool:
    return any(student.is_remote for student in students if student.name == outcome.student)


def _known(engine: str) -> str:
    if engine not in ("git", "copier"):
        raise CohortError(f"--engine {engine} is unknown; use git or copier.")
    return engine
