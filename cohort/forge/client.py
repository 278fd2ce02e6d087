"""What cohort asks of a forge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cohort.classroom.outcome import PullRequest
from cohort.errors import CohortError


class ForgeError(CohortError):
    """A forge could not be asked, or said no."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status  # as HTTP has it; 0 where there was no answer


@dataclass(frozen=True)
class Draft:
    """A pull request that is to be opened."""

    branch: str
    title: str
    text: str


class Forge(Protocol):
    """GitHub or GitLab. A project is named by its whole path."""

    def find(self, project: str, branch: str) -> PullRequest | None:
        """The open pull request of a branch, else the newest one; None when there never was one."""

    def open(self, project: str, draft: Draft) -> PullRequest:
        """Open a pull request into the project's default branch, or find the one that is open."""

    def close(self) -> None:
        """End the connections."""
