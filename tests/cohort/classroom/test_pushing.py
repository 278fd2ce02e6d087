"""Pushing again: after the branch was deleted, and where the server says no."""

from pathlib import Path

import pytest

from tests.support.classes import Cohort, commit_all, create_on_servers, git, make_class, write

BRANCH = "template/v2.0.0"


@pytest.fixture
def classroom(cohort: Cohort, small: Path, tmp_path: Path, kept: Path) -> Path:
    """A class whose repositories are on a server, which is a folder here."""
    names = ["ada", "bob"]
    settings = f'remote = "file://{tmp_path}/server/{{student}}.git"'
    sections = {"class": settings, "forge": "file_remotes = true"}
    folder = make_class(tmp_path / "class", small, names, **sections)
    return create_on_servers(cohort, folder, names, kept / "pushing")


def commit_to(server: Path, message: str) -> None:
    """A student's commit, from a clone."""
    clone = server.parent / f"{server.name}-clone"
    if not clone.exists():
        git(server.parent, "clone", "--quiet", str(server), clone.name)
    write(clone, {"mine.py": f"# {message}\n"})
    commit_all(clone, message)
    git(clone, "push", "--quiet")


@pytest.mark.parametrize("deleted_by", ["the server", "the server, and forgotten", "rollback"])
def test_a_branch_that_was_deleted_is_pushed_again(
    cohort: Cohort, classroom: Path, deleted_by: str
) -> None:
    server = classroom.parent / "server" / "ada.git"
    commit_to(server, "Some history")
    assert cohort(classroom, "update", "--push").code == 0
    made = git(server, "rev-parse", BRANCH)
    # A second run fetches the branch, as `status` does: from here on the cache knows it.
    assert cohort(classroom, "status").code == 0
    if deleted_by == "rollback":
        assert cohort(classroom, "rollback", "--push").code == 0
    else:
        git(server, "branch", "--delete", "--force", BRANCH)
    if deleted_by.endswith("forgotten"):
        git(server, "gc", "--quiet", "--prune=now")
    said = cohort(classroom, "update", "--push", "--json")
    assert said.code == 0, said.projects["ada"]["message"]
    assert said.projects["ada"]["pushed"] and git(server, "rev-parse", BRANCH) == made
    git(server, "fsck", "--strict", "--no-dangling")
    assert not (server / "shallow").exists(), "the server has the whole history"


def test_the_servers_reason_is_said(cohort: Cohort, classroom: Path) -> None:
    server = classroom.parent / "server" / "ada.git"
    hook = "#!/bin/sh\necho 'GH013: branches called template/ are protected here' >&2\nexit 1\n"
    write(server / "hooks", {"update": hook})
    (server / "hooks" / "update").chmod(0o755)
    said = cohort(classroom, "update", "--push", "--json")
    ada = said.projects["ada"]
    assert said.code == 3 and ada["state"] == "error" and not ada["pushed"]
    assert "hook declined" in ada["message"], ada["message"]
    assert "GH013: branches called template/ are protected here" in ada["message"]
    assert said.projects["bob"]["pushed"]
