"""The READMEs and the guide: what they name exists, and each command of a project's pages does what it says."""

import json
import os
import re
import shutil
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.helpers import PROBLEMS, ROOT, SHORT, Render, RunCapstone, must_run, tool

# What our own pages name that lies in a project, a class or a run, or is made.
ELSEWHERE = {"capstone.toml", "data/", "src/", "class.toml", "class.csv", "run.json"}
ELSEWHERE |= {"index.html", "site/", "bench_NAME.py", "tests/releases/"}
bash = pytest.mark.skipif(shutil.which("bash") is None, reason="the README's lines are for bash")


def blocks(readme: str, language: str) -> list[str]:
    """The fenced code blocks of this language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)


def readme_of(project: Path) -> str:
    """A project's first page and the guide that it leads to."""
    return "\n".join(
        (project / name).read_text(encoding="utf-8") for name in ("README.md", "engine/guide.md")
    )


@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_file_in_its_table_exists(render: Render, problem: str) -> None:
    project = render(problem=problem, docker=True, slurm=True, deployment="both")
    rows = re.findall(r"^\| (`.*?) \|.*\| (?:yours|the template's) \|$", readme_of(project), re.M)
    named = [name for row in rows for name in re.findall(r"`(.*?)`", row)]
    assert len(named) > 30
    for name in named:
        assert list(project.glob(name)), name


def test_every_file_of_a_project_is_in_its_table(render: Render) -> None:
    project = render(docker=True, slurm=True, deployment="both")
    named = re.findall(r"`([^`\s]+)`", readme_of(project))
    for path in project.rglob("*"):
        name = path.relative_to(project).as_posix()
        if path.is_file() and not name.endswith("/__init__.py"):
            found = [path.match(pattern) or name.startswith(pattern) for pattern in named]
            assert any(found), f"{name} is not explained"


def test_every_command_it_names_exists(render: Render, run_capstone: RunCapstone) -> None:
    project = render()
    named = set(re.findall(r"\bcapstone ([a-z]+)", " ".join(blocks(readme_of(project), "[a-z]+"))))
    named |= set(re.findall(r"`capstone ([a-z]+)", readme_of(project)))
    help = run_capstone(project, "--help").stdout
    assert named == set(re.findall(r"^  ([a-z]+) {2,}[A-Z]", help, re.MULTILINE))


def test_own_data_is_explained_where_it_matters(render: Render) -> None:
    readme = readme_of(render(data_source="own", data_path="data/raw/mine.parquet"))
    assert "First tell the project about your table: `capstone use PATH-OF-YOUR-TABLE`." in readme


def test_our_readme_opens_with_the_two_commands() -> None:
    commands = blocks((ROOT / "README.md").read_text(encoding="utf-8"), "sh")
    for session, block in zip(("demo", "tests"), commands, strict=True):
        assert f"python -m pip install nox && python -m nox -s {session} " in block
        assert f"uvx nox -s {session} " in block
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    assert re.findall(r"^def (\w+)\(session", noxfile, re.MULTILINE)[:3] == [
        "tests",
        "lint",
        "demo",
    ]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md"])
