"""The commands that go from project to project: rollback, verify, audit, adopt, report."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cohort import showing
from cohort.commands import guarded
from cohort.config import Student, load
from cohort.errors import CohortError
from cohort.outcome import Outcome, exit_code
from cohort.runner import fetch, session
from cohort.stores import open_store
from cohort.work import Bench, check_ours

ROLLED_BACK, NOTHING = "rolled back", "nothing to do"


def rollback_class(folder: Path, to: str, only: list[str] | None, push: bool, as_json: bool) -> int:
    """Delete update branches on which nobody else has committed."""

    def one(bench: Bench, student: Student, to: str) -> Outcome:
        outcome = Outcome(student.name, NOTHING, to=to, branch=bench.class_.branch(to))
        store = open_store(bench.class_, student)
        outcome.before = store.branch(outcome.branch)
        if outcome.before is None:
            return outcome
        check_ours(bench, store, outcome.before, bench.releases.get(to))
        if student.is_remote and not push:
            raise CohortError("its branch is on a server; add --push to delete it there.")
        store.move(outcome.branch, None, outcome.before)
        outcome.state, outcome.wrote = ROLLED_BACK, True
        return outcome

    return _each(folder, "rollback", to, only, as_json, one)


def verify_class(folder: Path, to: str, only: list[str] | None, as_json: bool) -> int:
    """Is every update branch what cohort makes?"""
    from cohort.checking import verify

    return _each(folder, "verify", to, only, as_json, verify)


def audit_class(folder: Path, only: list[str] | None, as_json: bool) -> int:
    """Which files of ours were changed?"""
    from cohort.checking import audit

    return _each(
        folder, "audit", "", only, as_json, lambda bench, student, _: audit(bench, student)
    )


def adopt_class(folder: Path, student: str, answers: list[str], push: bool, as_json: bool) -> int:
    """Give one project a valid answers file, on a branch."""
    from cohort.adopting import adopt

    given = dict(_pair(text) for text in answers)

    def one(bench: Bench, who: Student, _: str) -> Outcome:
        if who.is_remote and not push:
            raise CohortError("it is on a server; add --push to write the branch there.")
        return adopt(bench, who, given)

    return _each(folder, "adopt", "", [student], as_json, one)


def report_class(
    folder: Path,
    to: str,
    only: list[str] | None,
    html: Path,
    checks: Path | None,
    as_json: bool,
) -> int:
    """The page of the class; as JSON, what is on it."""
    from cohort.reporting import read_row, write_page

    class_ = load(folder)
    students = class_.students(only)
    with session(class_) as at, showing.progress("Reading", len(students), as_json) as told:
        release = at.releases.get(to or at.releases.newest)
        fetch(class_, students)
        bench = Bench(class_, at.releases)
        rows = []
        for student in students:
            rows.append(read_row(bench, student, release.name, checks))
            told(student)
        bench.close()
    if as_json:
        print(json.dumps({"projects": [asdict(row) for row in rows]}, indent=2))
        return 0
    write_page(html, release.name, rows)
    helped = sum(bool(row.help) for row in rows)
    print(f"Wrote {html}: {len(rows)} projects, {helped} may need help.")
    return 0


def _each(
    folder: Path, what: str, to: str, only: list[str] | None, as_json: bool, work: Any
) -> int:
    """Do something with one project after the other, and show it."""
    class_ = load(folder)
    students = class_.students(only)
    with session(class_) as at, showing.progress(what.capitalize(), len(students), as_json) as told:
        release = at.releases.get(to or at.releases.newest)
        unreachable = fetch(class_, students)
        bench = Bench(class_, at.releases)
        run = at.ledger.begin(what, release.name)
        outcomes = []
        for student in students:
            outcome = unreachable.get(student.name) or guarded(
                student, lambda one: work(bench, one, release.name)
            )
            at.ledger.note(run, student.name, what, outcome.as_dict())
            outcomes.append(outcome)
            told(outcome)
        at.ledger.end(run)
        bench.close()
    showing.show(what.capitalize(), outcomes, as_json)
    return exit_code(outcomes)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CohortError(f"--answer {text!r}: write name=value.")
    return name, value
