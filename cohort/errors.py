"""The two ways in which work on a project ends early."""

from __future__ import annotations


class CohortError(Exception):
    """One sentence: what is wrong, where, what to do. The command ends with code 3."""

    exit_code = 3


class RefusedError(CohortError):
    """The same, for what would not be safe. The command ends with code 4."""

    exit_code = 4
