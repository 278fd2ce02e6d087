"""A class that is too large for one machine: parts of it on several, or each repository on its own."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import copier
import pytest
import yaml

from tests.support.classes import Cohort, commit_all, git, make_class, write
from tests.support.helpers import ROOT, copy_template, must_run, run, tool

NAMES = [f"student{number}" for number in range(7)]
BRANCH = "template/v2.0.0"
PULL = ROOT / "template" / ".github" / "workflows" / "template-update.yml"


def documented() -> str:
    """The workflow on the instructor's page."""
    text = (ROOT / "docs" / "cohort.md").read_text(encoding="utf-8")
    return re.findall(r"^```yaml.*?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[0]


def test_the_workflow_of_the_page_is_valid(tmp_path: Path) -> None:
    path = tmp_path / ".github" / "workflows" / "update.yml"
    write(path.parent, {path.name: documented()})
    check = (tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows")
    must_run(*check, path, cwd=tmp_path)
    must_run(tool("zizmor"), "--offline", path, cwd=tmp_path)


def test_several_machines_update_a_class_at_once(
    cohort: Cohort, small: Path, tmp_path: Path
) -> None:
    """Each with a folder and a cache of its own, all with the same roster; parts as on the page."""
    server = tmp_path / "server"
    settings = f'remote = "file://{server}/{{student}}.git"'
    folder = make_class(
        tmp_path / "class", small, NAMES, **{"class": settings, "forge": "file_remotes = true"}
    )
    for name in NAMES:
        git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", f"server/{name}.git")
    assert cohort(folder, "create", "--to", "v1.0.0").code == 0
    shutil.rmtree(folder / ".cohort")  # the machines have none
    job = yaml.safe_load(documented())["jobs"]["update"]
    words = job["steps"][-1]["run"].split()
    assert words[-2:] == ["--part", '"$PART"']
    started = []
    for part in job["strategy"]["matrix"]["part"]:
        machine = shutil.copytree(folder, tmp_path / f"machine{part[0]}")
        command = [sys.executable, "-m", *words[:-1], part, "--json", "--jobs", "1"]
        started.append(
            subprocess.Popen(
                [*command, "--class", str(machine)], cwd=ROOT, stdout=subprocess.PIPE, text=True
            )
        )
    said = [json.loads(process.communicate()[0])["projects"] for process in started]
    assert [process.returncode for process in started] == [0] * 4
    done = [one["student"] for projects in said for one in projects if one["pushed"]]
    assert sorted(done) == NAMES, "each student once"
    # Anyone with the roster reads what they did, and finds nothing left to do.
    status = cohort(folder, "status", "--json").projects
    assert all(status[name]["branch"] == BRANCH for name in NAMES)
    again = cohort(folder, "update", "--push", "--json").projects
    assert not any(one["wrote"] for one in again.values())


@pytest.mark.parametrize("part", ["0/4", "5/4", "1/0", "half", "1/4/2"])
def test_a_wrong_part_is_named(cohort: Cohort, small: Path, tmp_path: Path, part: str) -> None:
    folder = make_class(tmp_path / "class", small, NAMES)
    said = cohort(folder, "plan", "--part", part)
    assert said.code == 3 and f"--part {part} is not valid; write 2/8" in said.err


# ---- The pull model: template-update.yml in the student's own repository ------------------------------

GH = """\
#!/bin/sh
echo "$*" >> "{log}"
case "$*" in "pr list"*) cat "{log}.open" 2> /dev/null || true;; "pr create"*) echo 7 > "{log}.open";; esac
"""


def news(repository: Path, tag: str, *names: str) -> None:
    for name in names:
        path = repository / "template" / name
        text = path.read_text(encoding="utf-8") + f"\n# News of {tag}.\n"
        path.write_text(text, encoding="utf-8", newline="\n")
    commit_all(repository, tag, tag)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The template with one release, and a project of it with the weekly workflow."""
    folder = tmp_path_factory.mktemp("pull")
    template, project = copy_template(folder / "template"), folder / "project"
    git(template, "init", "--quiet")
    commit_all(template, "First", "v1.0.0")
    answers = {"update_workflow": True}
    copier.run_copy(str(template), project, data=answers, defaults=True, quiet=True)
    git(project, "init", "--quiet")
    commit_all(project, "Start")
    return template, project


@pytest.fixture
def pulled(made: tuple[Path, Path], tmp_path: Path) -> Path:
    """A folder with template/, project/ and the project's server, as a machine of the forge has them."""
    for path in made:
        shutil.copytree(path, tmp_path / path.name)
    project = tmp_path / "project"
    answers = (project / ".copier-answers.yml").read_text()
    write(
        project, {".copier-answers.yml": answers.replace(str(made[0]), str(tmp_path / "template"))}
    )
    commit_all(project, "The template has moved")
    git(tmp_path, "clone", "--quiet", "--bare", "project", "server.git")
    git(project, "remote", "add", "origin", str(tmp_path / "server.git"))
    write(tmp_path / "bin", {"gh": GH.format(log=tmp_path / "gh.log")})
    (tmp_path / "bin" / "gh").chmod(0o755)
    return tmp_path


def weekly(folder: Path, own_token: bool = False) -> tuple[int, str]:
    """The two steps of the workflow on a fresh checkout; returns the code, and what the summary says."""
    checkout = folder / "checkout"
    shutil.rmtree(checkout, ignore_errors=True)
    git(folder, "clone", "--quiet", "server.git", "checkout")
    steps = yaml.safe_load(PULL.read_text(encoding="utf-8"))["jobs"]["update"]["steps"]
    scripts = [step["run"] for step in steps if "run" in step]
    assert scripts[0].startswith("python -m pip install") and len(scripts) == 2
    scripts[0] = scripts[0].split("\n", 1)[1].replace("python", sys.executable)
    env = {
        "PATH": f"{folder / 'bin'}:{Path(tool('ruff')).parent}:/usr/local/bin:/usr/bin:/bin",
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "OWN_TOKEN": "true" if own_token else "false",
        "MAIN": "main",
    }
    (folder / "summary").write_text("")
    for script in scripts:
        done = run("bash", "-e", "-o", "pipefail", "-c", script, cwd=checkout, **env)
        if done.returncode:
            break
    return done.returncode, (folder / "summary").read_text() + done.stderr


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the forge's machine is a Linux")


def test_the_weekly_update_opens_one_pull_request(pulled: Path) -> None:
    server = pulled / "server.git"
    assert weekly(pulled) == (0, "The template is up to date.\n")
    news(pulled / "template", "v2.0.0", "engine/capstone/__init__.py")
    main = git(server, "rev-parse", "main")
    for _ in range(2):
        code, said = weekly(pulled)
        assert code == 0, said
    log = (pulled / "gh.log").read_text()
    assert log.count(f"pr create --base main --head {BRANCH}") == 1, "the second week finds it"
    assert git(server, "rev-parse", "main") == main, "nothing is merged"
    changed = git(server, "diff", "--name-only", "main", BRANCH).split()
    assert changed == [".copier-answers.yml", "engine/capstone/__init__.py"]


@pytest.mark.slow
def test_the_weekly_update_stops_where_it_needs_more_than_its_token(pulled: Path) -> None:
    news(pulled / "template", "v2.0.0", ".github/workflows/ci.yml")
    code, said = weekly(pulled)
    assert code == 1 and "may not. Run: uvx copier update" in said
    assert git(pulled / "server.git", "branch", "--list", "template/*") == ""
    code, said = weekly(pulled, own_token=True)
    assert code == 0, said
    assert git(pulled / "server.git", "branch", "--list", "template/*").strip() == BRANCH


def test_the_weekly_update_stops_at_a_conflict(pulled: Path) -> None:
    news(pulled / "template", "v2.0.0", "engine/capstone/__init__.py")
    engine = pulled / "project" / "engine" / "capstone" / "__init__.py"
    engine.write_text(engine.read_text() + "\n# My line at the end.\n")
    commit_all(pulled / "project", "My line")
    git(pulled / "project", "push", "--quiet", "origin", "main")
    code, said = weekly(pulled)
    assert code == 1 and "changed the same lines" in said and "engine/capstone/__init__.py" in said
    assert git(pulled / "server.git", "branch", "--list", "template/*") == ""
