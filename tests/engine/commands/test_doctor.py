"""`capstone doctor` finds what is wrong with a machine or project, and says how to mend it."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.support.helpers import Capstone, Render, must_run, python_path, run, tool


@pytest.fixture
def healthy(copy_of: Render) -> Path:
    """A project with a repository and a hook, as `capstone start` leaves it."""
    project = copy_of()
    must_run("git", "init", "--quiet", cwd=project)
    (project / ".git" / "hooks" / "pre-commit").write_text("#!/bin/sh\n", encoding="utf-8")
    return project


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


ILLS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no hooks": (
        lambda project: (project / ".git" / "hooks" / "pre-commit").unlink(),
        "hooks not installed",
        "run `capstone start`",
    ),
    "no data": (
        lambda project: (project / "data" / "raw" / "house_prices.csv").unlink(),
        "no data in data/raw/house_prices.csv",
        "put your table there",
    ),
    "a slip in capstone.toml": (
        lambda project: replace(project / "capstone.toml", "\nepochs", "\nepoch"),
        'unknown key "[training] epoch"; did you mean "epochs"?',
        "mend that key",
    ),
    "a package that is missing": (
        lambda project: replace(
            project / "pyproject.toml", '"rich~=15.0"', '"rich~=15.0", "no-such-thing"'
        ),
        "no-such-thing is missing",
        "uv sync",
    ),
    "a package of another version": (
        lambda project: replace(project / "pyproject.toml", '"rich~=15.0"', '"rich~=1.0"'),
        "needed is ~=1.0",
        "uv sync",
    ),
    "a slip in features.py": (
        lambda project: replace(
            project / "src" / "my_capstone" / "features.py", "def engineer", "def engine"
        ),
        "features.py has no engineer()",
        "mend that file",
    ),
}


def test_a_healthy_project_is_well(healthy: Path, capstone: Capstone) -> None:
    code, said, error = capstone(healthy, "doctor")
    assert (code, error) == (0, ""), said
    assert "All is well." in said
    assert "WRONG" not in said
    assert "trains on" in said


@pytest.mark.parametrize("name", ILLS)
def test_an_ill_is_found_with_its_remedy(healthy: Path, capstone: Capstone, name: str) -> None:
    harm, found, remedy = ILLS[name]
    harm(healthy)
    code, said, error = capstone(healthy, "doctor")
    assert (code, error.count("\n")) == (2, 1)
    assert "1 thing to mend" in error
    wrong = next(line for line in said.splitlines() if line.startswith("WRONG"))
    assert found in wrong
    assert remedy in said


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an NVIDIA card, as far as the driver's own tool says so."""
    tool = tmp_path / "tools" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho 'RTX A2000, 580.65.06'\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=os.pathsep)
    return tool


# A test of CI's machines that have a card would find it in use.
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="torch does use this machine's card")
unix = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for the tool is a script")
CUDA = "https://download.pytorch.org/whl/cu130"


