"""A command that ends early ends its processes too, and none of them in the middle of writing."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from cohort.classroom import ledger as ledgers
from cohort.classroom.ledger import Ledger, alone
from cohort.commands.options import UpdateOptions
from cohort.commands.update import update_class
from cohort.errors import CohortError
from cohort.git import references
from cohort.projects import pool
from tests.support.classes import Cohort, Marks, git, make_projects, move_into
from tests.support.helpers import ROOT, must_run, run

pytestmark = pytest.mark.skipif(not pool.FORKS, reason="what is replaced here must be forked")
NAMES = ["ada", "eve"]
BRANCH = "template/v2.0.0"


@pytest.fixture
def marks(tmp_path: Path) -> Marks:
    return Marks(tmp_path / "marks")


@pytest.fixture(scope="module")
def prepared(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_projects(tmp_path_factory.mktemp("pool") / "class", small, NAMES)


@pytest.fixture
def classroom(prepared: Path, tmp_path: Path) -> Path:
    return move_into(prepared, tmp_path / "class")


def wait_for(marks: Marks, line: str) -> None:
    until = time.monotonic() + 20
    while line not in marks.all():
        assert time.monotonic() < until
        time.sleep(0.01)


def fail_beside(marks: Marks, slow: Iterator[None]) -> None:
    """Two processes: what takes the first result fails while the second is at its item."""

    def work(item: str) -> str:
        if item == "slow":
            next(slow, None)
        else:
            wait_for(marks, "begun")
        return item

    crew = pool.Crew(partial(pool.ready_with, work), lambda item, why: why, 60.0)
    with pytest.raises(OSError, match="full"):
        for _ in pool.each(["slow", "quick"], crew, jobs=2):
            raise OSError("full")


def test_whoever_is_at_an_item_ends_it_first(marks: Marks) -> None:
    def slow() -> Iterator[None]:
        marks.add("begun")
        time.sleep(0.5)
        marks.add("ended")
        yield

    fail_beside(marks, slow())
    assert marks.all() == ["begun", "ended"]


def test_what_takes_too_long_is_cleared_up(marks: Marks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the program that it has started is ended."""
    nap = "import os, sys, time; print(os.getpid(), file=open(sys.argv[1], 'a')); time.sleep(60)"

    def slow() -> Iterator[None]:
        marks.add("begun")
        try:
            subprocess.run([sys.executable, "-c", nap, str(marks.path)], check=True)
        finally:
            marks.add("cleared")
        yield

    monkeypatch.setattr(pool, "LAST", 1.0)
    started = time.monotonic()
    fail_beside(marks, slow())
    assert time.monotonic() - started < 20
    begun, pid, cleared = marks.all()
    assert (begun, cleared) == ("begun", "cleared")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def slow_at_the_lock(marks: Marks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eve's branch takes a second, of which git's lock is there."""
    read = references.read_branch

    def read_slowly(folder: Path, branch: str) -> str | None:
        if "eve" in folder.parts and (folder / "refs" / "heads" / f"{branch}.lock").exists():
            marks.add("locked")
            time.sleep(1)
        return read(folder, branch)

    monkeypatch.setattr(references, "read_branch", read_slowly)


def test_a_ledger_that_can_not_be_written_leaves_no_lock(
    cohort: Cohort, classroom: Path, marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full stops the command at Ada's result, while Eve's branch is written."""

    def fail(*_: object) -> None:
        wait_for(marks, "locked")
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        slow_at_the_lock(marks, patch)
        patch.setattr(Ledger, "note", fail)
        with pytest.raises(sqlite3.OperationalError):
            update_class(UpdateOptions(classroom, jobs=2))
    assert not list(classroom.rglob("*.lock"))
    said = cohort(classroom, "update", "--json")
    assert said.code == 0, said.out
    assert all(git(classroom / "students" / name, "branch", "--list", BRANCH) for name in NAMES)


KILLED = """\
import os, signal, sys
from pathlib import Path
import pytest
from tests.cohort.projects.test_pool import slow_at_the_lock, wait_for
from tests.support.classes import Marks
from cohort.classroom.ledger import Ledger
from cohort.commands.options import UpdateOptions
from cohort.commands.update import update_class
marks = Marks(Path(sys.argv[2]))
def end(*_):
    wait_for(marks, "locked")
    os.kill(os.getpid(), signal.SIGKILL)
Ledger.note = end
with pytest.MonkeyPatch.context() as patch:
    slow_at_the_lock(marks, patch)
    update_class(UpdateOptions(Path(sys.argv[1]), jobs=2))
"""


def test_the_next_cohort_waits_for_what_a_killed_one_left(
    cohort: Cohort, classroom: Path, marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed alone, cohort leaves a process that is still at Eve's branch."""
    path = os.pathsep.join(one for one in sys.path if one)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(classroom), str(marks.path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == -9
    with monkeypatch.context() as patch:
        patch.setattr(ledgers, "LAST_PROJECT", 0.1)
        with pytest.raises(CohortError, match="Another cohort"), alone(classroom / ".cohort"):
            pass
    said = cohort(classroom, "update", "--json")
    assert said.code == 0, said.out
    assert must_run("ps", "-eo", "args", cwd=ROOT).count(str(classroom)) == 0


def test_a_process_that_begins_after_the_end_says_nothing() -> None:
    """Ctrl-C while processes are still beginning: nobody listens to them any more."""
    code = (
        "import signal, time\nfrom contextlib import contextmanager\n"
        "from cohort.projects.pool import Crew, each\n"
        "signal.signal(signal.SIGALRM, signal.default_int_handler)\n"
        "@contextmanager\ndef start():\n    time.sleep(1)\n    yield str\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.3)\n"
        "try:\n    list(each([1, 2, 3], Crew(start, lambda item, why: why, 5.0), 3))\n"
        "except KeyboardInterrupt:\n    print('stopped')"
    )
    done = run(sys.executable, "-c", code, cwd=ROOT)
    assert (done.stdout, done.stderr, done.returncode) == ("stopped\n", "", 0)
