"""What runs after a push, and in a container: valid, pinned, with the least permissions."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.support.helpers import ROOT, Render, must_run, tool

WORKFLOWS = {
    "ours": ROOT / ".github" / "workflows" / "ci.yml",
    "student's": ROOT / "template" / ".github" / "workflows" / "ci.yml",
    "update": ROOT / "template" / ".github" / "workflows" / "template-update.yml",
}
GITLAB = ROOT / "template" / ".gitlab-ci.yml"


@pytest.fixture(params=WORKFLOWS)
def workflow(request: pytest.FixtureRequest) -> Path:
    return WORKFLOWS[request.param]


def test_workflow_fits_githubs_schema(workflow: Path) -> None:
    must_run(
        tool("check-jsonschema"),
        "--builtin-schema",
        "vendor.github-workflows",
        workflow,
        cwd=ROOT,
    )


def test_zizmor_finds_no_weakness(workflow: Path) -> None:
    must_run(tool("zizmor"), "--offline", "--persona=pedantic", workflow, cwd=ROOT)


def test_workflow_may_only_read(workflow: Path) -> None:
    assert yaml.safe_load(workflow.read_text(encoding="utf-8"))["permissions"] == {
        "contents": "read"
    }


def test_actions_are_pinned_by_their_hash(workflow: Path) -> None:
    used = re.findall(r"uses: (\S+)", workflow.read_text(encoding="utf-8"))
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in used)


def test_students_workflow_runs_on_three_systems() -> None:
    jobs = yaml.safe_load(WORKFLOWS["student's"].read_text(encoding="utf-8"))["jobs"]
    systems = jobs["test"]["strategy"]["matrix"]["os"]
    assert systems == ["ubuntu-latest", "macos-latest", "windows-latest"]


def test_gitlabs_file_fits_its_schema() -> None:
    must_run(
        tool("check-jsonschema"),
        *("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
        GITLAB,
        cwd=ROOT,
    )


def test_github_and_gitlab_check_the_same() -> None:
    github = WORKFLOWS["student's"].read_text(encoding="utf-8")
    for step in yaml.safe_load(GITLAB.read_text(encoding="utf-8"))[".checks"]["script"]:
        command = re.sub(r"^python -m (?=ruff|mypy|pre_commit|capstone)", "", step)
        words = command.replace("pre_commit", "pre-commit").split()
        assert re.search(r"\s+".join(map(re.escape, words[:2])), github), step


def test_yaml_is_tidy() -> None:
    must_run(tool("yamllint"), "--strict", "copier.yml", "template", ".github", cwd=ROOT)


def test_a_rendered_project_has_tidy_yaml(render: Render) -> None:
    for ci in ("github", "gitlab"):
        project = render(ci=ci)
        must_run(tool("yamllint"), "--strict", "-c", ROOT / ".yamllint.yml", ".", cwd=project)


def test_the_container_does_not_run_as_root(render: Render) -> None:
    dockerfile = (render(docker=True) / "Dockerfile").read_text(encoding="utf-8")
    instructions = [line for line in dockerfile.splitlines() if line and line[0].isupper()]
    assert instructions[0].startswith("FROM python:3.11-slim")
    assert instructions[-2:] == ["USER 10001", 'CMD ["capstone", "run"]']


def test_the_container_holds_no_leavings(render: Render) -> None:
    ignored = (render(docker=True) / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {".git", ".venv", "runs", ".env"} <= set(ignored)


def test_the_weekly_update_is_there_only_when_asked_for(render: Render) -> None:
    path = ".github/workflows/template-update.yml"
    assert not (render() / path).exists()
    assert (render(update_workflow=True) / path).exists()
    assert not (render(update_workflow=True, ci="gitlab") / ".github").exists()


def test_the_weekly_update_uses_the_copier_that_is_tested() -> None:
    pinned = re.search(r"copier==([\d.]+)", WORKFLOWS["update"].read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert pinned and pinned[0] in project["dependencies"]
