"""`capstone doctor` finds what is wrong with a machine or project, and says how to mend it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers import Capstone, Render, must_run


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
    assert "1 thing(s) to mend" in error
    wrong = next(line for line in said.splitlines() if line.startswith("WRONG"))
    assert found in wrong
    assert remedy in said


def test_a_card_that_torch_can_not_use_is_found(
    healthy: Path, capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    import torch

    which = shutil.which
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: None)
    monkeypatch.setattr(
        shutil,
        "which",
        lambda name, *a, **k: name if name == "nvidia-smi" else which(name, *a, **k),
    )
    code, said, _ = capstone(healthy, "doctor")
    assert code == 2
    assert "this machine has an NVIDIA card, but this torch can't use it" in said
