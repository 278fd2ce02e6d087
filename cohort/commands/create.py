"""`cohort create`."""

from __future__ import annotations

from cohort.classroom.config import load
from cohort.classroom.outcome import exit_code
from cohort.classroom.roster import Roster, read_roster
from cohort.commands.options import CreateOptions
from cohort.output import tables
from cohort.projects.create import create
from cohort.projects.isolation import isolated
from cohort.projects.session import session
from cohort.projects.workbench import Workbench
from cohort.template.releases import Release


def create_class(options: CreateOptions) -> int:
    """One repository per row; a bad row is named, and the others are made."""
    class_ = load(options.folder)
    roster = read_roster(class_, options.only, options.roster)
    with (
        session(class_) as at,
        tables.progress("Creating", len(roster.students), options.json) as advance,
    ):
        release = at.releases.get(options.to or at.releases.newest)
        bench = Workbench(class_, at.releases)
        run = at.ledger.begin("create", release.name)
        outcomes = []
        waiting = roster.students[::-1]
        if not options.json:  # a row is forgotten once its project is made: there are thousands
            roster.students.clear()
        try:
            while waiting:
                student = waiting.pop()
                outcome = isolated(student, lambda one: create(bench, one, release, options.bare))
                at.ledger.note(run, student.name, "created", outcome.as_dict())
                outcomes.append(outcome.without_empty())
                advance(outcome)
        finally:
            bench.close()
        at.ledger.end(run)
    tables.show("Created", outcomes, roster, options.json)
    if not options.json:
        for note in _notes(roster, release):
            print(tables.plain_text(note))
    return max(exit_code(outcomes), roster.exit_code)


def _notes(roster: Roster, release: Release) -> list[str]:
    """What an instructor may want to correct in the roster."""
    others = [name for name in roster.columns if name not in release.shared["questions_data"]]
    notes = [f"{roster.name}, {note}." for note in roster.notes]
    if others:
        notes.append(
            f"{roster.name}: {release.name} of the template asks no question {', '.join(others)}; "
            "kept, and passed on in --json."
        )
    return notes