def test_every_path_that_our_own_pages_name_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z][\w.-]*(?:/[\w.<>-]+)*/?)`", text)) | set(
        re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    )
    template = ROOT / "template"
    engine = template / "engine" / "capstone"
    places = (ROOT, (ROOT / page).parent, ROOT / "includes", ROOT / "docs", template, engine)
    paths = {name.split("<")[0] for name in named if "/" in name or re.search(r"\.\w+$", name)}
    paths -= ELSEWHERE
    assert len(paths) >= 3
    assert [
        name for name in sorted(paths) if not any((place / name).exists() for place in places)
    ] == []


@pytest.fixture
def clean_environment(pre_commit_home: Path) -> dict[str, str]:
    """Settings for a new virtual environment, as if no other were active."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {"PATH": path, "PRE_COMMIT_HOME": str(pre_commit_home), "VIRTUAL_ENV": ""}
    if "PIP_FIND_LINKS" in os.environ:  # uv does not read pip's settings
        env["UV_FIND_LINKS"] = os.environ["PIP_FIND_LINKS"]
    return env


@bash
@pytest.mark.slow
@pytest.mark.network
def test_with_pip_every_command_works_as_written(
    copy_of: Render, clean_environment: dict[str, str]
) -> None:
    project = copy_of()
    settings = project / "capstone.toml"
    text = settings.read_text(encoding="utf-8")
    for much, little in SHORT.items():
        if "epochs" not in much:  # it is to learn more than a constant guess
            text = text.replace(much, little)
    settings.write_text(text, encoding="utf-8")
    readme = readme_of(project)
    setup = next(block for block in blocks(readme, "bash") if "venv" in block)
    daily = "".join(dict.fromkeys("".join(blocks(readme, "sh")).splitlines(keepends=True)))
    for stands_for, value in {"ROW": "H0001", "TABLE": "data/raw/house_prices.csv"}.items():
        daily = re.sub(rf"\b{stands_for}\b", value, daily)
    tracking = 'python -m pip install -e ".[tracking]"'
    assert f"`{tracking}`" in readme
    # The libraries for tracking come with the tests' own environment; here pip has only to find them.
    script = "set -euo pipefail\n" + setup + daily + f"{tracking} --dry-run\n"
    # Compiled is what gets imported, not all that pip installs: that halves its time.
    lazily = {"PIP_NO_COMPILE": "1", "PYTHONDONTWRITEBYTECODE": ""}
    must_run("bash", "-c", script, cwd=project, **clean_environment, **lazily)

    assert (project / ".git" / "hooks" / "pre-commit").is_file()
    assert must_run("git", "rev-list", "--count", "HEAD", cwd=project).strip() == "1"
    assert (project / "runs" / "data.html").is_file()
    run = project / "runs" / (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["model"]["r2"]["value"] > metrics["baselines"]["dummy"]["r2"]["value"]
    part = readme.partition("\n## A run\n")[2].partition("\n## ")[0]
    table = re.findall(r"^\| `([\w.]+)`(?:, `([\w.]+)`)? \|", part, re.MULTILINE)
    of_a_run = [name for row in table for name in row if name]
    assert "metrics.json" in of_a_run
    assert all((run / name).is_file() for name in of_a_run), of_a_run
    assert (project / "runs" / "predictions" / "house_prices_predictions.csv").is_file()


@pytest.mark.slow
@pytest.mark.network
def test_with_uv_one_command_sets_everything_up(
    copy_of: Render, clean_environment: dict[str, str]
) -> None:
    project = copy_of(problem="binary")
    first = blocks(readme_of(project), "bash")[0]
    assert first == "uv run capstone start\n"
    env = clean_environment
    uv = tool("uv")
    must_run(uv, *first.split()[1:], cwd=project, **env)
    assert must_run("git", "rev-list", "--count", "HEAD", cwd=project).strip() == "1"
    must_run(uv, "run", "capstone", "run", "--quick", cwd=project, **env)
    must_run(uv, "run", "pytest", "--version", cwd=project, **env)
    assert "`uv sync --extra tracking`" in readme_of(project)
    must_run(uv, "sync", "--extra", "tracking", "--dry-run", cwd=project, **env)
    assert must_run("git", "status", "--porcelain", cwd=project) == ""


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.skipif(sys.platform != "win32", reason="PowerShell's lines are for Windows")
def test_in_powershell_the_set_up_works_as_written(
    copy_of: Render, clean_environment: dict[str, str]
) -> None:
    project = copy_of()
    [setup] = blocks(readme_of(project), "powershell")
    script = f"$ErrorActionPreference = 'Stop'\n{setup}capstone run --quick\n"
    must_run("powershell", "-Command", script, cwd=project, **clean_environment)
    assert (project / ".git" / "hooks" / "pre-commit").is_file()
    assert (project / "runs" / "LATEST").is_file()


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.skipif(sys.platform == "darwin", reason="PyTorch has one build for macOS")
@pytest.mark.parametrize("build", ["cpu", "cuda"])
def test_pip_finds_torch_where_the_readme_says(render: Render, tmp_path: Path, build: str) -> None:
    readme = readme_of(render(torch_build=build))
    [index] = set(re.findall(r"--extra-index-url (\S+)", "".join(blocks(readme, "bash"))))
    try:
        urllib.request.urlopen(f"{index}/torch/", timeout=20).close()
    except OSError as error:
        pytest.skip(f"PyTorch's own index can't be reached: {error}")
    metadata = (render(torch_build=build) / "pyproject.toml").read_text(encoding="utf-8")
    [torch] = re.findall(r'"(torch~=[\d.]+)"', metadata)
    look = ["-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps"]
    said = must_run(sys.executable, *look, "--extra-index-url", index, torch, cwd=tmp_path)
    assert re.search(rf"Would install torch-[\d.]+\+{index.rpartition('/')[2]}", said), said
