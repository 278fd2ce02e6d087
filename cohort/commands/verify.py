"""`cohort verify`."""

from __future__ import annotations

from cohort.commands.one_by_one import one_by_one
from cohort.commands.options import Options
from cohort.projects.verify import verify


def verify_class(options: Options) -> int:
    """Is every update branch what cohort makes?"""
    return one_by_one("verify", options, verify)
