"""The ledger: what was done to whom, and when. One SQLite file beside the caches."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cohort.classroom.outcome import CLEAN, CONFLICT, Outcome, PullRequest
from cohort.errors import CohortError
from cohort.text import to_json

LAST_PROJECT = 30.0  # seconds for the processes of a cohort that was killed
# How the tables came to be: each script brings a ledger from one version to the next. A ledger's version is
# SQLite's `user_version`. Those of cohort 0.1, which are version 0, may have the first tables already.
MIGRATIONS = (
    """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, command TEXT, target TEXT, started REAL, ended REAL);
CREATE TABLE IF NOT EXISTS steps (
    run INTEGER REFERENCES runs, student TEXT, step TEXT, at REAL, about TEXT);
CREATE INDEX IF NOT EXISTS steps_of_student ON steps (student, at);
CREATE TABLE IF NOT EXISTS releases (name TEXT PRIMARY KEY, commit_name TEXT);
CREATE TABLE IF NOT EXISTS plans (
    student TEXT PRIMARY KEY, target TEXT, head TEXT, state TEXT, paths TEXT);
""",
    """
CREATE TABLE pull_requests (
    repository TEXT, branch TEXT, number INTEGER, url TEXT, state TEXT, why TEXT, at REAL,
    PRIMARY KEY (repository, branch));
""",
)


@dataclass(frozen=True)
class Record:
    """What is known of a student's repository, whatever became of its history."""

    commit: str  # that cohort made first; empty if it did not
    releases: frozenset[str]  # that the project was seen at


@dataclass(frozen=True)
class Step:
    """One thing that was done to a student's repository."""

    command: str
    target: str
    step: str
    at: float  # seconds since 1970
    about: Outcome


