"""The two errors that end the work on a project."""

from __future__ import annotations


class CohortError(Exception):
    """One sentence: what is wrong, where, and what to do. The command exits with code 3."""

    exit_code = 3


class RefusedError(CohortError):
    """The same, for something that would be unsafe. The command exits with code 4."""

    exit_code = 4
