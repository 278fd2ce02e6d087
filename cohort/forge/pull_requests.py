"""Pull requests that are looked after: one for each branch, with its state in the ledger.

A branch is marked as wanting a pull request before it is pushed. So one that could not be opened (no login yet,
too many at a time, killed after the push) is opened by the next `cohort update --push`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar
from urllib.parse import urlsplit

from cohort import faults
from cohort.classroom.config import Class
from cohort.classroom.ledger import Ledger
from cohort.classroom.outcome import CLEAN, CONFLICT, MISSING, OPEN, Outcome, PullRequest
from cohort.classroom.roster import Student
from cohort.errors import CohortError
from cohort.forge import login
from cohort.forge.address import Project, api_of, project_of
from cohort.forge.client import Draft, Forge

A_MINUTE = 60  # pull requests; GitHub allows 80 calls that create something
ADVICE = """\
Your course opened this pull request. It updates the template's files and keeps every line of yours.
Read the changes, let the tests run, then merge it. If you don't want it, close the pull request: nothing will change.

"""
CONNECTIONS = 4  # at a time, for questions; GitHub wants few
T = TypeVar("T")
Found = PullRequest | CohortError | None
NOT_ASKED = PullRequest(MISSING, why="it has not been opened yet")


def text_for(outcome: Outcome) -> tuple[str, str]:
    """A pull request's title and text."""
    title, _, rest = outcome.text.partition("\n")
    return title, ADVICE + rest.strip() + "\n"


@dataclass
class Forges:
    """The forges of a class, each connected to when it is first asked."""

    class_: Class
    _connected: dict[str, Forge | CohortError] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, student: Student) -> tuple[Forge, str]:
        """The forge of a student's repository, and the project's path there. Raises CohortError."""
        settings = self.class_.settings.forge
        project = project_of(student.repository)
        if project is None:
            raise CohortError(f"{student.place} is not the address of a project on a forge.")
        base = settings.api or api_of(settings.kind, project.host)
        with self._lock:
            if base not in self._connected:
                host = _host(settings.api) if settings.api else project.host
                self._connected[base] = self._connect(base, host)
        forge = self._connected[base]
        if isinstance(forge, CohortError):
            raise forge
        return forge, _below(project, settings.api)

    def close(self) -> None:
        for forge in self._connected.values():
            if not isinstance(forge, CohortError):
                forge.close()

    def _connect(self, base: str, host: str) -> Forge | CohortError:
        kind = self.class_.settings.forge.kind

        def log_in() -> Forge:
            token = login.token_for(kind, host, self._named())
            if token is None:
                raise CohortError(_advice(kind, host))
            return connect(kind, base, token)

        return attempt(host, log_in)

    def _named(self) -> frozenset[str]:
        """The hosts that class.toml names: a token from the environment may go there."""
        settings = self.class_.settings
        remote = project_of(settings.class_.remote)
        return frozenset({_host(settings.forge.api), remote.host if remote else ""} - {""})


def connect(kind: str, base: str, token: str) -> Forge:
    """A forge's API. Its libraries are loaded only where one is asked."""
    if kind == "gitlab":
        from cohort.forge.gitlab import GitLab

        return GitLab(base, token)
    from cohort.forge.github import GitHub

    return GitHub(base, token)


def _host(address: str) -> str:
    return urlsplit(address).netloc.lower()


def _below(project: Project, api: str) -> str:
    """A project's path, where a forge is not at the top of its host (https://example.edu/gitlab/api/v4)."""
    top, _, _ = urlsplit(api).path.strip("/").partition("api/v")
    return project.path.removeprefix(top)


def _advice(kind: str, host: str) -> str:
    command = {"github": "gh", "gitlab": "glab"}[kind]
    names = login.variables(kind, host)
    return (
        f"nobody is logged in to {host}: run `{command} auth login --hostname {host}`, or set {names[0]} (for a host "
        "that class.toml names in [class] remote or [forge] api), then run `cohort update --push` again."
    )


