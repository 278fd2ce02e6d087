"""Where a student's commits are: a folder on this disk, or a server behind a cache of ours."""

from __future__ import annotations

import hashlib
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from cohort.classroom.config import Class
from cohort.classroom.roster import Student
from cohort.errors import CohortError
from cohort.git import process
from cohort.git import references as local
from cohort.git.references import Head

T = TypeVar("T")
CONNECTIONS = 16  # at a time
TRIES = 3
PAUSE = 0.5  # seconds, doubled after each try
SECONDS = 120  # for one connection
OURS = "refs/cohort/theirs/"
NOTES = "refs/notes/capstone/check"  # where a project's CI leaves what `capstone check` said
# What is worth another try; anything else is not mended by waiting.
PASSING = (
    "timed out",
    "could not resolve",
    "connection",
    "took more than",
    "early eof",
    "hung up",
    "429",
    "503",
)


class Store(Protocol):
    """What the engine needs of a repository."""

    objects: Path

    def head(self) -> Head: ...
    def branch(self, name: str) -> str | None: ...
    def notes(self) -> str | None: ...
    def move(self, name: str, commit: str | None, expected: str | None) -> None: ...


class Local:
    """A repository on this disk, bare or with a work tree, of which only objects and references are used."""

    def __init__(self, project: Path) -> None:
        self.folder = local.git_folder(project)
        self.objects = self.folder / "objects"

    def head(self) -> Head:
        return local.read_head(self.folder)

    def branch(self, name: str) -> str | None:
        return local.read_branch(self.folder, name)

    def notes(self) -> str | None:
        return local.read_reference(self.folder, NOTES)

    def move(self, name: str, commit: str | None, expected: str | None) -> None:
        if self.head().branch == name:
            raise CohortError(
                f"its current branch is {name}: cohort never moves it; check out another."
            )
        local.write_branch(self.folder, name, commit, expected)


class Remote:
    """A repository on a server: fetched into a bare repository of ours, pushed from there."""

    def __init__(self, class_: Class, student: Student) -> None:
        self.class_, self.url = class_, student.repository
        key = hashlib.sha256(self.url.encode()).hexdigest()[:24]
        self.folder = class_.cache / "projects" / f"{key}.git"
        self.objects = self.folder / "objects"

    def fetch(self) -> None:
        """One connection: the newest commit, cohort's branches and CI's note. A damaged cache is remade."""
        try:
            self._fetch()
        except process.GitError as error:
            if not self.folder.exists() or any(text in str(error).lower() for text in PASSING):
                raise
            shutil.rmtree(self.folder)
            self._fetch()

    def _fetch(self) -> None:
        process.make_bare(self.folder)
        pattern = f"{self.class_.settings.class_.branch_prefix}*"
        notes = NOTES.rpartition("/")[0]  # with a star, since most repositories have none
        wanted = (
            "+HEAD:refs/cohort/head",
            f"+refs/heads/{pattern}:{OURS}{pattern}",
            f"+{notes}/*:{notes}/*",
        )
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--prune", "--depth=1")
        command = ("fetch", *options, "--", self.url, *wanted)
        patiently(
            lambda: process.run(self.class_.home, *command, git_dir=self.folder, seconds=SECONDS)
        )

    def has_branches(self) -> bool:
        """Is anything on the server yet? One connection."""
        command = ("ls-remote", "--heads", "--", self.url)
        listed = patiently(lambda: process.run(self.class_.home, *command, seconds=SECONDS))
        return bool(listed.strip())

    def head(self) -> Head:
        commit = local.read_plain_ref(self.folder / "refs" / "cohort" / "head")
        if commit is None:
            raise CohortError(f"{self.url} has no commit; push one first.")
        return Head("", commit)

    def branch(self, name: str) -> str | None:
        return local.read_plain_ref(self.folder / OURS / name)

    def notes(self) -> str | None:
        return local.read_plain_ref(self.folder / NOTES)

    def move(self, name: str, commit: str | None, expected: str | None) -> None:
        """Push: only if the server's branch is as it was when it was fetched."""
        ref = f"refs/heads/{name}"
        lease = f"--force-with-lease={ref}:{expected or ''}"
        command = ("push", "--quiet", "--porcelain", "--no-verify", lease, "--", self.url)
        patiently(
            lambda: process.run(
                self.class_.home,
                *command,
                f"{commit or ''}:{ref}",
                git_dir=self.folder,
                seconds=SECONDS,
            )
        )


def open_store(class_: Class, student: Student) -> Local | Remote:
    """A student's repository."""
    return Remote(class_, student) if student.is_remote else Local(Path(student.repository))


def patiently(work: Callable[[], T]) -> T:
    """Do it again, later and later, while the network is to blame."""
    for attempt in range(1, TRIES + 1):
        try:
            return work()
        except process.GitError as error:
            passing = any(text in str(error).lower() for text in PASSING)
            if attempt == TRIES or not passing:
                raise
            time.sleep(PAUSE * 2**attempt * (0.5 + random.random()))
    raise AssertionError("never reached")
