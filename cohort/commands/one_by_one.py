"""The commands that go from project to project: the loop that they share."""

from __future__ import annotations

from collections.abc import Callable

from cohort.classroom.config import Student, load
from cohort.classroom.outcome import Outcome, exit_code
from cohort.classroom.teams import Teams
from cohort.commands.options import Options
from cohort.output import tables
from cohort.projects.isolation import isolated
from cohort.projects.session import fetch, session
from cohort.projects.workbench import Workbench

Work = Callable[[Workbench, Student, str], Outcome]


def one_by_one(what: str, options: Options, work: Work) -> int:
    """Do something with one project after the other, show it, and return the exit code."""
    class_ = load(options.folder)
    teams = Teams(class_.students(options.only))
    students = teams.first
    title = what.capitalize()
    with session(class_) as at, tables.progress(title, len(students), options.json) as advance:
        release = at.releases.get(options.to or at.releases.newest)
        unreachable = fetch(class_, students)
        bench = Workbench(class_, at.releases)
        run = at.ledger.begin(what, release.name)
        made = {}
        for student in students:
            outcome = unreachable.get(student.name) or isolated(
                student, lambda one: work(bench, one, release.name)
            )
            for name in teams.members(student.name):
                at.ledger.note(run, name, what, outcome.as_dict())
            made[student.name] = outcome
            advance(outcome)
        at.ledger.end(run)
        bench.close()
    outcomes = teams.rows(made)
    tables.show(title, outcomes, options.json)
    return exit_code(outcomes)
