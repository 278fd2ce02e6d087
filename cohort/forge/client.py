"""The interface of a forge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cohort.classroom.outcome import PullRequest
from cohort.errors import CohortError


class ForgeError(CohortError):
    """A forge could not be reached, or refused."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status  # as HTTP has it; 0 where there was no answer


@dataclass(frozen=True)
class Draft:
    """A pull request to open."""

    branch: str
    title: str
    text: str


class Forge(Protocol):
    """GitHub or GitLab. A project is identified by its full path."""

    def find(self, project: str, branch: str) -> PullRequest | None:
        """Return the open pull request of a branch, or else the newest one; None if there never was one."""

    def open(self, project: str, draft: Draft) -> PullRequest:
        """Open a pull request into the project's default branch, or find the one that is open."""

    def close(self) -> None:
        """Close the connections."""
