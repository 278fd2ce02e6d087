"""GitLab, on gitlab.com or another host. Its pull requests are called merge requests."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from pydantic import BaseModel, HttpUrl

from cohort.classroom.outcome import CLOSED, MERGED, OPEN, PullRequest
from cohort.forge.api import Api
from cohort.forge.client import Draft, ForgeError

# A merge request is "locked" while it is being merged.
STATES = {"opened": OPEN, "locked": OPEN, "merged": MERGED, "closed": CLOSED}


class Repository(BaseModel):
    default_branch: str


class MergeRequest(BaseModel):
    iid: int
    web_url: HttpUrl
    source_branch: str
    state: Literal["opened", "locked", "merged", "closed"]


class GitLab:
    def __init__(self, base: str, token: str) -> None:
        self.api = Api(base, {"Authorization": f"Bearer {token}"})

    def close(self) -> None:
        self.api.close()

    def find(self, project: str, branch: str) -> PullRequest | None:
        """Return the open merge request of a branch, or else the newest one; None if there never was one."""
        requests = self.api.get(_requests(project), list[MergeRequest], source_branch=branch)
        requests = [one for one in requests if one.source_branch == branch]
        found = sorted(requests, key=lambda one: (STATES[one.state] == OPEN, one.iid))
        return _as_request(found[-1]) if found else None

    def open(self, project: str, draft: Draft) -> PullRequest:
        """Open a merge request into the default branch, or find the one that is open."""
        about = self.api.get(_project(project), Repository)
        try:
            made = self.api.post(
                _requests(project),
                MergeRequest,
                title=draft.title,
                description=draft.text,
                source_branch=draft.branch,
                target_branch=about.default_branch,
            )
        except ForgeError as error:
            # There is one: the answer to our request was lost.
            there = self.find(project, draft.branch) if error.status == 409 else None
            if there and there.state == OPEN:
                return there
            raise
        return _as_request(made)


def _project(project: str) -> str:
    return f"/projects/{quote(project, safe='')}"


def _requests(project: str) -> str:
    return f"{_project(project)}/merge_requests"


def _as_request(request: MergeRequest) -> PullRequest:
    return PullRequest(STATES[request.state], str(request.web_url), request.iid)
