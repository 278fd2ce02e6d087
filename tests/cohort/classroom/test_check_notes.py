"""What a project's CI leaves in its repository, and what `cohort status` and `report` make of it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.classes import Cohort, commit_all, create_on_servers, git, make_class, write
from tests.support.helpers import ROOT, Render, RunCapstone, must_run

REF = "refs/notes/capstone/check"
GITHUB = ROOT / "template" / ".github" / "workflows" / "ci.yml"
GITLAB = ROOT / "template" / ".gitlab-ci.yml"
RULES = [
    {"rule": "card", "state": "open", "said": "3 questions are open"},
    {"rule": "secrets", "state": "done", "said": "none found"},
]


@pytest.fixture(scope="module")
def checked(render: Render, run_capstone: RunCapstone) -> str:
    """What the command of the workflow prints, in a project without a run."""
    done = run_capstone(render(), "check", "--json")
    return done.stdout


@pytest.fixture
def classroom(cohort: Cohort, small: Path, tmp_path: Path, kept: Path) -> Path:
    """Two students, whose repositories are on a server that file:// stands for."""
    server = tmp_path / "server"
    settings = f'remote = "file://{server}/{{student}}.git"'
    folder = make_class(
        tmp_path / "class",
        small,
        ["ada", "eve"],
        **{"class": settings, "forge": "file_remotes = true"},
    )
    return create_on_servers(cohort, folder, ["ada", "eve"], kept / "ci")


def script_of(forge: str) -> str:
    """The lines that leave the result, as the forge would run them."""
    if forge == "github":
        steps = yaml.safe_load(GITHUB.read_text(encoding="utf-8"))["jobs"]["result"]["steps"]
        return str(steps[-1]["run"])
    job = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))["leave result"]
    return "\n".join(line for line in job["script"] if not line.startswith("origin="))


def leave(folder: Path, name: str, content: str, forge: str = "github") -> str:
    """What the last job of CI does after a push, with a `gh` that does nothing."""
    server, clone = folder.parent / "server" / f"{name}.git", folder.parent / f"ci-{name}"
    if clone.exists():
        git(clone, "pull", "--quiet", "--ff-only")
        git(clone, "update-ref", "-d", REF)  # each job starts from a clone of its own
    else:
        git(folder, "clone", "--quiet", f"file://{server}", str(clone))
    write(clone, {"check.json": content, ".git/bin/gh": "#!/bin/sh\n"})
    (clone / ".git/bin/gh").chmod(0o755)
    path = f"{clone / '.git/bin'}{os.pathsep}{os.environ['PATH']}"
    summary = str(clone / ".git" / "summary")
    env = {"PATH": path, "GITHUB_STEP_SUMMARY": summary, "origin": "origin"}
    return must_run("bash", "-e", "-c", script_of(forge), cwd=clone, **env)


@pytest.mark.skipif(os.name == "nt", reason="the forges' Linux machines run these lines")
@pytest.mark.parametrize("forge", ["github", "gitlab"])
def test_status_reads_what_ci_left(
    cohort: Cohort, classroom: Path, checked: str, forge: str
) -> None:
    opened = [rule["rule"] for rule in json.loads(checked)["rules"] if rule["state"] == "open"]
    assert "run" in opened or len(opened) > 2, "a project without a run has something open"
    assert cohort(classroom, "status", "--json").projects["ada"]["checks"] is None
    leave(classroom, "ada", checked, forge)
    said = cohort(classroom, "status", "--json")
    assert said.code == 0
    ada = said.projects["ada"]
    assert [line.partition(":")[0] for line in ada["checks"]] == opened
    assert ada["checked"] == "newest" and said.projects["eve"]["checks"] is None
    assert "(older commit)" not in cohort(classroom, "status").out
    # Nothing but the note is new on the server, and the student's branch is where it was.
    server = classroom.parent / "server" / "ada.git"
    assert set(git(server, "for-each-ref", "--format=%(refname)").split()) == {
        "refs/heads/main",
        REF,
    }


