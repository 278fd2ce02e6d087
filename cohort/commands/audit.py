"""`cohort audit`."""

from __future__ import annotations

from collections.abc import Sequence

from cohort.classroom.outcome import Outcome
from cohort.classroom.roster import Student
from cohort.commands.one_by_one import one_by_one
from cohort.commands.options import Options
from cohort.projects.audit import audit
from cohort.projects.workbench import Workbench


def audit_class(options: Options) -> int:
    """Which files of ours were changed?"""
    return one_by_one("audit", options, _audit, _advice)


def _audit(bench: Workbench, student: Student, _: str) -> Outcome:
    return audit(bench, student)


def _advice(outcomes: Sequence[Outcome]) -> str:
    """What to do next."""
    if any(outcome.conflicts for outcome in outcomes):
        return "Next: ask these students about the protected files listed above."
    return ""