class PullRequests:
    """The pull requests of a class, as the ledger and the forge know them."""

    def __init__(self, class_: Class, ledger: Ledger, machines: int = 1) -> None:
        self.wanted = class_.settings.forge.kind != "none"
        self._forges, self._ledger = Forges(class_), ledger
        self._known = ledger.pull_requests()
        # Machines that share a class share the forge's limit too.
        self._pause = 60 / A_MINUTE * machines
        self._next = 0.0

    def __enter__(self) -> PullRequests:
        return self

    def __exit__(self, *_: object) -> None:
        self._forges.close()

    def known(self, student: Student, branch: str) -> PullRequest | None:
        """What the ledger knows of a branch's pull request."""
        return self._known.get(student.place, {}).get(branch)

    def expect(self, student: Student, branch: str) -> None:
        """Mark a branch that is about to be new on the server."""
        if self.wanted:
            self._keep(student, branch, NOT_ASKED)

    def look_after(
        self, outcomes: Iterable[tuple[Student, Outcome]], changed: Callable[[Outcome], None]
    ) -> None:
        """Find or open the pull request of each branch that is on its server; `changed`: it is news."""
        due = [
            (student, outcome)
            for student, outcome in outcomes
            if self.wanted and outcome.pushed and outcome.state in (CLEAN, CONFLICT)
        ]
        branches = [(student, outcome.branch) for student, outcome in due]
        for (student, outcome), found in zip(due, self._find(branches), strict=True):
            known = self.known(student, outcome.branch)
            outcome.pull_request = self._open_missing(student, outcome, found)
            self._keep(student, outcome.branch, outcome.pull_request)
            if outcome.pull_request != known:
                changed(outcome)

    def refresh(self, students: Iterable[Student], branches: Sequence[str]) -> None:
        """Ask for the state of those that were open: merged, closed?"""
        were_open = [
            (student, branch)
            for student in students
            for branch in branches
            if self.wanted and (known := self.known(student, branch)) and known.state == OPEN
        ]
        for (student, branch), found in zip(were_open, self._find(were_open), strict=True):
            known = self._known[student.place][branch]
            request = _not_asked(known, found) if isinstance(found, CohortError) else found
            self._keep(student, branch, request or known)

    def _find(self, branches: Sequence[tuple[Student, str]]) -> Iterator[Found]:
        """What the forge has for each branch, several at a time, in their order."""

        def find(asked: tuple[Student, str]) -> Found:
            def look() -> PullRequest | None:
                forge, project = self._forges.of(asked[0])
                return forge.find(project, asked[1])

            return attempt(asked[0].name, look)

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            yield from pool.map(find, branches)

    def _open_missing(self, student: Student, outcome: Outcome, found: Found) -> PullRequest:
        """A closed one is the student's answer, unless it belongs to an earlier branch of the name."""
        known = self.known(student, outcome.branch)
        if isinstance(found, CohortError):
            return _not_asked(known, found)
        new = known is not None and known.state == MISSING
        if found is not None and (found.state == OPEN or not new):
            return found
        made = attempt(student.name, lambda: self._open(student, outcome))
        return _not_asked(known, made) if isinstance(made, CohortError) else made

    def newest(self, student: Student, branches: Sequence[str]) -> PullRequest | None:
        """The pull request of the newest branch that has one. `branches`: oldest first."""
        found = [request for branch in branches if (request := self.known(student, branch))]
        return found[-1] if found else None

    def _open(self, student: Student, outcome: Outcome) -> PullRequest:
        """One after the other, no faster than the forge allows."""
        forge, project = self._forges.of(student)
        time.sleep(max(0.0, self._next - time.monotonic()))
        try:
            return forge.open(project, Draft(outcome.branch, *text_for(outcome)))
        finally:
            self._next = time.monotonic() + self._pause

    def _keep(self, student: Student, branch: str, request: PullRequest) -> None:
        self._known.setdefault(student.place, {})[branch] = request
        self._ledger.keep_pull_request(student.place, branch, request)


def attempt(about: str, work: Callable[[], T]) -> T | CohortError:
    """One student's pull request stands in nobody else's way, whatever goes wrong with it."""
    try:
        return work()
    except Exception as error:
        return CohortError(faults.sentence(error, about))


def _not_asked(known: PullRequest | None, error: CohortError) -> PullRequest:
    """A pull request that was seen is still there, though its state is not the newest."""
    if known is None or known.state == MISSING:
        return PullRequest(MISSING, why=str(error))
    return replace(known, why=f"the last known state, because {error}")
