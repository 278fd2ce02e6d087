"""The shared part of the commands that do one thing with every project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from cohort.classroom.config import load
from cohort.classroom.outcome import Outcome, exit_code
from cohort.classroom.roster import Student, read_roster
from cohort.classroom.teams import Teams
from cohort.commands.options import Options
from cohort.output import tables
from cohort.projects.session import ONLINE, Task, over_class, session
from cohort.projects.workbench import Workbench

Work = Callable[[Workbench, Student, str], Outcome]  # the text is a release
Advise = Callable[[Sequence[Outcome]], str]


def one_by_one(
    what: str, options: Options, work: Work, advise: Advise, online: bool = False
) -> int:
    """Do something with each project, show it, and return the exit code.

    `advise` says what to do next. `online`: the work itself talks to servers, which may take its time.
    """
    class_ = load(options.folder)
    roster = read_roster(class_, options.only)
    teams = Teams(roster.students)
    students = teams.first
    title = what.capitalize()
    with session(class_) as at, tables.progress(title, len(students), options.json) as advance:
        release = at.releases.get(options.to or at.releases.newest)
        task = Task(partial(_of_release, work, release.name), Outcome, ONLINE * online)
        run = at.ledger.begin(what, release.name)

        def note(outcome: Outcome) -> None:
            outcome.compact()
            for name in teams.members(outcome.student):
                at.ledger.note(run, name, what, outcome)
            advance(outcome)

        made = over_class(at, students, task, options.jobs, note)
        at.ledger.end(run)
    rows = teams.rows(made)
    tables.show(title, rows, roster, options.json, advise(rows))
    return max(exit_code(rows), roster.exit_code)


def _of_release(work: Work, release: str, bench: Workbench, student: Student) -> Outcome:
    return work(bench, student, release)
