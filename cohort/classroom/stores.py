"""Where a student's commits are: a folder on this disk, or a server behind a cache of ours."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from cohort.classroom.config import Class
from cohort.classroom.roster import Student
from cohort.errors import CohortError
from cohort.git import network, process
from cohort.git import references as local
from cohort.git.references import Head

T = TypeVar("T")
CONNECTIONS = 16  # at a time
SECONDS = network.SECONDS  # for one connection
TRIES = 3
PAUSE = 0.5  # seconds, doubled after each try
LONGEST_WAIT = 120  # seconds that a server may ask for, once
OURS = "refs/cohort/theirs/"
NOTES = "refs/notes/capstone/check"  # where a project's CI leaves what `capstone check` said


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
                f"its current branch is {name}: cohort never moves it; check out another branch."
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
        except network.ServerError as error:
            if error.passing or not self.folder.exists():
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
        self._contact(*command)

    def _contact(self, *command: str) -> bytes:
        files = self.class_.settings.forge.file_remotes
        return patiently(
            lambda: network.contact(self.folder, *command, files=files, seconds=SECONDS)
        )

    def has_branches(self) -> bool:
        """Is anything on the server yet? One connection."""
        process.make_bare(self.folder)
        return bool(self._contact("ls-remote", "--heads", "--", self.url).strip())

    def head(self) -> Head:
        commit = local.read_plain_ref(self.folder / "refs" / "cohort" / "head")
        if commit is None:
            where = network.without_password(self.url)
            raise CohortError(f"{where} has no commit; push one first.")
        return Head("", commit)

    def branch(self, name: str) -> str | None:
        return local.read_plain_ref(self.folder / OURS / name)

    def notes(self) -> str | None:
        return local.read_plain_ref(self.folder / NOTES)

    def move(self, name: str, commit: str | None, expected: str | None) -> None:
        """Push: only if the server's branch is as it was when it was fetched."""
        ref = f"refs/heads/{name}"
        lease = f"--force-with-lease={ref}:{expected or ''}"
        options = ("--quiet", "--porcelain", "--no-verify", lease)
        if commit is not None:
            self._know_parents_of(commit)
        self._contact("push", *options, "--", self.url, f"{commit or ''}:{ref}")

    def _know_parents_of(self, commit: str) -> None:
        """Let a commit of ours have parents again.

        A fetch that is one commit deep notes in `shallow` that the history begins with each commit it got: also with
        the update that cohort pushed, whose parent is here. Once that branch is gone from the server, git
        would offer it a history that begins there, and be refused ("shallow update not allowed").
        """
        path = self.folder / "shallow"
        if not path.exists():
            return
        lines = path.read_text(encoding="ascii").splitlines()
        if commit in lines:
            beside = path.with_name(f"shallow.{os.getpid()}")
            beside.write_text("".join(f"{one}\n" for one in lines if one != commit), "ascii")
            beside.replace(path)


def open_store(class_: Class, student: Student) -> Local | Remote:
    """A student's repository."""
    return Remote(class_, student) if student.is_remote else Local(Path(student.repository))


def patiently(work: Callable[[], T]) -> T:
    """Do it again while the network is to blame: when the server said, or later and later."""
    for attempt in range(1, TRIES + 1):
        try:
            return work()
        except network.ServerError as error:
            wait = error.wait
            if attempt == TRIES or not error.passing or (wait or 0) > LONGEST_WAIT:
                raise
            time.sleep(wait if wait is not None else PAUSE * 2**attempt * (0.5 + random.random()))
    raise AssertionError("never reached")
