"""GitHub, and GitHub Enterprise."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, HttpUrl

from cohort.classroom.outcome import CLOSED, MERGED, OPEN, PullRequest
from cohort.forge.api import Api
from cohort.forge.client import Draft, ForgeError


class Owner(BaseModel):
    login: str


class Repository(BaseModel):
    default_branch: str
    full_name: str
    owner: Owner


class Head(BaseModel):
    ref: str


class Pull(BaseModel):
    number: int
    html_url: HttpUrl
    head: Head
    state: Literal["open", "closed"]
    merged_at: str | None = None


class GitHub:
    def __init__(self, base: str, token: str) -> None:
        headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {token}"}
        self.api = Api(base, {**headers, "X-GitHub-Api-Version": "2022-11-28"})

    def close(self) -> None:
        self.api.close()

    def find(self, project: str, branch: str) -> PullRequest | None:
        """The open pull request of a branch, else the newest one; None when there never was one."""
        return self._find(project, project.partition("/")[0], branch)

    def _find(self, project: str, owner: str, branch: str) -> PullRequest | None:
        head = f"{owner}:{branch}"
        pulls = self.api.get(f"{_repository(project)}/pulls", list[Pull], head=head, state="all")
        pulls = [one for one in pulls if one.head.ref == branch]
        found = sorted(pulls, key=lambda one: (one.state == "open", one.number))
        return _as_request(found[-1]) if found else None

    def open(self, project: str, draft: Draft) -> PullRequest:
        """Open a pull request into the default branch, or find the one that is open."""
        about = self.api.get(_repository(project), Repository)
        try:
            made = self.api.post(
                f"{_repository(about.full_name)}/pulls",
                Pull,
                title=draft.title,
                body=draft.text,
                head=draft.branch,
                base=about.default_branch,
            )
        except ForgeError as error:
            # There is one: the answer to our request was lost, or the project has moved to another owner.
            there = error.status == 422 and self._find(
                about.full_name, about.owner.login, draft.branch
            )
            if there and there.state == OPEN:
                return there
            raise
        return _as_request(made)


def _repository(project: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", project):
        raise ForgeError(f"{project!r} is not a GitHub project such as my-class/ada.")
    return f"/repos/{project}"


def _as_request(pull: Pull) -> PullRequest:
    closed = MERGED if pull.merged_at else CLOSED
    return PullRequest(OPEN if pull.state == "open" else closed, str(pull.html_url), pull.number)
