"""The commands that go from project to project: the loop that they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cohort.classroom.config import Student, load
from cohort.classroom.outcome import Outcome, exit_code
from cohort.commands.options import Options
from cohort.output import tables
from cohort.projects.isolation import isolated
from cohort.projects.session import fetch, session
from cohort.projects.workbench import Workbench

Work = Callable[[Workbench, Student, str], Outcome]
Advise = Callable[[Sequence[Outcome]], str]


def one_by_one(what: str, options: Options, work: Work, advise: Advise) -> int:
    """Do something with one project after the other, show it, and return the exit code.

    `advise` says what to do next.
    """
    class_ = load(options.folder)
    students = class_.students(options.only)
    title = what.capitalize()
    with session(class_) as at, tables.progress(title, len(students), options.json) as advance:
        release = at.releases.get(options.to or at.releases.newest)
        unreachable = fetch(class_, students)
        bench = Workbench(class_, at.releases)
        run = at.ledger.begin(what, release.name)
        outcomes = []
        for student in students:
            outcome = unreachable.get(student.name) or isolated(
                student, lambda one: work(bench, one, release.name)
            )
            at.ledger.note(run, student.name, what, outcome.as_dict())
            outcomes.append(outcome)
            advance(outcome)
        at.ledger.end(run)
        bench.close()
    tables.show(title, outcomes, options.json, advice=advise(outcomes))
    return exit_code(outcomes)
