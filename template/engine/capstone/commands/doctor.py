"""`capstone doctor`: what is wrong with this machine or project, and how to mend it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

from capstone.core.errors import CapstoneError
from capstone.core.git import git
from capstone.core.project import load_attribute
from capstone.core.settings_file import load_settings
from capstone.runs.folder import SERVING, read_run
from capstone.runs.verify import read_json

LEAST_FREE = 2 * 1024**3  # bytes
CUDA_BUILDS = "https://download.pytorch.org/whl/cu130"  # torch's own index, for CUDA 13.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at: fine or not, what was found, and what to do when it is not fine."""

    fine: bool
    found: str
    mend: str = ""


def examine(root: Path) -> Iterator[Finding]:
    """Everything that a project needs, one finding each."""
    yield _python()
    yield from _packages(root)
    yield _device(root)
    yield from _git(root)
    yield _disk(root)
    yield from _project(root)
    yield from _service(root)


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding(sys.version_info >= (3, 11), f"Python {found}", "install Python 3.11 or newer")


def _packages(root: Path) -> Iterator[Finding]:
    """The dependencies in pyproject.toml against what is installed."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8-sig")
    wanted = [Requirement(line) for line in tomllib.loads(text)["project"]["dependencies"]]
    wrong = []
    for requirement in wanted:
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} is {installed}, needed is {requirement.specifier}")
    mend = 'run `uv sync` (or `pip install -e ".[dev]"`)'
    yield Finding(not wrong, "; ".join(wrong) or f"all {len(wanted)} packages as pinned", mend)


def _device(root: Path) -> Finding:
    """What torch trains on and was built for, and whether a card lies idle."""
    import torch

    found = torch.accelerator.current_accelerator(check_available=True)
    name = torch.cuda.get_device_name() if found and found.type == "cuda" else found or "the CPU"
    cuda = torch.version.cuda
    built = f"CUDA {cuda}" if cuda else "the CPU and Apple's GPUs" if found else "the CPU"
    said = f"torch {torch.__version__}, built for {built}, trains on {name}"
    card = nvidia_card()
    if card:
        said += f"; {card}"
    mend = (
        "update the card's driver, for this torch needs a newer one: https://www.nvidia.com/drivers"
    )
    if not cuda:
        mend = _torch_with_cuda(root, torch.__version__)
    return Finding(not card or found is not None, said, mend)


def nvidia_card() -> str:
    """The NVIDIA card of this machine and its driver, as the driver's own tool says it; "" without one."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    ask = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, timeout=20, check=True)
        card, driver = done.stdout.splitlines()[0].rsplit(", ", 1)
    except (OSError, subprocess.SubprocessError, IndexError, ValueError):
        return ""  # the tool is there, but no card answers
    return f"this machine has an NVIDIA card: {card}, driver {driver}"


def _torch_with_cuda(root: Path, version: str) -> str:
    """Which line to change, or to run, so that torch can use the card."""
    place = "pyproject.toml"
    pip = f"pip install --force-reinstall torch=={version.partition('+')[0]} --index-url {CUDA_BUILDS}"
    uv = "uvx copier update --data torch_build=cuda"
    lines = (root / place).read_text(encoding="utf-8-sig").splitlines()
    for number, line in enumerate(lines, start=1):
        if line.startswith("url = ") and line.endswith('/whl/cpu"'):
            uv = f'uv sync` after you have changed line {number} of {place} to `url = "{CUDA_BUILDS}"'
    return f"this torch can't use the card; with uv run `{uv}`, with pip `{pip}`"


def _git(root: Path) -> Iterator[Finding]:
    if shutil.which("git") is None:
        yield Finding(False, "git is not installed", "get it from https://git-scm.com/downloads")
        return
    yield Finding(True, git(root, "--version") or "git")
    known = all(
        git(root, "config", f"user.{key}") or os.environ.get(f"GIT_AUTHOR_{key.upper()}")
        for key in ("name", "email")
    )
    yield Finding(
        known,
        "git knows who you are" if known else "git doesn't know who you are",
        'run `git config --global user.name "Your Name"` and `git config --global user.email "you@example.org"`',
    )
    hooks = git(root, "rev-parse", "--git-path", "hooks")
    installed = hooks is not None and (root / hooks / "pre-commit").is_file()
    yield Finding(
        installed, f"hooks {'installed' if installed else 'not installed'}", "run `capstone start`"
    )


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free
    return Finding(free >= LEAST_FREE, f"{free / 1024**3:.0f} GB of disk free", "free some space")


def _service(root: Path) -> Iterator[Finding]:
    """Whether the newest run's model can be served, and what pandas costs there."""
    try:
        serving = read_json(read_run(root / "runs").folder / SERVING)
    except CapstoneError:
        return  # no run yet, or an older one
    steps = serving["steps"]
    costs = "a service starts without pandas"
    if steps["tables"] == "pandas":
        costs = (
            "a service needs pandas for clean() and engineer(), about 0.3 s at its start and 110 MB"
        )
    yield Finding(
        not steps["refused"],
        f"the newest run can't be served: {steps['refused']}" if steps["refused"] else costs,
        "mend that step in features.py, then `capstone run`",
    )


def _project(root: Path) -> Iterator[Finding]:
    try:
        settings = load_settings(root)
    except CapstoneError as error:
        yield Finding(False, str(error), "mend that key in capstone.toml")
        return
    yield Finding(True, "capstone.toml is valid")
    data = root / settings.data.path
    there = data.exists()
    yield Finding(
        there,
        f"data in {settings.data.path}" if there else f"no data in {settings.data.path}",
        "put your table there, or set [data] path in capstone.toml",
    )
    try:
        for module, name in (
            ("features", "clean"),
            ("features", "engineer"),
            ("network", "NeuralNetwork"),
        ):
            load_attribute(root, module, name)
        yield Finding(True, "clean(), engineer() and NeuralNetwork are found")
    except CapstoneError as error:
        yield Finding(False, str(error), "mend that file")
