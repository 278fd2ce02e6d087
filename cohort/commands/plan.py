"""`cohort plan`."""

from __future__ import annotations

from collections.abc import Sequence

from cohort.classroom.config import load
from cohort.classroom.outcome import CLEAN, CONFLICT, Outcome, exit_code
from cohort.classroom.roster import read_roster
from cohort.classroom.teams import Teams
from cohort.commands.options import PlanOptions
from cohort.commands.parts import check_engine, one_part
from cohort.output import tables
from cohort.projects.session import over_class, session, update_task
from cohort.projects.workbench import Job

CANARY = 3  # students to begin with


def plan_class(options: PlanOptions) -> int:
    """Show what an update would do."""
    class_ = load(options.folder)
    roster = read_roster(class_, options.only)
    teams = Teams(one_part(roster.students, options.part))
    with (
        session(class_) as at,
        tables.progress("Planning", len(teams.first), options.json) as advance,
    ):
        job = Job(
            options.to or at.releases.newest,
            diffs=options.html is not None or options.json,
            engine=check_engine(options.engine),
        )

        def keep(outcome: Outcome) -> None:
            outcome.compact()
            for name in teams.members(outcome.student):
                at.ledger.keep_plan(name, outcome)
            advance(outcome)

        made = over_class(at, teams.first, update_task(at, job), options.jobs, keep)
    outcomes = teams.rows(made)
    if options.html is not None:
        from cohort.output.plan_page import write_plan_page

        write_plan_page(options.html, job.to, outcomes)
    title = f"Plan for {job.to}: nothing has been written"
    tables.show(title, outcomes, roster, options.json, _advice(options, outcomes))
    return max(exit_code(outcomes), roster.exit_code)


def _advice(options: PlanOptions, outcomes: Sequence[Outcome]) -> str:
    """Say what to do next."""
    page = (
        f"{options.html} shows every change."
        if options.html
        else "`cohort plan --html plan.html` shows every change."
    )
    if not any(outcome.state in (CLEAN, CONFLICT) for outcome in outcomes):
        return page if options.html else ""
    if len(outcomes) > CANARY:
        return (
            f"{page} Next: `cohort update --canary {CANARY}` for the first {CANARY} students, "
            "then `cohort update` for the others."
        )
    return f"{page} Next: `cohort update` writes the branches."
