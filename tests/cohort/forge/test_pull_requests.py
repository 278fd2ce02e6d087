"""Pull requests through the forge's own command; a script that notes its words stands for it."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from cohort.forge import pull_requests as forge
from tests.classes import Cohort, git, make_class, write

BRANCH = "template/v2.0.0"
FORGE = """\
#!{python}
import json, sys
with open({log!r}, "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
if {fails} and "bob" in " ".join(sys.argv):
    sys.exit("GraphQL: was submitted too quickly")
print("Creating pull request...\\nhttps://example.org/pull/7")
"""


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long cohort waited after each pull request; here it does not wait."""
    waited: list[float] = []
    monkeypatch.setattr(forge, "time", SimpleNamespace(sleep=waited.append))
    return waited


def class_on(kind: str, cohort: Cohort, small: Path, tmp_path: Path) -> Path:
    settings = f'remote = "file://{tmp_path}/server/{{student}}.git"'
    sections = {"class": settings, "forge": f'kind = "{kind}"\nfile_remotes = true'}
    folder = make_class(tmp_path / "class", small, ["ada", "bob"], **sections)
    for name in ("ada", "bob"):
        git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", f"server/{name}.git")
    assert cohort(folder, "create", "--to", "v1.0.0").code == 0
    return folder


def install(folder: Path, command: str, monkeypatch: pytest.MonkeyPatch, fails: bool) -> Path:
    log = folder / "log"
    python = shutil.which("python3")
    write(folder, {command: FORGE.format(python=python, log=str(log), fails=fails)})
    (folder / command).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return log


@pytest.mark.parametrize(("kind", "command"), [("github", "gh"), ("gitlab", "glab")])
def test_each_new_branch_gets_one_request(
    cohort: Cohort,
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pauses: list[float],
    kind: str,
    command: str,
) -> None:
    folder = class_on(kind, cohort, small, tmp_path)
    log = install(tmp_path / "bin", command, monkeypatch, fails=False)
    said = cohort(folder, "update", "--push", "--json")
    assert said.code == 0 and pauses == [1.0, 1.0], "one a second"
    asked = [json.loads(line) for line in log.read_text().splitlines()]
    for words, name in zip(asked, ("ada", "bob"), strict=True):
        assert words[:2] == [{"gh": "pr", "glab": "mr"}[command], "create"]
        assert words[words.index("--repo") + 1] == f"server/{name}"
        assert BRANCH in words and "keeps every line of yours" in words[-1]
        assert "pull request: https://example.org/pull/7" in said.projects[name]["notes"]
    cohort(folder, "update", "--push")
    assert len(log.read_text().splitlines()) == 2, "nothing new: no second request"


def test_a_forge_that_refuses_is_said_and_the_branch_is_there(
    cohort: Cohort,
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pauses: list[float],
) -> None:
    folder = class_on("github", cohort, small, tmp_path)
    install(tmp_path / "bin", "gh", monkeypatch, fails=True)
    said = cohort(folder, "update", "--push", "--json")
    assert any("too quickly" in note for note in said.projects["bob"]["notes"])
    assert said.projects["ada"]["notes"] == ["pull request: https://example.org/pull/7"]
    assert git(tmp_path / "server" / "bob.git", "branch", "--list", BRANCH)


def test_without_the_forges_command_branch_and_text_are_ready(
    cohort: Cohort, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = class_on("github", cohort, small, tmp_path)
    found = shutil.which
    monkeypatch.setattr(
        forge.shutil, "which", lambda name, **more: None if name == "gh" else found(name, **more)
    )
    ada = cohort(folder, "update", "--push", "--json").projects["ada"]
    assert ada["notes"] == ["no pull request: gh is not installed; the branch is there"]
    assert ada["text"].startswith("Update the template from v1.0.0 to v2.0.0")


def test_machines_that_share_a_class_share_the_limit(
    cohort: Cohort,
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pauses: list[float],
) -> None:
    folder = class_on("github", cohort, small, tmp_path)
    install(tmp_path / "bin", "gh", monkeypatch, fails=False)
    assert cohort(folder, "update", "--push", "--part", "2/4").code == 0
    assert pauses == [4.0]  # bob alone, and four machines at once