@no_gpu
@unix
@pytest.mark.parametrize("build", ["default", "cpu"])
def test_a_card_that_torch_was_not_built_for_is_found(
    copy_of: Render, card: Path, capstone: Capstone, monkeypatch: pytest.MonkeyPatch, build: str
) -> None:
    project = copy_of(torch_build=build)
    monkeypatch.setattr(torch.version, "cuda", None)
    code, said, _ = capstone(project, "doctor")
    assert code == 2
    assert (
        "built for the CPU, trains on the CPU; this machine has an NVIDIA card: RTX A2000, driver 580.65.06"
        in said
    )
    version = torch.__version__.partition("+")[0]
    assert f"`pip install --force-reinstall torch=={version} --index-url {CUDA}`" in said
    if build == "default":
        assert "with uv run `uvx copier update --data torch_build=cuda`" in said
        return
    number = int(re.findall(r"changed line (\d+) of pyproject.toml", said)[0])
    path = project / "pyproject.toml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[number - 1] = re.findall(r'`(url = "[^"]+")`', said)[0] + "\n"
    path.write_text("".join(lines), encoding="utf-8")
    index = tomllib.loads(path.read_text(encoding="utf-8"))["tool"]["uv"]["index"]
    assert index[0]["url"] == CUDA


@no_gpu
@unix
def test_a_card_whose_driver_is_too_old_is_found(
    healthy: Path, card: Path, capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    code, said, _ = capstone(healthy, "doctor")
    assert code == 2
    assert "built for CUDA 13.0, trains on the CPU" in said
    assert "update the card's driver" in said


@no_gpu
@unix
def test_a_driver_without_a_card_is_no_ill(healthy: Path, card: Path, capstone: Capstone) -> None:
    card.write_text("#!/bin/sh\necho 'No devices were found'\nexit 6\n", encoding="utf-8")
    code, said, _ = capstone(healthy, "doctor")
    assert (code, "NVIDIA" in said) == (0, False), said


# What typer brings along: nothing else may be needed to say what is missing.
BARE = (
    *("typer", "rich", "annotated_doc", "shellingham", "markdown_it", "mdurl", "pygments"),
    *("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"),
)
HIDE = f"""
import sys
from importlib import metadata
from importlib.abc import MetaPathFinder

allowed = {{*sys.stdlib_module_names, *{BARE!r}, "__main__", "capstone", "my_capstone"}}

class NothingElse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed and not name.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

def version(name):
    if name not in allowed:
        raise metadata.PackageNotFoundError(name)
    return installed(name)

sys.meta_path.insert(0, NothingElse())
installed, metadata.version = metadata.version, version
for name in [name for name in sys.modules if name.partition(".")[0] not in allowed]:
    del sys.modules[name]
from capstone.commands.app import main
main()
"""


def without_libraries(project: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command where only typer and what it needs is there."""
    return run(sys.executable, "-c", HIDE, command, cwd=project, PYTHONPATH=python_path(project))


def says_what_is_missing(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    wrong = [line for line in done.stdout.splitlines() if line.startswith("WRONG")]
    for library in ("torch", "pandas", "scikit-learn", "safetensors", "packaging"):
        assert f"{library} is missing" in wrong[0]
    assert "typer is missing" not in wrong[0] and "rich is missing" not in wrong[0]
    assert "run `uv sync` (or `pip install" in done.stdout
    assert any("what training runs on can't be looked at without torch" in line for line in wrong)
    assert "GB of disk free" in done.stdout, "the rest is looked at all the same"


def test_the_doctor_says_what_is_missing_where_nothing_is_installed(healthy: Path) -> None:
    says_what_is_missing(without_libraries(healthy, "doctor"))


@pytest.mark.parametrize("command", ["start", "run", "data", "check", "compare", "card"])
def test_any_command_names_the_library_that_is_missing(healthy: Path, command: str) -> None:
    done = without_libraries(healthy, command)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert " is not installed: run `uv sync` (or `pip install" in done.stderr


@pytest.mark.slow
@pytest.mark.network
def test_the_doctor_and_start_need_typer_alone(healthy: Path, tmp_path: Path) -> None:
    must_run(tool("uv"), "venv", "--quiet", "--python", sys.executable, "bare", cwd=tmp_path)
    folder = "Scripts" if sys.platform == "win32" else "bin"
    python = tmp_path / "bare" / folder / "python"
    pins = tomllib.loads((healthy / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [line for line in pins["dependencies"] if line.startswith(("typer", "rich"))]
    must_run(tool("uv"), "pip", "install", "--quiet", "--python", python, *needed, cwd=tmp_path)
    paths = {"PYTHONPATH": python_path(healthy)}
    says_what_is_missing(run(python, "-m", "capstone", "doctor", cwd=healthy, **paths))
    done = run(python, "-m", "capstone", "start", cwd=healthy, **paths)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "pre-commit is not installed" in done.stderr
