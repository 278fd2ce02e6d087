"""`cohort status`."""

from __future__ import annotations

import time

from cohort.classroom.config import load
from cohort.classroom.ledger import Ledger
from cohort.classroom.outcome import CONFLICT, REFUSED, WORDS
from cohort.classroom.roster import read_roster
from cohort.commands.options import Options
from cohort.git import process
from cohort.output.tables import (
    BLOCK,
    plain_text,
    print_json,
    print_problems,
    progress,
    text_table,
)
from cohort.projects.status import KNOWN, Standing, look

COLUMNS = (
    *("student", "release", "behind", "update waiting", "last update"),
    *("checks open", "update to come", "what to know"),
)


def show_status(options: Options, dirty: bool) -> int:
    """Print where each project stands; returns the exit code."""
    class_ = load(options.folder)
    roster = read_roster(class_, options.only)
    students = roster.students
    process.prepare(
        class_.home,
        files=class_.settings.forge.file_remotes,
        network=any(s.is_remote for s in students),
    )
    ledger = Ledger(class_.cache)
    updated = ledger.last_update()
    plans = ledger.plans(class_.releases[-1])
    ledger.close()
    standings = []
    with progress("Reading", len(students), options.json) as advance:
        for standing in look(class_, students, dirty, options.jobs):
            standing.updated = updated.get(standing.student)
            standing.to_come = _to_come(standing, plans.get(standing.student))
            standings.append(standing)
            advance(standing)
    if options.json:
        print_json([standing.as_dict() for standing in standings], roster)
    else:
        _table(standings, dirty)
        print_problems(roster.problems)
    states = {standing.state for standing in standings}
    if REFUSED in states:
        return 4
    return 3 if states - {KNOWN} else roster.exit_code


def _to_come(standing: Standing, plan: tuple[str, str, list[str]] | None) -> str | None:
    """What the newest plan said, if the student has not committed since."""
    if plan is None or not standing.behind or plan[0] != standing.head:
        return None
    _, state, paths = plan
    return f"conflict: {', '.join(paths)}" if state == CONFLICT else WORDS[state]


def _checks(standing: Standing) -> str:
    """How many of a project's checks are open, as its CI said."""
    if standing.checks is None:
        return ""
    return f"{len(standing.checks)}{' (older commit)' * (standing.checked == 'older')}"


def _cells(one: Standing, dirty: bool) -> list[str]:
    when = time.strftime("%Y-%m-%d", time.localtime(one.updated)) if one.updated else ""
    behind = {0: "no", 1: "1 release"}.get(one.behind, f"{one.behind} releases")
    cells = [one.student, one.release, behind if one.state == KNOWN else "", one.branch, when]
    if dirty:
        cells.insert(3, {True: "yes", False: "no", None: ""}[one.dirty])
    return [*cells, _checks(one), one.to_come or "", one.message]


def _table(standings: list[Standing], dirty: bool) -> None:
    columns = [*COLUMNS]
    if dirty:
        columns.insert(3, "uncommitted work")
    for start in range(0, max(1, len(standings)), BLOCK):
        rows = [
            [plain_text(cell) for cell in _cells(one, dirty)]
            for one in standings[start : start + BLOCK]
        ]
        print("", *text_table(columns, rows), "", sep="\n")
    behind_count = sum(one.behind > 0 for one in standings)
    known = sum(one.state == KNOWN for one in standings)
    said = f"{known} of {len(standings)} read; {behind_count} behind."
    if any(one.behind and one.to_come is None for one in standings):
        said += " `cohort plan` finds out what an update meets."
    print(said)