class Ledger:
    """What happened. A step is on disk when `note` returns, so a killed run can be resumed."""

    def __init__(self, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            cache / "ledger.sqlite", isolation_level=None, timeout=30
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA cache_size = -200")  # KB: nothing is read twice
        try:
            self._migrate(cache)
        except BaseException:
            self._connection.close()
            raise

    def _migrate(self, cache: Path) -> None:
        """Bring the tables to this version: each step whole or not at all, whoever else opens the ledger now."""
        if self._version() > len(MIGRATIONS):
            raise CohortError(
                f"{cache / 'ledger.sqlite'} was written by a newer version of cohort; update cohort and run again."
            )
        while self._version() < len(MIGRATIONS):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                version = self._version()
                if version < len(MIGRATIONS):
                    for statement in MIGRATIONS[version].split(";"):
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version = {version + 1}")
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    def close(self) -> None:
        self._connection.close()

    def begin(self, command: str, target: str) -> int:
        """A new run; returns its number."""
        row = (command, target, time.time())
        made = self._connection.execute(
            "INSERT INTO runs (command, target, started) VALUES (?, ?, ?)", row
        )
        return int(made.lastrowid or 0)

    def end(self, run: int) -> None:
        self._connection.execute("UPDATE runs SET ended = ? WHERE id = ?", (time.time(), run))

    def unfinished(self, command: str, target: str) -> int | None:
        """The newest run of this kind, if it did not come to its end."""
        row = self._connection.execute(
            "SELECT id, ended FROM runs WHERE command = ? AND target = ? ORDER BY id DESC LIMIT 1",
            (command, target),
        ).fetchone()
        return row[0] if row and row[1] is None else None

    def note(self, run: int, student: str, step: str, outcome: Outcome) -> None:
        """Write down what came of a step."""
        row = (run, student, step, time.time(), to_json(outcome.as_dict()))
        self._connection.execute("INSERT INTO steps VALUES (?, ?, ?, ?, ?)", row)

    def steps(self, run: int, step: str) -> dict[str, Outcome]:
        """What was written down for a step of a run, per student."""
        rows = self._connection.execute(
            "SELECT student, about FROM steps WHERE run = ? AND step = ? ORDER BY at", (run, step)
        )
        return {student: Outcome.from_json(about) for student, about in rows}

    def history(self, student: str, most: int = 20) -> list[Step]:
        """What was done to a student's repository, newest first."""
        rows = self._connection.execute(
            "SELECT runs.command, target, step, at, about FROM steps JOIN runs ON runs.id = run "
            "WHERE student = ? ORDER BY at DESC LIMIT ?",
            (student, most),
        )
        return [
            Step(command, target, step, at, Outcome.from_json(about))
            for command, target, step, at, about in rows
        ]

    def last_update(self) -> dict[str, float]:
        """When each student's newest update was written, of those that were not rolled back."""
        rows = self._connection.execute(
            "SELECT student, MAX(at) FROM steps AS written WHERE step = 'done' AND "
            "json_extract(about, '$.wrote') AND NOT EXISTS (SELECT 1 FROM steps AS later WHERE "
            "later.student = written.student AND later.at > written.at AND later.step = 'rollback' "
            "AND json_extract(later.about, '$.wrote') AND json_extract(later.about, '$.branch') = "
            "json_extract(written.about, '$.branch')) GROUP BY student"
        )
        return dict(rows.fetchall())

    def records(self) -> dict[str, Record]:
        """What is known of each student's repository."""
        seen = self._connection.execute(
            "SELECT student, json_group_array(DISTINCT json_extract(about, '$.now')) "
            "FROM steps GROUP BY student"
        )
        made = self._connection.execute(
            "SELECT student, json_extract(about, '$.commit'), MAX(at) FROM steps "
            "WHERE step = 'created' AND json_extract(about, '$.state') = 'created' GROUP BY student"
        )
        commits = {student: commit for student, commit, _ in made}
        return {
            student: Record(commits.get(student, ""), frozenset(filter(None, json.loads(releases))))
            for student, releases in seen
        }

    def keep_plan(self, student: str, outcome: Outcome) -> None:
        """Remember what an update of a student's commit would do, for `cohort status`."""
        if outcome.state not in (CLEAN, CONFLICT):
            return
        paths = to_json([one["path"] for one in outcome.conflicts])
        row = (student, outcome.to, outcome.head, outcome.state, paths)
        self._connection.execute("INSERT OR REPLACE INTO plans VALUES (?, ?, ?, ?, ?)", row)

    def plans(self, target: str) -> dict[str, tuple[str, str, list[str]]]:
        """The newest plan of each student for a release: commit, state, files in conflict."""
        rows = self._connection.execute(
            "SELECT student, head, state, paths FROM plans WHERE target = ?", (target,)
        )
        return {student: (head, state, json.loads(paths)) for student, head, state, paths in rows}

    def keep_pull_request(self, repository: str, branch: str, request: PullRequest) -> None:
        """Remember the pull request of a branch."""
        about = (request.number, request.url, request.state, request.why, time.time())
        self._connection.execute(
            "INSERT OR REPLACE INTO pull_requests VALUES (?, ?, ?, ?, ?, ?, ?)",
            (repository, branch, *about),
        )

    def pull_requests(self) -> dict[str, dict[str, PullRequest]]:
        """Every pull request that is known, per repository and branch."""
        rows = self._connection.execute(
            "SELECT repository, branch, state, url, number, why FROM pull_requests"
        )
        known: dict[str, dict[str, PullRequest]] = {}
        for repository, branch, state, url, number, why in rows:
            request = PullRequest(state=state, url=url, number=number, why=why)
            known.setdefault(repository, {})[branch] = request
        return known

    def hold_releases(self, commits: dict[str, str]) -> None:
        """Remember each release's commit. Raises CohortError when one was moved since."""
        known = dict(self._connection.execute("SELECT name, commit_name FROM releases").fetchall())
        for name, commit in commits.items():
            if known.get(name, commit) != commit:
                raise CohortError(
                    f"The tag {name} was on {known[name][:12]} and is now on {commit[:12]}: someone moved it. "
                    "Find out who; to accept the change, delete the cache folder."
                )
        rows = list(commits.items())
        self._connection.executemany("INSERT OR IGNORE INTO releases VALUES (?, ?)", rows)


@contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Hold the class for oneself. The lock ends with the process, even when that is killed.

    Then its processes may still be at their last project: they are waited for.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock.sqlite", "EXCLUSIVE", seconds=0):
        with _locked(cache / "workers.sqlite", "EXCLUSIVE", LAST_PROJECT):
            pass
        yield


def at_work(cache: Path) -> AbstractContextManager[None]:
    """Let no other cohort begin while this process works on projects, whatever becomes of the one that started it."""
    return _locked(cache / "workers.sqlite", "SHARED", LAST_PROJECT)


@contextmanager
def _locked(path: Path, kind: Literal["EXCLUSIVE", "SHARED"], seconds: float) -> Iterator[None]:
    """Hold a lock that the system takes back when the process ends, in any way."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=seconds)) as lock:
        try:
            lock.execute("BEGIN" if kind == "SHARED" else "BEGIN EXCLUSIVE")
            lock.execute("SELECT * FROM sqlite_master").fetchall()  # BEGIN alone locks nothing
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            raise CohortError(
                "Another cohort command is running on this class; wait until it finishes."
            ) from None
        yield
