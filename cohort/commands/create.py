"""`cohort create`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cohort.classroom.config import Student, load, read_roster
from cohort.classroom.outcome import Outcome, exit_code
from cohort.commands.options import CreateOptions
from cohort.output import tables
from cohort.projects.create import create
from cohort.projects.session import ONLINE, Task, session, work_on
from cohort.projects.workbench import Workbench


def create_class(options: CreateOptions) -> int:
    """One repository per row; a bad row is named, and the others are made."""
    class_ = load(options.folder)
    path = options.roster or class_.folder / class_.settings.class_.roster
    students, bad = read_roster(class_, path)
    students = [one for one in students if not options.only or one.name in options.only]
    with (
        session(class_) as at,
        tables.progress("Creating", len(students), options.json) as advance,
    ):
        release = at.releases.get(options.to or at.releases.newest)
        task = Task(partial(_create, release.name, options.bare), Outcome, ONLINE)
        run = at.ledger.begin("create", release.name)

        def note(outcome: Outcome) -> None:
            outcome.compact()
            outcome.without_empty()
            at.ledger.note(run, outcome.student, "created", outcome.as_dict())
            advance(outcome)

        made = work_on(at, students, task, options.jobs, note)
        at.ledger.end(run)
    outcomes = [made[student.name] for student in students]
    problems = [f"{path.name}, {sentence}" for sentence in bad]
    tables.show("Create", outcomes, options.json, problems, _advice(outcomes, problems))
    return max(exit_code(outcomes), 3 if bad else 0)


def _create(release: str, bare: bool, bench: Workbench, student: Student) -> Outcome:
    return create(bench, student, bench.releases.get(release), bare)


def _advice(outcomes: Sequence[Outcome], problems: Sequence[str]) -> str:
    """What to do next."""
    if problems or exit_code(outcomes):
        return "Next: correct what is named above and run `cohort create` again; what exists stays as it is."
    return "Next: `cohort status` shows where each project stands." if outcomes else ""