@pytest.mark.skipif(os.name == "nt", reason="the forges' Linux machines run these lines")
def test_after_new_work_the_result_is_an_older_commits(cohort: Cohort, classroom: Path) -> None:
    told = json.dumps({"rules": RULES})
    leave(classroom, "ada", told)
    clone = classroom.parent / "ci-ada"
    write(clone, {"idea.md": "An idea\n", "check.json": None})
    commit_all(clone, "An idea")
    git(clone, "push", "--quiet")
    ada = cohort(classroom, "status", "--json").projects["ada"]
    assert ada["checks"] == ["card: 3 questions are open"] and ada["checked"] == "older"
    assert "1 (older commit)" in cohort(classroom, "status").out
    page = classroom / "class.html"
    assert cohort(classroom, "report", "--html", str(page)).code == 0
    assert "card: 3 questions are open" in page.read_text()
    assert "for an older commit" in page.read_text()
    leave(classroom, "ada", json.dumps({"rules": []}))  # a push later: the new note replaces it
    ada = cohort(classroom, "status", "--json").projects["ada"]
    assert ada["checks"] == [] and ada["checked"] == "newest"


@pytest.mark.skipif(os.name == "nt", reason="the forges' Linux machines run these lines")
@pytest.mark.parametrize("forge", ["github", "gitlab"])
def test_where_ci_may_not_write_it_says_so_and_stays_green(classroom: Path, forge: str) -> None:
    server = classroom.parent / "server" / "ada.git"
    write(server, {"hooks/pre-receive": "#!/bin/sh\nexit 1\n"})
    (server / "hooks" / "pre-receive").chmod(0o755)
    said = leave(classroom, "ada", json.dumps({"rules": []}), forge)
    summary = classroom.parent / "ci-ada" / ".git" / "summary"
    said += summary.read_text() if summary.exists() else ""
    assert "not" in said and git(server, "for-each-ref", "refs/notes") == ""


def test_the_job_that_may_write_runs_nothing_of_the_project() -> None:
    """It may push, so it neither installs anything nor runs a file of the repository."""
    jobs = yaml.safe_load(GITHUB.read_text(encoding="utf-8"))["jobs"]
    assert [name for name, job in jobs.items() if "permissions" in job] == ["result"]
    assert jobs["result"]["permissions"] == {"contents": "write"}
    for forge in ("github", "gitlab"):
        words = {line.split()[0] for line in script_of(forge).splitlines()}
        assert words <= {"git", "gh", "echo"}


# ---- A note is written by a stranger ------------------------------------------------------------------


@pytest.fixture
def local(cohort: Cohort, small: Path, tmp_path: Path) -> Path:
    folder = make_class(tmp_path / "class", small, ["ada", "eve"])
    assert cohort(folder, "create", "--to", "v1.0.0").code == 0
    return folder


def note(project: Path, content: str | bytes) -> None:
    write(project, {".git/check.json": content})
    git(project, "notes", "--ref=capstone/check", "add", "--force", "--file=.git/check.json")


def linked(project: Path) -> None:
    (project / ".git/refs/notes").mkdir(parents=True)
    (project / ".git/refs/notes/capstone").symlink_to(project.parent)


def a_pipe(project: Path) -> None:
    (project / ".git" / REF).parent.mkdir(parents=True)
    os.mkfifo(project / ".git" / REF)


def a_link_in_the_note(project: Path) -> None:
    note(project, "x")
    head, blob = git(project, "rev-parse", "HEAD"), git(project, "rev-parse", "HEAD:README.md")
    listing = project / ".git" / "listing"
    listing.write_text(f"120000 blob {blob}\t{head}\n")
    tree = must_run("bash", "-c", "git mktree < .git/listing", cwd=project).strip()
    git(project, "update-ref", REF, git(project, "commit-tree", "-m", "x", tree))


