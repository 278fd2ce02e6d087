"""`capstone start`: a repository on main, hooks, the first commit; safe to run twice and anywhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.helpers import (
    Render,
    RunCapstone,
    must_run,
    python_path,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def start(run_capstone: RunCapstone, pre_commit_home: Path) -> RunCapstone:
    """`start(project)` runs `capstone start` there, with the hooks' tools installed once for all."""

    def run_start(project: Path, **env: str) -> subprocess.CompletedProcess[str]:
        paths = {"PRE_COMMIT_HOME": str(pre_commit_home), "PYTHONPATH": python_path(project)}
        return run_capstone(project, "start", **(paths | env))

    return run_start


def log(project: Path) -> list[str]:
    return must_run("git", "log", "--format=%s", cwd=project).splitlines()


def test_a_fresh_project_is_a_repository_with_hooks_and_one_commit(
    copy_of: Render, start: RunCapstone
) -> None:
    project = copy_of()
    first = start(project)
    assert first.returncode == 0, first.stderr
    assert "What to do next" in first.stdout
    assert must_run("git", "branch", "--show-current", cwd=project).strip() == "main"
    assert must_run("git", "status", "--porcelain", cwd=project) == ""
    assert (project / ".git" / "hooks" / "pre-commit").is_file()

    second = start(project)
    assert second.returncode == 0, second.stderr
    assert "committed already" in second.stdout
    assert log(project) == ["Start the capstone project"], "running it twice adds nothing"


def test_the_hooks_it_installs_refuse_a_secret(
    copy_of: Render, start: RunCapstone, pre_commit_home: Path
) -> None:
    project = copy_of()
    assert start(project).returncode == 0
    made_up = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    (project / "src" / "my_capstone" / "key.py").write_text(f'TOKEN = "{made_up}"\n')
    must_run("git", "add", ".", cwd=project)
    refused = subprocess.run(
        ["git", "commit", "-m", "Add a key"],
        cwd=project,
        env={**os.environ, "PRE_COMMIT_HOME": str(pre_commit_home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode != 0
    assert log(project) == ["Start the capstone project"]


def test_a_classroom_repository_keeps_its_branch_and_its_history(
    copy_of: Render, start: RunCapstone
) -> None:
    project = copy_of()
    must_run("git", "init", "--quiet", "--initial-branch", "assignment", cwd=project)
    (project / "TASK.md").write_text("# Your task\n", encoding="utf-8")
    must_run("git", "add", "TASK.md", cwd=project)
    must_run("git", "commit", "--quiet", "--message", "Hand out", cwd=project)
    done = start(project)
    assert done.returncode == 0, done.stderr
    assert must_run("git", "branch", "--show-current", cwd=project).strip() == "assignment"
    assert log(project) == ["Start the capstone project", "Hand out"]


def test_a_folder_of_a_larger_repository_is_committed_there_alone(
    copy_of: Render, start: RunCapstone, tmp_path: Path
) -> None:
    outer = tmp_path / "course"
    outer.mkdir()
    must_run("git", "init", "--quiet", cwd=outer)
    (outer / "draft.txt").write_text("not to be committed\n", encoding="utf-8")
    project = Path(shutil.move(copy_of(), outer / "my-capstone"))
    done = start(project)
    assert done.returncode == 0, done.stderr
    assert "hooks are not installed" in done.stdout
    assert not (project / ".git").exists()
    assert must_run("git", "status", "--porcelain", cwd=outer) == "?? draft.txt\n"


def test_without_git_it_says_where_to_get_it(copy_of: Render, start: RunCapstone) -> None:
    project = copy_of()
    done = start(project, PATH=str(Path(sys.executable).parent))
    if shutil.which("git", path=str(Path(sys.executable).parent)):
        pytest.fail("git lies beside Python here, so it can't be hidden")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "git is not installed: get it from https://git-scm.com" in done.stderr


@pytest.mark.parametrize("key", ["name", "email"])
def test_without_an_identity_it_says_what_to_type(
    copy_of: Render, start: RunCapstone, tmp_path: Path, key: str
) -> None:
    project = copy_of()
    other = {"name": "email = a@b.org", "email": "name = A"}[key]
    config = tmp_path / "gitconfig"
    config.write_text(f"[user]\n{other}\n", encoding="utf-8")
    done = start(project, GIT_CONFIG_GLOBAL=str(config))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"git config --global user.{key}" in done.stderr
    assert not (project / ".git").exists(), "nothing is half done"


def test_what_the_hooks_refuse_is_shown_and_can_be_mended(
    copy_of: Render, start: RunCapstone
) -> None:
    project = copy_of()
    large = project / "data" / "raw" / "large.bin"
    large.write_bytes(b"\0" * 11 * 2**20)
    refused = start(project)
    assert refused.returncode == 2
    assert "large.bin" in refused.stdout + refused.stderr
    large.unlink()
    assert start(project).returncode == 0
    assert log(project) == ["Start the capstone project"]
