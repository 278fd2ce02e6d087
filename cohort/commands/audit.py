"""`cohort audit`."""

from __future__ import annotations

from cohort.commands.one_by_one import one_by_one
from cohort.commands.options import Options
from cohort.projects.audit import audit


def audit_class(options: Options) -> int:
    """Which files of ours were changed?"""
    return one_by_one("audit", options, lambda bench, student, _: audit(bench, student))