DEEP = '{"rules": ' + "[" * 100_000 + "]" * 100_000 + "}"
UNREADABLE: dict[str, str | bytes] = {
    "no JSON": "hello",
    "a list": "[1, 2]",
    "no rules": "{}",
    "another kind": '{"rules": 7}',
    "no state": '{"rules": [{"rule": "card"}]}',
    "a number in the place of a rule": '{"rules": [7]}',
    "deep": DEEP,
    "a long number": '{"rules": [{"rule": ' + "9" * 5000 + ', "state": "open", "said": 1}]}',
    "no text": b'{"rules": "\xff\xfe"}',
    "many rules": json.dumps({"rules": RULES * 60}),
}
REFUSED: dict[str, Callable[[Path], Any]] = {
    "large": lambda project: note(project, json.dumps({"rules": ["x" * 300_000]})),
    "linked": linked,
    "a pipe": a_pipe,
    "a link in the note": a_link_in_the_note,
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_note_that_is_no_result_is_said_and_hides_nothing(
    cohort: Cohort, local: Path, name: str
) -> None:
    note(local / "students/eve", UNREADABLE[name])
    said = cohort(local, "status", "--json")
    eve = said.projects["eve"]
    assert said.code == 0 and eve["release"] == "v1.0.0" and eve["checks"] is None
    assert "can't be read" in eve["message"]
    assert cohort(local, "report", "--html", str(local / "class.html")).code == 0


@pytest.mark.skipif(os.name == "nt", reason="links and pipes")
@pytest.mark.parametrize("name", REFUSED)
def test_a_note_that_could_do_harm_is_refused(cohort: Cohort, local: Path, name: str) -> None:
    REFUSED[name](local / "students/eve")
    said = cohort(local, "status", "--json")
    assert said.code == 4 and said.projects["eve"]["state"] == "refused"
    assert said.projects["ada"]["state"] == "known"
    assert cohort(local, "report", "--html", str(local / "class.html")).code == 0


def test_a_note_steers_no_terminal_and_no_page(cohort: Cohort, local: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202e<script>document.title='owned'</script>[red]"
    rules = [{"rule": evil, "state": "open", "said": evil + "x" * 10_000}]
    note(local / "students/eve", json.dumps({"rules": rules}))
    eve = cohort(local, "status", "--json").projects["eve"]
    assert len(eve["checks"][0]) < 700 and eve["checks"][0].isprintable()
    assert "\x1b]" not in cohort(local, "status").out
    page = local / "class.html"
    cohort(local, "report", "--html", str(page))
    assert "<script>document" not in page.read_text()


def test_many_notes_in_folders_are_read_too(cohort: Cohort, local: Path) -> None:
    """git sorts notes into folders once there are many."""
    project = local / "students/ada"
    head = git(project, "rev-parse", "HEAD")
    stream = f"commit {REF}\ncommitter x <x@example.org> 1 +0000\ndata 0\n"
    own = json.dumps({"rules": RULES})
    for path in (f"{head[:2]}/{head[2:4]}/{head[4:]}", f"00/{'0' * 38}"):
        stream += f"M 100644 inline {path}\ndata {len(own)}\n{own}\n"
    write(project, {".git/stream": stream})
    must_run("bash", "-c", "git fast-import --quiet < .git/stream", cwd=project)
    git(project, "pack-refs", "--all")
    ada = cohort(local, "status", "--json").projects["ada"]
    assert ada["checks"] == ["card: 3 questions are open"] and ada["checked"] == "newest"


# ---- What an update will meet -------------------------------------------------------------------------


def test_status_says_what_the_newest_plan_found(cohort: Cohort, local: Path) -> None:
    eve = local / "students/eve"
    text = (eve / "engine.py").read_text().replace("line 5 ", "my line ")
    write(eve, {"engine.py": text})
    commit_all(eve, "My line")
    assert "Next: `cohort plan`" in cohort(local, "status").out
    assert cohort(local, "plan").code == 2
    said = cohort(local, "status", "--json").projects
    assert said["eve"]["to_come"] == "needs attention: engine.py"
    assert said["ada"]["to_come"] == "will merge cleanly"
    assert "needs attention: engine.py" in cohort(local, "status").out
    write(eve, {"engine.py": text + "more\n"})
    commit_all(eve, "More")
    assert cohort(local, "status", "--json").projects["eve"]["to_come"] is None, "it is out of date"
    cohort(local, "update")  # an update plans too
    assert (
        cohort(local, "status", "--json").projects["eve"]["to_come"] == "needs attention: engine.py"
    )
