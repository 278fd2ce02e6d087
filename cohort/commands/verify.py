"""`cohort verify`."""

from __future__ import annotations

from collections.abc import Sequence

from cohort.classroom.outcome import ERROR, Outcome
from cohort.commands.one_by_one import one_by_one
from cohort.commands.options import Options
from cohort.projects.verify import verify


def verify_class(options: Options) -> int:
    """Is every update branch what cohort makes?"""
    return one_by_one("verify", options, verify, _advice)


def _advice(outcomes: Sequence[Outcome]) -> str:
    """What to do next."""
    if any(outcome.state == ERROR and outcome.commit for outcome in outcomes):
        return "Next: ask the students listed above what they committed on the branch."
    return ""
