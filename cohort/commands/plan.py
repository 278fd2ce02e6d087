"""`cohort plan`."""

from __future__ import annotations

from cohort.classroom.config import load
from cohort.classroom.outcome import Outcome, exit_code
from cohort.classroom.roster import read_roster
from cohort.commands.options import PlanOptions
from cohort.commands.parts import check_engine, one_part
from cohort.output import tables
from cohort.projects.session import over_class, session, update_task
from cohort.projects.workbench import Job


def plan_class(options: PlanOptions) -> int:
    """What an update would do."""
    class_ = load(options.folder)
    roster = read_roster(class_, options.only)
    students = one_part(roster.students, options.part)
    with (
        session(class_) as at,
        tables.progress("Planning", len(students), options.json) as advance,
    ):
        job = Job(
            options.to or at.releases.newest,
            diffs=options.html is not None or options.json,
            engine=check_engine(options.engine),
        )

        def keep(outcome: Outcome) -> None:
            outcome.compact()
            at.ledger.keep_plan(outcome)
            advance(outcome)

        outcomes = over_class(at, students, update_task(at, job), options.jobs, keep)
    if options.html is not None:
        tables.write_plan_page(options.html, job.to, outcomes)
    tables.show(f"Plan for {job.to}", outcomes, roster, options.json)
    return max(exit_code(outcomes), roster.exit_code)
