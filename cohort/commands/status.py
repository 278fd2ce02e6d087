"""`cohort status`."""

from __future__ import annotations

import time
from collections.abc import Sequence

from cohort.classroom.config import load
from cohort.classroom.ledger import Ledger
from cohort.classroom.outcome import CONFLICT, REFUSED, WORDS
from cohort.classroom.roster import read_roster
from cohort.classroom.teams import Teams, once
from cohort.commands.options import Options
from cohort.forge.pull_requests import PullRequests
from cohort.git import process
from cohort.output.tables import BLOCK, print_json, print_problems, progress, text_table
from cohort.projects.status import KNOWN, Standing, look
from cohort.text import count_of, visible_text

COLUMNS = (
    *("student", "release", "behind", "branch", "last update"),
    *("open checks", "next update", "notes"),
)


def show_status(options: Options, dirty: bool) -> int:
    """Print where each project stands; returns the exit code."""
    class_ = load(options.folder)
    roster = read_roster(class_, options.only)
    teams = Teams(roster.students)
    students = teams.first
    process.prepare(class_.home)
    ledger = Ledger(class_.cache)
    updated = ledger.last_update()
    plans = ledger.plans(class_.releases[-1])
    with PullRequests(class_, ledger) as requests:
        requests.refresh(students, class_.branches)
    ledger.close()
    read = []
    with progress("Reading", len(students), options.json) as advance:
        looked = look(class_, students, dirty, options.jobs)
        for student, standing in zip(students, looked, strict=True):
            standing.updated = updated.get(standing.student)
            standing.to_come = _to_come(standing, plans.get(standing.student))
            standing.pull_request = requests.newest(student, class_.branches)
            read.append(standing)
            advance(standing)
    standings = teams.rows(read)
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
    return f"{WORDS[state]}: {', '.join(paths)}" if state == CONFLICT else WORDS[state]


def _checks(standing: Standing) -> str:
    """How many of a project's checks are open, as its CI said."""
    if standing.checks is None:
        return ""
    return f"{len(standing.checks)}{' (older commit)' * (standing.checked == 'older')}"


def _cells(one: Standing, dirty: bool) -> list[str]:
    when = time.strftime("%Y-%m-%d", time.localtime(one.updated)) if one.updated else ""
    behind = {0: "no", 1: "1 release"}.get(one.behind, f"{one.behind} releases")
    waiting = " ".join(text for text in (one.branch, str(one.pull_request or "")) if text)
    cells = [one.student, one.release, behind if one.state == KNOWN else "", waiting, when]
    if dirty:
        cells.insert(3, {True: "yes", False: "no", None: ""}[one.dirty])
    same = f"the same repository as {one.same_as}" if one.same_as else ""
    known = "; ".join(text for text in (one.message, same) if text)
    return [*cells, _checks(one), one.to_come or "", known]


def _table(standings: list[Standing], dirty: bool) -> None:
    columns = [*COLUMNS]
    if dirty:
        columns.insert(3, "uncommitted work")
    for start in range(0, max(1, len(standings)), BLOCK):
        rows = [
            [visible_text(cell) for cell in _cells(one, dirty)]
            for one in standings[start : start + BLOCK]
        ]
        print("", *text_table(columns, rows), "", sep="\n")
    counted = once(standings)  # a team's repository once
    behind = sum(one.behind > 0 for one in counted)
    known = sum(one.state == KNOWN for one in counted)
    read = f"{known:,} of {count_of(len(counted), 'repository')} read, {behind:,} behind."
    print(f"{read} {_advice(counted)}".rstrip())


def _advice(standings: Sequence[Standing]) -> str:
    """What to do next."""
    if any(one.behind and one.to_come is None for one in standings):
        return "Next: `cohort plan` shows what an update would change."
    if any(one.behind and not one.branch for one in standings):
        return "Next: `cohort update` writes the branches."
    if any(one.behind for one in standings):
        return "Next: each student reviews and merges the branch."
    return ""
