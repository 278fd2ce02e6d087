"""`cohort update`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from cohort.classroom.config import Class, load
from cohort.classroom.outcome import CLEAN, CONFLICT, Outcome, exit_code
from cohort.classroom.roster import Student, read_roster
from cohort.classroom.stores import open_store
from cohort.commands.options import UpdateOptions
from cohort.commands.parts import check_engine, one_part, parts_of
from cohort.forge.pull_requests import open_requests
from cohort.output import tables
from cohort.projects.isolation import isolated
from cohort.projects.session import over_class, push, session, update_task
from cohort.projects.workbench import Job


def update_class(options: UpdateOptions) -> int:
    """Write the branches; with --push, on servers too."""
    class_ = load(options.folder)
    roster = read_roster(class_, options.only)
    students = one_part(roster.students, options.part)[: options.canary or None]
    remote = {student.name for student in students if student.is_remote}
    with (
        session(class_) as at,
        tables.progress("Updating", len(students), options.json) as advance,
    ):
        job = Job(
            options.to or at.releases.newest,
            write=True,
            markers=options.markers,
            engine=check_engine(options.engine),
        )
        run = at.ledger.unfinished("update", job.to) if options.resume else None
        done = at.ledger.steps(run, "done") if run is not None else {}
        run = run if run is not None else at.ledger.begin("update", job.to)
        finished = _still_true(class_, students, done)

        def note(outcome: Outcome) -> None:
            outcome.compact()
            waits = (
                options.push and outcome.commit and not outcome.pushed and outcome.student in remote
            )
            at.ledger.note(run, outcome.student, "prepared" if waits else "done", outcome.as_dict())
            at.ledger.keep_plan(outcome)
            advance(outcome)

        due = [student for student in students if student.name not in finished]
        made = {
            one.student: one
            for one in over_class(at, due, update_task(at, job), options.jobs, note)
        }
        if options.push:
            push(at, due, list(made.values()), note)
            open_requests(class_, due, list(made.values()), parts_of(options.part)[1])
        at.ledger.end(run)
    outcomes = [(finished | made)[student.name] for student in students]
    tables.show(f"Update to {job.to}", outcomes, roster, options.json)
    return max(exit_code(outcomes), roster.exit_code)


def _still_true(
    class_: Class, students: Sequence[Student], done: Mapping[str, Outcome]
) -> dict[str, Outcome]:
    """What an earlier run finished, where the student has not committed since."""
    finished = {}
    for student in students:
        outcome = done.get(student.name)
        if outcome is None or outcome.state not in (CLEAN, CONFLICT):
            continue
        head = partial(_head, class_, student)
        if (
            outcome.pushed
            if student.is_remote
            else isolated(student.name, head, _no_head) == outcome.head
        ):
            finished[student.name] = outcome
    return finished


def _head(class_: Class, student: Student) -> str:
    return open_store(class_, student).head().commit


def _no_head(student: str, state: str, *, message: str) -> str:
    return ""  # what is wrong with it is said when it is updated again
