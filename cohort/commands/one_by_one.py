"""The commands that do one thing with every project: what they share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cohort.classroom.config import load
from cohort.classroom.outcome import Outcome, exit_code
from cohort.classroom.roster import Student, read_roster
from cohort.commands.options import Options
from cohort.output import tables
from cohort.projects.session import ONLINE, Task, over_class, session
from cohort.projects.workbench import Workbench

Work = Callable[[Workbench, Student, str], Outcome]  # the text is a release


def one_by_one(what: str, options: Options, work: Work, online: bool = False) -> int:
    """Do something with each project, show it, and return the exit code.

    `online`: the work itself talks to servers, which may take its time.
    """
    class_ = load(options.folder)
    roster = read_roster(class_, options.only)
    students = roster.students
    title = what.capitalize()
    with session(class_) as at, tables.progress(title, len(students), options.json) as advance:
        release = at.releases.get(options.to or at.releases.newest)
        task = Task(partial(_of_release, work, release.name), Outcome, ONLINE * online)
        run = at.ledger.begin(what, release.name)

        def note(outcome: Outcome) -> None:
            outcome.compact()
            at.ledger.note(run, outcome.student, what, outcome.as_dict())
            advance(outcome)

        outcomes = over_class(at, students, task, options.jobs, note)
        at.ledger.end(run)
    tables.show(title, outcomes, roster, options.json)
    return max(exit_code(outcomes), roster.exit_code)


def _of_release(work: Work, release: str, bench: Workbench, student: Student) -> Outcome:
    return work(bench, student, release)
