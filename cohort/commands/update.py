"""`cohort update`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from cohort.classroom.config import Class, load
from cohort.classroom.outcome import CLEAN, CONFLICT, Outcome, exit_code
from cohort.classroom.roster import Student, read_roster
from cohort.classroom.stores import open_store
from cohort.classroom.teams import Teams, once
from cohort.commands.options import UpdateOptions
from cohort.commands.parts import check_engine, one_part, parts_of
from cohort.forge.pull_requests import PullRequests
from cohort.output import tables
from cohort.projects.isolation import isolated
from cohort.projects.session import over_class, push, session, update_task
from cohort.projects.workbench import Job
from cohort.text import count_of


def update_class(options: UpdateOptions) -> int:
    """Write the branches; with --push, also on servers."""
    class_ = load(options.folder)
    roster = read_roster(class_, options.only)
    teams = Teams(one_part(roster.students, options.part)[: options.canary or None])
    students = teams.first
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
            for name in teams.members(outcome.student):
                at.ledger.note(run, name, "prepared" if waits else "done", outcome)
                at.ledger.keep_plan(name, outcome)
            advance(outcome)

        def note_request(outcome: Outcome) -> None:
            for name in teams.members(outcome.student):
                at.ledger.note(run, name, "pull request", outcome)

        due = [student for student in students if student.name not in finished]
        made = {
            one.student: one
            for one in over_class(at, due, update_task(at, job), options.jobs, note)
        }
        outcomes = finished | made
        if options.push:
            with PullRequests(class_, at.ledger, parts_of(options.part)[1]) as requests:
                push(at, due, list(made.values()), note, requests)
                requests.look_after(((one, outcomes[one.name]) for one in students), note_request)
                others = [one for one in students if outcomes[one.name].pull_request is None]
                requests.refresh(others, class_.branches)
        at.ledger.end(run)
    rows = teams.rows(outcomes.values())
    advice = _advice(once(rows), remote if not options.push else set())
    tables.show(f"Update to {job.to}", rows, roster, options.json, advice)
    return max(exit_code(rows), roster.exit_code)


def _advice(outcomes: Sequence[Outcome], unpushed: Collection[str]) -> str:
    """Say what was written, and what to do next."""
    there = [outcome for outcome in outcomes if outcome.commit]
    if not there:
        return ""
    if any(outcome.student in unpushed for outcome in there):
        return "Nothing has been pushed. Next: `cohort update --push` writes the branches on the servers."
    new = sum(outcome.wrote for outcome in there)
    written = f"{count_of(new, 'branch')} written" if new else "No branch has changed"
    return f"{written}. Next: each student reviews and merges {there[0].branch}."


def _still_true(
    class_: Class, students: Sequence[Student], done: Mapping[str, Outcome]
) -> dict[str, Outcome]:
    """Return the outcomes of an earlier run for students who have not committed since."""
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
