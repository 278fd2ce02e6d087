"""The ledger's version: an older one is brought along with all it knows, a newer one is refused."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cohort.classroom import ledger as ledgers
from cohort.classroom.ledger import MIGRATIONS, Ledger
from cohort.classroom.outcome import PullRequest
from tests.support.classes import Cohort, make_projects

# The tables as cohort 0.1 made them, without a version.
UNVERSIONED = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, command TEXT, target TEXT, started REAL, ended REAL);
CREATE TABLE IF NOT EXISTS steps (
    run INTEGER REFERENCES runs, student TEXT, step TEXT, at REAL, about TEXT);
CREATE INDEX IF NOT EXISTS steps_of_student ON steps (student, at);
CREATE TABLE IF NOT EXISTS releases (name TEXT PRIMARY KEY, commit_name TEXT);
CREATE TABLE IF NOT EXISTS plans (
    student TEXT PRIMARY KEY, target TEXT, head TEXT, state TEXT, paths TEXT);
INSERT INTO runs VALUES (1, 'update', 'v2.0.0', 1.0, NULL);
INSERT INTO releases VALUES ('v1.0.0', 'abc');
"""
ABOUT = {"student": "ada", "state": "clean", "to": "v2.0.0", "commit": "c" * 40, "wrote": True}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The folder of an unversioned ledger, whose update was killed after Ada."""
    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    connection.executescript(UNVERSIONED)
    row = (1, "ada", "done", 2.0, json.dumps(ABOUT))
    connection.execute("INSERT INTO steps VALUES (?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    return tmp_path


def version_of(cache: Path) -> int:
    connection = sqlite3.connect(cache / "ledger.sqlite")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return int(version)


def test_a_ledger_without_a_version_is_brought_along(cache: Path) -> None:
    ledger = Ledger(cache)
    assert ledger.unfinished("update", "v2.0.0") == 1
    ada = ledger.steps(1, "done")["ada"]
    assert ada.commit == "c" * 40 and ada.pull_request is None
    assert ledger.last_update() == {"ada": 2.0}
    request = PullRequest("open", "https://example.org/7", 7)
    ledger.keep_pull_request("https://example.org/ada", "template/v2.0.0", request)
    ledger.close()
    assert version_of(cache) == len(MIGRATIONS) == 2
    ledger = Ledger(cache)
    assert ledger.pull_requests() == {"https://example.org/ada": {"template/v2.0.0": request}}
    ledger.close()


def test_many_may_open_an_old_ledger_at_once(cache: Path) -> None:
    def opened(_: int) -> bool:
        ledger = Ledger(cache)
        known = bool(ledger.history("ada"))
        ledger.close()
        return known

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(opened, range(8)))
    assert version_of(cache) == len(MIGRATIONS)


def test_a_step_that_fails_leaves_the_ledger_as_it_was(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = "CREATE TABLE more (a); CREATE TABLE runs (b)"
    with monkeypatch.context() as patch:
        patch.setattr(ledgers, "MIGRATIONS", (*MIGRATIONS, broken))
        with pytest.raises(sqlite3.OperationalError):
            Ledger(cache)
    assert version_of(cache) == len(MIGRATIONS)
    Ledger(cache).close()


def test_a_newer_ledger_is_refused_in_one_sentence(
    cohort: Cohort, small: Path, tmp_path: Path
) -> None:
    folder = make_projects(tmp_path / "class", small, ["ada"])
    connection = sqlite3.connect(folder / ".cohort" / "ledger.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for command in ("status", "plan", "update"):
        said = cohort(folder, command)
        assert (
            said.code == 3 and "was written by a newer version of cohort; update cohort" in said.err
        )


def test_an_update_that_was_rolled_back_is_no_last_update(
    cohort: Cohort, small: Path, tmp_path: Path
) -> None:
    folder = make_projects(tmp_path / "class", small, ["ada"])
    for command, is_dated in (("update", True), ("rollback", False), ("update", True)):
        assert cohort(folder, command).code == 0
        (ada,) = cohort(folder, "status", "--json").projects.values()
        assert (ada["updated"] is not None) == is_dated
