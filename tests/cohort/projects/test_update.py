"""`cohort update`: what copier does where copier does well, and no lost line where it does not."""

import random
import re
from pathlib import Path

import copier
import pytest

from tests.support.classes import (
    EDITS,
    GONE,
    Cohort,
    commit_all,
    delete_ci,
    git,
    make_class,
    move_into,
    snapshot,
    student_at_work,
    tree,
    write,
)

SEEDS, LONG_SEEDS = range(6), range(100, 300)
# Projects at work: what is tried in the default suite, and in `nox -s long`.
SUITE, LONG = len(SEEDS), len(LONG_SEEDS)
BRANCH = "template/v2.0.0"
STUDENT = "students/ada"


@pytest.fixture(scope="module")
def made(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of the first release, made by copier and committed."""
    project = tmp_path_factory.mktemp("made") / "project"
    copier.run_copy(
        str(small), project, vcs_ref="v1.0.0", data={"title": "Mine"}, defaults=True, quiet=True
    )
    git(project, "init", "--quiet")
    commit_all(project, "Start")
    return project


@pytest.fixture
def class_of_one(small: Path, made: Path, tmp_path: Path) -> Path:
    folder = make_class(tmp_path / "class", small, ["ada"])
    move_into(made, folder / STUDENT)
    return folder


def copiers_tree(project: Path, target: Path) -> dict[str, str]:
    """What `copier update` makes of a project, as a tree."""
    copy = move_into(project, target)
    copier.run_update(copy, defaults=True, overwrite=True, quiet=True)
    git(copy, "add", "--all")
    return tree(copy, git(copy, "write-tree"))


def compare_with_copier(cohort: Cohort, folder: Path, tmp_path: Path, seed: int) -> None:
    project = folder / STUDENT
    student_at_work(project, random.Random(seed), 1 + seed % len(EDITS))
    said = cohort(folder, "update", "--json")
    assert said.projects["ada"]["state"] == "clean", said.out
    assert tree(project, BRANCH) == copiers_tree(project, tmp_path / "copier")
    git(project, "fsck", "--strict")


@pytest.mark.parametrize("seed", SEEDS)
def test_where_nothing_conflicts_the_result_is_copiers(
    cohort: Cohort, class_of_one: Path, tmp_path: Path, seed: int
) -> None:
    compare_with_copier(cohort, class_of_one, tmp_path, seed)


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_two_hundred_projects_end_as_with_copier(
    cohort: Cohort, class_of_one: Path, made: Path, tmp_path: Path, part: int
) -> None:
    for seed in LONG_SEEDS[part::10]:
        move_into(made, class_of_one / STUDENT)
        compare_with_copier(cohort, class_of_one, tmp_path, seed)


def test_nothing_but_the_branch_is_touched(cohort: Cohort, class_of_one: Path) -> None:
    project = class_of_one / STUDENT
    student_at_work(project, random.Random(1))
    write(project, {"README.md": "not committed\n", "new.txt": "not added\n"})
    git(project, "add", "README.md")
    before = snapshot(project)
    assert cohort(class_of_one, "update").code == 0
    after = snapshot(project)
    assert set(after) - set(before) == {f".git/refs/heads/{BRANCH}"}
    assert all(after[name] == before[name] for name in before)
    git(project, "fsck", "--strict")


def test_a_second_update_does_nothing(cohort: Cohort, class_of_one: Path) -> None:
    first = cohort(class_of_one, "update", "--json").projects["ada"]
    before = snapshot(class_of_one / STUDENT)
    second = cohort(class_of_one, "update", "--json").projects["ada"]
    assert (first["wrote"], second["wrote"]) == (True, False)
    assert first["commit"] == second["commit"]
    assert snapshot(class_of_one / STUDENT) == before


def test_once_merged_the_project_is_up_to_date(cohort: Cohort, class_of_one: Path) -> None:
    cohort(class_of_one, "update")
    git(class_of_one / STUDENT, "merge", "--quiet", BRANCH)
    assert cohort(class_of_one, "update", "--json").projects["ada"]["state"] == "current"
    assert (
        cohort(class_of_one, "update", "--to", "v1.0.0", "--json").projects["ada"]["state"]
        == "newer"
    )
    assert cohort(class_of_one, "status", "--json").projects["ada"]["behind"] == 0


def test_both_engines_write_the_same_commit(cohort: Cohort, class_of_one: Path) -> None:
    student_at_work(class_of_one / STUDENT, random.Random(5))
    ours = cohort(class_of_one, "update", "--json").projects["ada"]
    cohort(class_of_one, "rollback")
    theirs = cohort(class_of_one, "update", "--engine", "copier", "--json").projects["ada"]
    assert theirs["commit"] == ours["commit"] and theirs["wrote"]


# ---- Where copier loses an edit, and we must not ----------------------------------------------------


def test_an_edit_follows_a_file_that_the_template_renames(
    cohort: Cohort, class_of_one: Path, tmp_path: Path
) -> None:
    project = class_of_one / STUDENT
    path = project / "tools" / "old.py"
    write(project, {"tools/old.py": "my line\n" + path.read_text()})
    commit_all(project, "Mine")
    assert cohort(class_of_one, "update").code == 0
    moved = git(project, "show", f"{BRANCH}:tools/new.py")
    assert moved.startswith("my line\n") and "tool twenty" in moved
    assert "tools/old.py" not in tree(project, BRANCH)
    copiers = copiers_tree(project, tmp_path / "copier")
    assert tree(project, BRANCH)["tools/new.py"] != copiers["tools/new.py"], (
        "copier keeps it now too"
    )


def test_news_follow_a_file_that_the_student_renames(cohort: Cohort, class_of_one: Path) -> None:
    project = class_of_one / STUDENT
    git(project, "mv", "engine.py", "motor.py")
    commit_all(project, "A better name")
    assert cohort(class_of_one, "update").code == 0
    assert "line five" in git(project, "show", f"{BRANCH}:motor.py")
    assert "engine.py" not in tree(project, BRANCH)


def test_an_edited_file_that_the_template_removes_is_kept_and_named(
    cohort: Cohort, class_of_one: Path, tmp_path: Path
) -> None:
    project = class_of_one / STUDENT
    write(project, {"docs/gone.md": GONE + "my notes\n"})
    commit_all(project, "Mine")
    said = cohort(class_of_one, "update", "--json")
    assert said.code == 2
    assert [one["path"] for one in said.projects["ada"]["conflicts"]] == ["docs/gone.md"]
    assert "my notes" in git(project, "show", f"{BRANCH}:docs/gone.md")
    assert "docs/gone.md" not in copiers_tree(project, tmp_path / "copier"), (
        "copier keeps it now too"
    )


def test_a_students_file_stays_deleted(cohort: Cohort, class_of_one: Path) -> None:
    project = class_of_one / STUDENT
    (project / "README.md").unlink()
    commit_all(project, "No readme")
    cohort(class_of_one, "update")
    assert "README.md" not in tree(project, BRANCH)
    assert "src/mine/extra.py" in tree(project, BRANCH), "a new file for the student comes"


def test_windows_line_ends_are_no_conflict(cohort: Cohort, class_of_one: Path) -> None:
    project = class_of_one / STUDENT
    text = (project / "engine.py").read_text().replace("line 15 ", "my line 15 ")
    write(project, {"engine.py": text.replace("\n", "\r\n").encode()})
    git(project, "config", "core.autocrlf", "false")
    commit_all(project, "From Windows")
    assert cohort(class_of_one, "update").code == 0
    merged = git(project, "cat-file", "blob", f"{BRANCH}:engine.py")
    assert "my line 15" in merged and "line five" in merged
    assert git(project, "ls-tree", "--full-tree", BRANCH, "engine.py") != ""


# ---- A conflict is a state, never a success ---------------------------------------------------------


@pytest.fixture
def conflict(class_of_one: Path) -> Path:
    project = class_of_one / STUDENT
    text = (project / "engine.py").read_text().replace("line 5 ", "my line 5 ")
    write(project, {"engine.py": text})
    commit_all(project, "The same line")
    return class_of_one


def test_a_conflict_keeps_the_students_side_and_says_what_to_do(
    cohort: Cohort, conflict: Path
) -> None:
    said = cohort(conflict, "update", "--json")
    assert said.code == 2
    ada = said.projects["ada"]
    assert ada["state"] == "conflict"
    assert [one["path"] for one in ada["conflicts"]] == ["engine.py"]
    branch = git(conflict / STUDENT, "show", f"{BRANCH}:engine.py")
    assert "my line 5" in branch and "<<<<<<<" not in branch
    assert "engine.py: the student and the template changed the same lines" in git(
        conflict / STUDENT, "log", "-1", "--format=%B", BRANCH
    )
    assert "rich~=16.0" in git(conflict / STUDENT, "show", f"{BRANCH}:config.toml")


def test_markers_come_only_on_request(cohort: Cohort, conflict: Path) -> None:
    said = cohort(conflict, "update", "--markers", "--json")
    assert said.code == 2
    ((path, what),) = [tuple(one.values()) for one in said.projects["ada"]["conflicts"]]
    assert path == "engine.py" and "both sides are in the file, between markers" in what
    message = git(conflict / STUDENT, "log", "-1", "--format=%B", BRANCH)
    assert f"- {path}: {what}." in message and "is kept" not in message
    branch = git(conflict / STUDENT, "show", f"{BRANCH}:engine.py")
    sides = re.search(
        r"^<<<<<<< student\nmy line 5 .*\n=======\nline five .*\n>>>>>>> template v2.0.0$",
        branch,
        re.M,
    )
    assert sides, branch


def test_a_plan_writes_nothing_and_shows_the_changes(
    cohort: Cohort, conflict: Path, tmp_path: Path
) -> None:
    before = snapshot(conflict / STUDENT)
    page = tmp_path / "plan.html"
    said = cohort(conflict, "plan", "--json")
    assert said.code == 2
    assert '+    "rich~=16.0",' in said.projects["ada"]["diffs"]["config.toml"]
    assert cohort(conflict, "plan", "--html", str(page)).code == 2
    assert "rich~=16.0" in page.read_text()
    assert snapshot(conflict / STUDENT) == before


def test_a_branch_with_a_students_commit_is_left_alone(cohort: Cohort, class_of_one: Path) -> None:
    project = class_of_one / STUDENT
    cohort(class_of_one, "update")
    git(project, "checkout", "--quiet", BRANCH)
    write(project, {"note.txt": "mine\n"})
    commit_all(project, "On your branch")
    git(project, "checkout", "--quiet", "main")
    write(project, {"note2.txt": "mine\n"})
    commit_all(project, "Work goes on")
    before = git(project, "rev-parse", BRANCH)
    for command in ("update", "rollback"):
        said = cohort(class_of_one, command, "--json")
        assert said.code == 3
        assert "commits that cohort did not make" in said.projects["ada"]["message"]
    assert git(project, "rev-parse", BRANCH) == before


def test_after_new_work_the_branch_is_made_anew(cohort: Cohort, class_of_one: Path) -> None:
    project = class_of_one / STUDENT
    cohort(class_of_one, "update")
    delete_ci(project, random.Random(0))
    commit_all(project, "Work goes on")
    assert cohort(class_of_one, "update", "--json").projects["ada"]["wrote"]
    assert git(project, "rev-parse", f"{BRANCH}^") == git(project, "rev-parse", "main")


def test_rollback_deletes_what_update_made(cohort: Cohort, class_of_one: Path) -> None:
    project = class_of_one / STUDENT
    before = snapshot(project)
    cohort(class_of_one, "update")
    git(project, "pack-refs", "--all")
    assert cohort(class_of_one, "rollback").code == 0
    assert git(project, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert {name for name in before if name not in snapshot(project)} <= {".git/refs/heads/main"}
