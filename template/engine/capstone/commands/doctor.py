"""`capstone doctor`: what is wrong with this machine or project, and how to mend it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from capstone.core.errors import CapstoneError
from capstone.core.git import git
from capstone.core.text import count, say

LEAST_FREE = 2 * 1024**3  # bytes
CUDA_BUILDS = "https://download.pytorch.org/whl/cu130"  # torch's own index, for CUDA 13.0
INSTALL = 'run `uv sync` (or `pip install -e ".[dev]"`)'
NEEDED = (("features", "clean"), ("features", "engineer"), ("network", "NeuralNetwork"))


@dataclass(frozen=True)
class Diagnosis:
    """One thing looked at.

    Parameters
    ----------
    fine : bool
        Whether it is as it should be.
    message : str
        What is so.
    remedy : str
        What to do when it is not fine.
    """

    fine: bool
    message: str
    remedy: str = ""


def doctor() -> None:
    """Find what is wrong with this machine or project."""
    from capstone.core.project import find_root

    wrong = 0
    for diagnosis in examine(find_root()):
        say(f"{'ok   ' if diagnosis.fine else 'WRONG'}  {diagnosis.message}")
        if not diagnosis.fine:
            say(f"       -> {diagnosis.remedy}")
            wrong += 1
    if wrong:
        raise CapstoneError(f"{count(wrong, 'thing')} to mend: do what the arrows above say.")
    say("All is well. Next: `capstone run`.")


def examine(root: Path) -> Iterator[Diagnosis]:
    """Everything that a project needs, one diagnosis each."""
    yield _python()
    yield from _packages(root)
    yield from _git(root)
    yield _disk(root)
    for subject, look_at in (
        ("what training runs on", _device),
        ("your project", _project),
        ("the newest run", _service),
    ):
        try:
            yield from look_at(root)
        except ModuleNotFoundError as error:  # its package is among the missing ones above
            yield Diagnosis(False, f"{subject} can't be looked at without {error.name}", INSTALL)


def _python() -> Diagnosis:
    number = ".".join(map(str, sys.version_info[:3]))
    return Diagnosis(
        sys.version_info >= (3, 11), f"Python {number}", "install Python 3.11 or newer"
    )


def _packages(root: Path) -> Iterator[Diagnosis]:
    """The dependencies in pyproject.toml against what is installed."""
    import tomllib

    text = (root / "pyproject.toml").read_text(encoding="utf-8-sig")
    requirements = tomllib.loads(text)["project"]["dependencies"]
    wrong = [problem for line in requirements if (problem := _problem_with(line))]
    message = "; ".join(wrong) or f"all {len(requirements)} packages as pinned"
    yield Diagnosis(not wrong, message, INSTALL)


def _problem_with(requirement: str) -> str:
    """What is wrong with the package that a line of pyproject.toml asks for; "" when it is installed as pinned."""
    try:
        from packaging.requirements import Requirement
    except ModuleNotFoundError:  # then only whether each package is there can be said
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        return "" if _installed(name) else f"{name} is missing"
    wanted = Requirement(requirement)
    if wanted.marker and not wanted.marker.evaluate():
        return ""  # not needed on this system
    installed = _installed(wanted.name)
    if not installed:
        return f"{wanted.name} is missing"
    if wanted.specifier.contains(installed, prereleases=True):
        return ""
    return f"{wanted.name} is {installed}, needed is {wanted.specifier}"


def _installed(name: str) -> str:
    """The version of a package; "" when it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _device(root: Path) -> Iterator[Diagnosis]:
    """What torch trains on and was built for, and whether a card lies idle."""
    import torch

    device = torch.accelerator.current_accelerator(check_available=True)
    on_cuda = device is not None and device.type == "cuda"
    name = torch.cuda.get_device_name() if on_cuda else device or "the CPU"
    cuda = torch.version.cuda
    built = f"CUDA {cuda}" if cuda else "the CPU and Apple's GPUs" if device else "the CPU"
    message = f"torch {torch.__version__}, built for {built}, trains on {name}"
    card = nvidia_card()
    if card:
        message += f"; {card}"
    remedy = (
        "update the card's driver, for this torch needs a newer one: https://www.nvidia.com/drivers"
    )
    if not cuda:
        remedy = _torch_with_cuda(root, torch.__version__)
    yield Diagnosis(not card or device is not None, message, remedy)


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


def _git(root: Path) -> Iterator[Diagnosis]:
    if shutil.which("git") is None:
        yield Diagnosis(False, "git is not installed", "get it from https://git-scm.com/downloads")
        return
    yield Diagnosis(True, git(root, "--version") or "git")
    known = all(
        git(root, "config", f"user.{key}") or os.environ.get(f"GIT_AUTHOR_{key.upper()}")
        for key in ("name", "email")
    )
    yield Diagnosis(
        known,
        "git knows who you are" if known else "git doesn't know who you are",
        'run `git config --global user.name "Your Name"` and `git config --global user.email "you@example.org"`',
    )
    hooks = git(root, "rev-parse", "--git-path", "hooks")
    installed = hooks is not None and (root / hooks / "pre-commit").is_file()
    yield Diagnosis(
        installed, f"hooks {'installed' if installed else 'not installed'}", "run `capstone start`"
    )


def _disk(root: Path) -> Diagnosis:
    free = shutil.disk_usage(root).free
    return Diagnosis(free >= LEAST_FREE, f"{free / 1024**3:.0f} GB of disk free", "free some space")


def _service(root: Path) -> Iterator[Diagnosis]:
    """Whether the newest run's model can be served, and what pandas costs there."""
    from capstone.runs.folder import SERVING, read_run, run_names
    from capstone.runs.forms import Serving

    if not run_names(root / "runs"):
        return
    try:
        serving = read_run(root / "runs").files.read_json(SERVING, Serving)
    except CapstoneError as error:
        yield Diagnosis(False, str(error).rstrip("."), "`capstone run` makes a new one")
        return
    steps = serving["steps"]
    costs = "a service starts without pandas"
    if steps["tables"] == "pandas":
        costs = (
            "a service needs pandas for clean() and engineer(), about 0.3 s at its start and 110 MB"
        )
    yield Diagnosis(
        not steps["refused"],
        f"the newest run can't be served: {steps['refused']}" if steps["refused"] else costs,
        "mend that step in features.py, then `capstone run`",
    )


def _project(root: Path) -> Iterator[Diagnosis]:
    """capstone.toml, the table, and the student's functions."""
    from capstone.core.settings_file import load_settings
    from capstone.core.student_code import load_attribute

    try:
        settings = load_settings(root)
    except CapstoneError as error:
        yield Diagnosis(False, str(error), "mend that key in capstone.toml")
        return
    yield Diagnosis(True, "capstone.toml is valid")
    data = root / settings.data.path
    there = data.exists()
    yield Diagnosis(
        there,
        f"data in {settings.data.path}" if there else f"no data in {settings.data.path}",
        "put your table there, or set [data] path in capstone.toml",
    )
    try:
        for module, name in NEEDED:
            load_attribute(root, module, name)
        yield Diagnosis(True, "clean(), engineer() and NeuralNetwork are found")
    except CapstoneError as error:
        missing = isinstance(error.__cause__, ModuleNotFoundError)
        yield Diagnosis(False, str(error), INSTALL if missing else "mend that file")
