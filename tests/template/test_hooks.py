"""The checks before each commit: green on what is rendered, red on what must not be committed."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml

from tests.support.helpers import ROOT, Render, must_run, run, tool

Hooks = Callable[..., CompletedProcess[str]]
CONFIG = (ROOT / "template" / ".pre-commit-config.yaml").read_text(encoding="utf-8")
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"  # made up
MERGE = b"<<<<<<< mine\na\n=======\nb\n>>>>>>> theirs\n"


def test_hooks_need_nothing_but_the_package_index() -> None:
    repos = yaml.safe_load(CONFIG)["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    for hook in repos[0]["hooks"]:
        assert hook["language"] == "python"
        assert all(re.fullmatch(r"[\w-]+==[\d.]+", pin) for pin in hook["additional_dependencies"])


def test_notebooks_are_stripped_before_the_others_look() -> None:
    assert yaml.safe_load(CONFIG)["repos"][0]["hooks"][0]["id"] == "nbstripout"


def test_hooks_and_developer_tools_have_the_same_versions(render: Render) -> None:
    text = (render() / "pyproject.toml").read_text(encoding="utf-8")
    tools = set(tomllib.loads(text)["project"]["optional-dependencies"]["dev"])
    hooks = yaml.safe_load(CONFIG)["repos"][0]["hooks"]
    pins = {pin for hook in hooks for pin in hook["additional_dependencies"]}
    assert {pin for pin in pins if not pin.startswith("pre-commit-hooks==")} <= tools


@pytest.fixture(scope="session")
def hooks(pre_commit_home: Path) -> Hooks:
    """`hooks(project)` runs all hooks; what they need is installed once for all tests."""

    def run_hooks(project: Path, *arguments: str) -> CompletedProcess[str]:
        env = {"PRE_COMMIT_HOME": str(pre_commit_home), "PRE_COMMIT_COLOR": "never"}
        return run(tool("pre-commit"), "run", *arguments, cwd=project, **env)

    return run_hooks


def repository(project: Path) -> Path:
    """The project as a git repository with everything committed."""
    must_run("git", "init", "--quiet", cwd=project)
    must_run("git", "add", "--all", cwd=project)
    must_run("git", "commit", "--quiet", "--message", "Start", cwd=project)
    return project


def failed(done: CompletedProcess[str]) -> set[str]:
    """The ids of the hooks that failed."""
    return set(re.findall(r"hook id: (\S+)", done.stdout)) if done.returncode else set()


HOSTILE = {
    "project_name": '"It\'s" <b>100%</b> {{ 7*7 }} \\n 🏠 ',
    "question": " - Wie groß? # [x](y) | --- `code` ",
    "author_name": 'O\'Neil, "Jane" \\ ',
    "course_name": "=======",
    "ci": "gitlab",
    "docker": True,
    "deployment": "both",
    "license": "apache-2.0",
    "torch_build": "cpu",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"problem": "binary", "license": "none"},
        {"problem": "multiclass", "license": "bsd-3-clause"},
        {"data_source": "own", **HOSTILE},
    ],
    ids=["regression", "binary", "multiclass", "own"],
)
def test_a_fresh_project_is_green(hooks: Hooks, copy_of: Render, answers: dict[str, Any]) -> None:
    project = repository(copy_of(**answers))
    done = hooks(project, "--all-files")
    assert done.returncode == 0, done.stdout
    assert must_run("git", "status", "--porcelain", cwd=project) == ""


NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "execution_count": 1,
            "id": "a1",
            "metadata": {},
            "outputs": [{"name": "stdout", "output_type": "stream", "text": ["private\n"]}],
            "source": ['print("private")'],
        }
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}
# What must not be committed: the file, its content, and the hook that has to find it.
BAD: dict[str, tuple[str, bytes, str]] = {
    "a secret": ("src/my_capstone/key.py", f'TOKEN = "{TOKEN}"\n'.encode(), "detect-secrets"),
    "a 50 MB file": ("data/raw/large.bin", b"\0" * 50 * 2**20, "check-added-large-files"),
    "a notebook with output": ("look.ipynb", json.dumps(NOTEBOOK).encode() + b"\n", "nbstripout"),
    "a merge marker": ("notes.md", MERGE, "check-merge-conflict"),
    "an unused import": ("src/my_capstone/more.py", b"import os\n", "ruff-check"),
    "untidy code": ("src/my_capstone/more.py", b"x = {  'a':1 }\n", "ruff-format"),
    "broken TOML": ("more.toml", b"a = [\n", "check-toml"),
    "broken YAML": ("more.yml", b"a: [1\n", "check-yaml"),
    "broken JSON": ("more.json", b"{,}\n", "check-json"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", BAD)
def test_it_is_red_when_this_is_staged(hooks: Hooks, copy_of: Render, what: str) -> None:
    project = repository(copy_of())
    name, content, hook = BAD[what]
    (project / name).write_bytes(content)
    must_run("git", "add", "--", name, cwd=project)
    done = hooks(project)
    assert failed(done) == {hook}, done.stdout


@pytest.mark.slow
def test_what_was_committed_past_the_hooks_is_found_later(hooks: Hooks, copy_of: Render) -> None:
    project = copy_of()
    for what in ("a secret", "a 50 MB file", "a merge marker"):
        name, content, _ = BAD[what]
        (project / name).write_bytes(content)
    done = hooks(repository(project), "--all-files")
    assert failed(done) == {"detect-secrets", "check-added-large-files", "check-merge-conflict"}


@pytest.mark.slow
def test_tables_keep_their_bytes(hooks: Hooks, copy_of: Render) -> None:
    project = repository(copy_of())
    table = project / "data" / "raw" / "mine.csv"
    table.write_bytes(b"a;b \r\n1;2\r\n\r\n")
    must_run("git", "add", "--all", cwd=project)
    assert hooks(project).returncode == 0
    must_run("git", "commit", "--quiet", "--message", "Add a table", cwd=project)
    table.unlink()
    must_run("git", "checkout", "--", ".", cwd=project)
    assert table.read_bytes() == b"a;b \r\n1;2\r\n\r\n"
