"""A line that breaks, in either direction, at any byte; and a disk that is really full."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest

from cohort.classroom import stores
from tests.support.classes import Cohort, create_on_servers, git, make_class, snapshot, write
from tests.support.helpers import ROOT, run, small_disk

BRANCH = "template/v2.0.0"
COMMAND = (sys.executable, "-m", "cohort")
# Stands for ssh: runs the server's command here. For Ada's repository the line breaks after so many bytes
# ("fetch" and "answer": from the server, "push": to it), as often as the file `breaks` says.
SSH = """\
#!{python}
import os, pathlib, subprocess, sys

command, here = sys.argv[-1], pathlib.Path(__file__).parent
if "ada" not in command:  # works beside Ada's: it must not read the file while that one writes it
    sys.exit(subprocess.run(command, shell=True).returncode)
kind, after, breaks = (here / "breaks").read_text().split()
program = {{"fetch": "upload-pack", "push": "receive-pack", "answer": "receive-pack"}}[kind]
if program not in command or int(breaks) == 0:
    sys.exit(subprocess.run(command, shell=True).returncode)
(here / "breaks").write_text(f"{{kind}} {{after}} {{int(breaks) - 1}}")
sends = kind == "push"
server = subprocess.Popen(
    ["sh", "-c", f"exec {{command}}"],
    stdin=subprocess.PIPE if sends else None,
    stdout=None if sends else subprocess.PIPE,
)
source, target = (0, server.stdin.fileno()) if sends else (server.stdout.fileno(), 1)
left = int(after)
while left and (part := os.read(source, left)):
    os.write(target, part)
    left -= len(part)
if kind == "answer":
    server.wait()  # the server has done its work, and only its answer is lost
server.kill()
sys.exit(255)
"""


@pytest.fixture
def classroom(
    cohort: Cohort, small: Path, tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A class on a server that is reached by ssh, on a line that holds so far."""
    names = ["ada", "bob"]
    settings = f'remote = "ssh://server{tmp_path}/server/{{student}}.git"'
    folder = make_class(tmp_path / "class", small, names, **{"class": settings})
    write(tmp_path / "bin", {"ssh": SSH.format(python=sys.executable), "breaks": "fetch 0 0"})
    (tmp_path / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setattr(stores, "PAUSE", 0.01)
    return create_on_servers(cohort, folder, names, kept / "ssh")


def breaks(classroom: Path, kind: str, after: int, times: int) -> Path:
    path = classroom.parent / "bin" / "breaks"
    path.write_text(f"{kind} {after} {times}")
    return path


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs scripts and disks of POSIX")


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        *(("fetch", 200), ("push", 30)),
        *(pytest.param("fetch", after, marks=pytest.mark.slow) for after in (0, 1500)),
        *(pytest.param("push", after, marks=pytest.mark.slow) for after in (0, 600)),
    ],
)
def test_a_broken_line_leaves_the_server_whole_and_is_mended(
    cohort: Cohort, classroom: Path, kind: str, after: int
) -> None:
    server = classroom.parent / "server" / "ada.git"
    before = git(server, "for-each-ref")
    breaks(classroom, kind, after, 99)
    said = cohort(classroom, "update", "--push", "--json")
    ada = said.projects["ada"]
    assert said.code == 3 and ada["state"] == "error" and "failed" in ada["message"], said.out
    assert not ada["pushed"] and said.projects["bob"]["pushed"]
    assert git(server, "for-each-ref") == before
    git(server, "fsck", "--strict", "--no-dangling")
    breaks(classroom, kind, after, 0)
    said = cohort(classroom, "update", "--push", "--resume", "--json")
    assert said.code == 0 and said.projects["ada"]["pushed"], said.out
    assert git(server, "rev-parse", BRANCH) == said.projects["ada"]["commit"]
    git(server, "fsck", "--strict", "--no-dangling")


@pytest.mark.parametrize(("kind", "after"), [("fetch", 200), ("push", 30)])
def test_a_line_that_breaks_once_is_tried_again(
    cohort: Cohort, classroom: Path, kind: str, after: int
) -> None:
    left = breaks(classroom, kind, after, 1)
    said = cohort(classroom, "update", "--push", "--json")
    assert said.code == 0 and said.projects["ada"]["pushed"], said.out
    assert left.read_text().endswith(" 0"), "the line did break"


def test_a_push_whose_answer_is_lost_is_found_done(cohort: Cohort, classroom: Path) -> None:
    server = classroom.parent / "server" / "ada.git"
    size = len(git(server, "for-each-ref")) + 400  # the greeting passes, the verdict does not
    breaks(classroom, "answer", size, 99)
    cohort(classroom, "update", "--push", "--json")
    breaks(classroom, "answer", size, 0)
    said = cohort(classroom, "update", "--push", "--resume", "--json")
    assert said.code == 0 and said.projects["ada"]["pushed"], said.out
    assert git(server, "rev-parse", BRANCH) == said.projects["ada"]["commit"]


# ---- A full disk --------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [16, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 64))])
@pytest.mark.parametrize("where", ["cache", "projects"])
def test_a_full_disk_changes_nothing_of_a_student(
    cohort: Cohort, small: Path, tmp_path: Path, where: str, left: int
) -> None:
    """So many KB are left; then there is room again, and the update ends well."""
    names = ["ada", "bob", "cem"]
    with small_disk(tmp_path / "disk", "8m") as disk:
        moved = {"cache": "cache", "projects": "repositories"}[where]
        place = disk / where
        folder = make_class(tmp_path / "class", small, names, **{"class": f'{moved} = "{place}"'})
        assert cohort(folder, "create", "--to", "v1.0.0").code == 0
        projects = place if where == "projects" else folder / "students"
        before = {name: snapshot(projects / name) for name in names}
        fill(disk, left)
        done = run(*COMMAND, "update", "--jobs", "2", "--class", folder, cwd=ROOT)
        assert done.returncode in (0, 3), done.stdout + done.stderr
        assert left > 0 or done.returncode == 3, "the disk was full"
        assert "Traceback" not in done.stderr
        for name in names:
            after = snapshot(projects / name)
            assert set(after) - set(before[name]) <= {f".git/refs/heads/{BRANCH}"}
            assert all(after[path] == content for path, content in before[name].items())
            git(projects / name, "fsck", "--strict", "--no-dangling")
        (disk / "filler").unlink()
        done = run(*COMMAND, "update", "--resume", "--class", folder, cwd=ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
        for name in names:
            assert git(projects / name, "branch", "--list", BRANCH)


def fill(disk: Path, left: int) -> None:
    """Write until the disk is full, then make room for so many KB."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        with suppress(OSError):
            while True:
                file.write(b"\0" * 4096)
        file.truncate(max(0, file.tell() - left * 1024))
