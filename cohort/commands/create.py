"""`cohort create`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cohort.classroom.config import load
from cohort.classroom.outcome import Outcome, exit_code
from cohort.classroom.roster import Roster, Student, read_roster
from cohort.classroom.teams import Teams
from cohort.commands.options import CreateOptions
from cohort.output import tables
from cohort.projects.create import create
from cohort.projects.session import ONLINE, Task, session, work_on
from cohort.projects.workbench import Workbench
from cohort.template.releases import Release
from cohort.text import visible_text


def create_class(options: CreateOptions) -> int:
    """One repository per row; a bad row is named, and the others are made."""
    class_ = load(options.folder)
    roster = read_roster(class_, options.only, options.roster)
    teams = Teams(roster.students)
    with (
        session(class_) as at,
        tables.progress("Creating", len(teams.first), options.json) as advance,
    ):
        release = at.releases.get(options.to or at.releases.newest)
        task = Task(partial(_create, release.name, options.bare), Outcome, ONLINE)
        run = at.ledger.begin("create", release.name)

        def note(outcome: Outcome) -> None:
            outcome.compact()
            outcome.without_empty()
            for name in teams.members(outcome.student):
                at.ledger.note(run, name, "created", outcome)
            advance(outcome)

        made = work_on(at, teams.first, task, options.jobs, note)
        at.ledger.end(run)
    outcomes = teams.rows(made.values())
    if not options.json:
        for line in _notes(roster, release):
            print(visible_text(line))
    advice = _advice(outcomes, roster)
    tables.show("Create", outcomes, roster, options.json, advice)
    return max(exit_code(outcomes), roster.exit_code)


def _create(release: str, bare: bool, bench: Workbench, student: Student) -> Outcome:
    return create(bench, student, bench.releases.get(release), bare)


def _notes(roster: Roster, release: Release) -> list[str]:
    """What an instructor may want to correct in the roster."""
    others = [name for name in roster.columns if name not in release.shared.questions_data]
    notes = [f"{roster.name}, {note}." for note in roster.notes]
    if others:
        notes.append(
            f"{roster.name}: the template {release.name} has no question {', '.join(others)}; "
            "kept, and shown in --json."
        )
    return notes


def _advice(outcomes: Sequence[Outcome], roster: Roster) -> str:
    """What to do next."""
    if roster.problems or exit_code(outcomes):
        return "Next: correct the problems above and run `cohort create` again; existing repositories stay as they are."
    return "Next: `cohort status` shows where each project stands." if outcomes else ""
