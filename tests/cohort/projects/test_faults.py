"""Whatever breaks, when it breaks: no student's reference or file changes, except by a complete branch."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cohort.classroom import stores
from cohort.classroom.ledger import alone
from tests.support.classes import (
    Cohort,
    commit_all,
    create_on_servers,
    git,
    make_class,
    move_into,
    snapshot,
    write,
)
from tests.support.helpers import ROOT, run

SHARES = [0.5, 0.8]  # of an update's time, after which it is killed
# Kills: what is tried in the default suite, and in `nox -s long`.
SUITE, LONG = len(SHARES), 100
BRANCH = "template/v2.0.0"
NAMES = [f"student{number}" for number in range(6)]
COMMAND = (sys.executable, "-m", "cohort")


@pytest.fixture(scope="module")
def prepared(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_class(tmp_path_factory.mktemp("prepared") / "class", small, NAMES)
    done = run(*COMMAND, "create", "--to", "v1.0.0", "--class", folder, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def classroom(prepared: Path, tmp_path: Path) -> Path:
    return move_into(prepared, tmp_path / "class")


def whole(folder: Path, before: dict[str, dict[str, bytes]]) -> None:
    """Every project is as before, or has one complete branch more; git finds nothing wrong."""
    for name in NAMES:
        project = folder / "students" / name
        after = snapshot(project)
        allowed = {f".git/refs/heads/{BRANCH}", f".git/refs/heads/{BRANCH}.lock"}
        assert set(after) - set(before[name]) <= allowed
        assert all(after[path] == before[name][path] for path in before[name])
        git(project, "fsck", "--strict", "--no-dangling")
        if f".git/refs/heads/{BRANCH}" in after:
            assert "v2.0.0" in git(project, "show", f"{BRANCH}:.copier-answers.yml")


def kill_after(seconds: float, folder: Path, *more: str) -> bool:
    """Run an update and kill it, with every process that it started; was it still at work?"""
    process = subprocess.Popen(
        [*COMMAND, "update", "--jobs", "2", "--class", str(folder), *more],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(seconds)
    running = process.poll() is None
    if running:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return running


def kill_and_resume(classroom: Path, prepared: Path, shares: list[float]) -> None:
    """Kill an update after such shares of the time that it takes here and now."""
    move_into(prepared, classroom)
    start = time.monotonic()
    assert run(*COMMAND, "update", "--class", classroom, cwd=ROOT).returncode == 0
    whole_time = time.monotonic() - start
    for share in shares:
        moment, killed = share * whole_time, False
        while not killed:
            move_into(prepared, classroom)
            before = {name: snapshot(classroom / "students" / name) for name in NAMES}
            killed = kill_after(moment, classroom)
            whole(classroom, before)
            moment *= 0.8  # if it had ended before: the machine is quicker than it was
        for name in NAMES:  # what git's own lock is for: a person looks, then deletes it
            (classroom / "students" / name / ".git/refs/heads" / f"{BRANCH}.lock").unlink(
                missing_ok=True
            )
        done = run(*COMMAND, "update", "--resume", "--class", classroom, cwd=ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
        whole(classroom, before)
        for name in NAMES:
            assert git(classroom / "students" / name, "branch", "--list", BRANCH)


@pytest.mark.skipif(os.name == "nt", reason="kills a process group")
def test_killed_at_some_moments_it_resumes(classroom: Path, prepared: Path) -> None:
    kill_and_resume(classroom, prepared, SHARES)


def test_the_mark_of_a_killed_fast_import_stops_nothing(
    cohort: Cohort, classroom: Path, prepared: Path
) -> None:
    """git marks a pack while it puts it in place. Killed there, it leaves the mark to the same update."""
    packs = classroom / "students" / NAMES[0] / ".git" / "objects" / "pack"
    assert cohort(classroom, "update").code == 0
    (made,) = packs.glob("pack-*.pack")
    move_into(prepared, classroom)
    marks = {made.with_suffix(".keep"): "fast-import", packs / "pack-1.keep": ""}
    others = {packs / "pack-2.keep": "mine", packs / "pack-3.keep": "", packs / "pack-3.pack": ""}
    for path, text in (marks | others).items():
        path.write_text(text)
    said = cohort(classroom, "update", "--json")
    assert said.projects[NAMES[0]]["wrote"], said.projects[NAMES[0]]["message"]
    assert not any(path.exists() for path in marks) and all(path.exists() for path in others)


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="kills a process group")
@pytest.mark.parametrize("part", range(10))
def test_killed_at_a_hundred_random_moments_it_resumes(
    classroom: Path, prepared: Path, part: int
) -> None:
    chance = random.Random(part)
    kill_and_resume(classroom, prepared, [chance.uniform(0.2, 1) for _ in range(LONG // 10)])


@pytest.mark.skipif(os.name == "nt", reason="needs limits of POSIX")
@pytest.mark.parametrize(
    "blocks", [40, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 8, 64))]
)
def test_a_full_disk_leaves_no_half_branch(classroom: Path, blocks: int) -> None:
    """A limit on the size of files stands for the full disk: writing fails in the middle."""
    before = {name: snapshot(classroom / "students" / name) for name in NAMES}
    limited = f"ulimit -f {blocks}; exec {' '.join(COMMAND)} update --class {classroom}"
    done = run("bash", "-c", f"trap '' XFSZ; {limited}", cwd=ROOT)
    assert done.returncode in (0, 2, 3), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    whole(classroom, before)
    again = run(*COMMAND, "update", "--class", classroom, cwd=ROOT)
    assert again.returncode == 0, again.stdout


def test_two_at_once_are_refused(cohort: Cohort, classroom: Path) -> None:
    with alone(classroom / ".cohort"):
        said = cohort(classroom, "update")
    assert said.code == 3 and "Another cohort command is running" in said.err


@pytest.mark.parametrize("damage", ["empty", "missing", "garbage"])
def test_a_damaged_cache_is_made_anew(cohort: Cohort, classroom: Path, damage: str) -> None:
    assert cohort(classroom, "plan").code == 0
    for path in sorted((classroom / ".cohort").rglob("*")):
        if path.is_file() and "sqlite" not in path.name and "home" not in path.parts:
            path.chmod(0o644)
            if damage == "missing" and path.suffix in (".py", ".pack", ".yml", ".json"):
                path.unlink()
            elif damage != "missing":
                path.write_bytes(b"" if damage == "empty" else b"garbage")
    assert cohort(classroom, "update").code == 0


@pytest.mark.parametrize("name", ["ledger.sqlite", "lock.sqlite"])
def test_a_damaged_ledger_is_said_and_may_be_deleted(
    cohort: Cohort, classroom: Path, name: str
) -> None:
    before = {name: snapshot(classroom / "students" / name) for name in NAMES}
    for path in (classroom / ".cohort").glob(f"{name}*"):
        path.write_bytes(b"garbage" * 1000)
    said = cohort(classroom, "update")
    assert said.code == 3 and len(said.err.strip().splitlines()) == 1, said.err
    assert "damaged" in said.err
    whole(classroom, before)
    shutil.rmtree(classroom / ".cohort")
    assert cohort(classroom, "update").code == 0


def test_history_says_what_was_done(cohort: Cohort, classroom: Path) -> None:
    assert "Nothing has been done" not in cohort(classroom, "history", NAMES[0]).out
    assert cohort(classroom, "update", "--only", NAMES[0]).code == 0
    assert cohort(classroom, "rollback", "--only", NAMES[0]).code == 0
    lines = cohort(classroom, "history", NAMES[0]).out.splitlines()
    assert [line.split()[2] for line in lines] == ["rollback", "update", "create"]
    assert len(json.loads(cohort(classroom, "history", NAMES[1], "--json").out)["steps"]) == 1
    assert cohort(classroom, "history", "nobody").code == 3


def test_a_lock_of_git_is_respected(cohort: Cohort, classroom: Path) -> None:
    write(classroom / "students" / NAMES[0], {f".git/refs/heads/{BRANCH}.lock": ""})
    said = cohort(classroom, "update", "--json")
    assert said.code == 3
    assert "is git running there" in said.projects[NAMES[0]]["message"]
    assert said.projects[NAMES[1]]["wrote"]


def test_a_damaged_project_is_named(cohort: Cohort, classroom: Path) -> None:
    project = classroom / "students" / NAMES[2]
    head = git(project, "rev-parse", "HEAD")
    (project / ".git" / "objects" / head[:2] / head[2:]).unlink()
    for command in ("status", "update"):
        said = cohort(classroom, command, "--json")
        assert said.code == 3 and "git fsck" in said.projects[NAMES[2]]["message"]


# ---- Repositories on a server; file:// stands for one ------------------------------------------------


@pytest.fixture
def remotes(cohort: Cohort, small: Path, tmp_path: Path, kept: Path) -> Path:
    names = ["ada", "bob", "cem"]
    settings = f'remote = "file://{tmp_path}/server/{{student}}.git"'
    folder = make_class(
        tmp_path / "class", small, names, **{"class": settings, "forge": "file_remotes = true"}
    )
    return create_on_servers(cohort, folder, names, kept / "file")


def test_servers_get_branches_only_when_asked(cohort: Cohort, remotes: Path) -> None:
    server = remotes.parent / "server" / "ada.git"
    assert cohort(remotes, "update").code == 0
    assert git(server, "branch", "--list", "template/*") == ""
    said = cohort(remotes, "update", "--push", "--json")
    assert all(one["pushed"] for one in said.projects.values())
    assert git(server, "rev-parse", BRANCH) == said.projects["ada"]["commit"]
    again = cohort(remotes, "update", "--push", "--json")
    assert not any(one["wrote"] for one in again.projects.values())
    assert cohort(remotes, "status", "--json").projects["ada"]["branch"] == BRANCH
    assert cohort(remotes, "rollback", "--push").code == 0
    assert git(server, "branch", "--list", "template/*") == ""


def test_a_branch_that_changed_meanwhile_is_not_overwritten(
    cohort: Cohort, remotes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = remotes.parent / "server" / "ada.git"
    move = stores.Remote.move

    def meanwhile(store: stores.Remote, *about: str | None) -> None:
        if "ada" in store.url:
            git(server, "update-ref", f"refs/heads/{BRANCH}", "main")
        move(store, *about)  # type: ignore[arg-type]

    monkeypatch.setattr(stores.Remote, "move", meanwhile)
    said = cohort(remotes, "update", "--push", "--json")
    assert said.code == 3 and "not pushed" in said.projects["ada"]["message"]
    assert said.projects["bob"]["pushed"]
    assert git(server, "rev-parse", BRANCH) == git(server, "rev-parse", "main")


def test_a_server_that_is_gone_is_named_and_resumed(
    cohort: Cohort, remotes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = remotes.parent / "server"
    shutil.move(server / "bob.git", server / "away.git")
    said = cohort(remotes, "update", "--push", "--json")
    assert said.code == 3
    assert said.projects["bob"]["state"] == "error" and said.projects["cem"]["pushed"]
    shutil.move(server / "away.git", server / "bob.git")
    said = cohort(remotes, "update", "--push", "--resume", "--json")
    assert said.code == 0 and said.projects["bob"]["pushed"]


def test_a_server_that_hangs_is_given_up(
    cohort: Cohort, remotes: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = tmp_path / "bin" / "git"
    real = shutil.which("git")
    write(
        tmp_path,
        {
            "bin/git": f'#!/bin/sh\ncase "$*" in *fetch*ada*) exec sleep 30;; esac\nexec {real} "$@"\n'
        },
    )
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(stores, "SECONDS", 1)
    monkeypatch.setattr(stores, "TRIES", 1)
    started = time.monotonic()
    said = cohort(remotes, "update", "--json")
    assert time.monotonic() - started < 20
    assert said.code == 3 and "took more than" in said.projects["ada"]["message"]
    assert said.projects["bob"]["state"] == "clean"


def test_a_roster_with_bad_rows_makes_the_others(
    cohort: Cohort, small: Path, tmp_path: Path
) -> None:
    folder = make_class(tmp_path / "class", small, ["ada", "eve"])
    rows = (
        "student,title,colour\nada,A,red\n../eve,E,red\nbob,B\ncem,C,blue\nada,A,red\ndee,D,green\n"
    )
    write(folder, {"class.csv": rows})
    said = cohort(folder, "create")
    assert said.code == 3
    for sentence in (
        "line 3: '../eve'",
        "line 4: 2 cells",
        "'blue' is not in",
        "line 6: the student",
    ):
        assert sentence in said.out, said.out
    assert sorted(path.name for path in (folder / "students").iterdir()) == ["ada", "dee"]
    assert git(folder / "students" / "dee", "status", "--porcelain") == ""
    assert "green" in (folder / "students/dee/src/d/features.py").read_text()


def test_the_clock_does_not_matter(cohort: Cohort, classroom: Path) -> None:
    """A commit's date comes from the release: also where the student's clock is wrong."""
    project = classroom / "students" / NAMES[0]
    late = {"GIT_AUTHOR_DATE": "2099-01-01T00:00:00", "GIT_COMMITTER_DATE": "2099-01-01T00:00:00"}
    write(project, {"late.txt": "late\n"})
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Late", **late)
    commit_all(project, "And now")
    assert cohort(classroom, "update").code == 0
    template = git(
        Path(classroom / ".cohort" / "template.git"), "log", "-1", "--format=%cI", "v2.0.0"
    )
    assert git(project, "log", "-1", "--format=%cI", BRANCH) == template
