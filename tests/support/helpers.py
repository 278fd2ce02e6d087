"""What the tests share that is no fixture: where things are, and how to run a command."""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest

from capstone.commands.app import main

ROOT = Path(__file__).resolve().parents[2]
SIMS = ROOT / "docs" / "sims"
PARTS = ("copier.yml", "includes", "template")  # what Copier reads
LEAVINGS = shutil.ignore_patterns("__pycache__", ".*_cache", ".hypothesis")
# What makes a run short, where its quality counts for nothing.
SMALL = ("network.members=3", "evaluation.bootstrap=20", "evaluation.explained_rows=0")
# One network and one epoch: for what a run says, whatever it learns.
SMALLEST = tuple(
    word
    for change in ("network.members=1", "training.epochs=1", *SMALL[1:])
    for word in ("--set", change)
)
# The same in capstone.toml, for a run that learns next to nothing: what is there, and what is put in its place.
SHORT = {
    "members = 8": "members = 2",
    'epochs = "auto"': "epochs = 3",
    "bootstrap = 1000": "bootstrap = 20",
    "explained_rows = 1000": "explained_rows = 20",
}
TINY = {"members": 1, "epochs": 2, "bootstrap": 20, "explained_rows": 10}
PROBLEMS = ("regression", "binary", "multiclass")

Render = Callable[..., Path]
RunCapstone = Callable[..., subprocess.CompletedProcess[str]]
Capstone = Callable[..., tuple[int, str, str]]
CopyWithRun = Callable[[str], Path]


def copy_template(target: Path) -> Path:
    """The template as it lies in the working copy, without git: as in a clone or a ZIP."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=LEAVINGS)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / part)
    return target


def python_path(project: Path) -> str:
    """PYTHONPATH for a project that is not installed: the folders of our package and of the student's."""
    return os.pathsep.join([str(project / "engine"), str(project / "src")])


def tool(name: str) -> str:
    """The command of a Python package, from the environment that runs the tests."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found, f"{name} is not installed beside {sys.executable}"
    return found


def run(*command: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; the caller looks at how it ended."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def must_run(*command: str | Path, cwd: Path, **env: str) -> str:
    """Run a command that has to succeed; returns what it printed."""
    done = run(*command, cwd=cwd, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# For code that imports everything once: begin(word, ...) then forks a process that runs a command, and gives its id.
FORKING = """
import os, sys
import capstone.pipeline, skops.io
from capstone.commands.app import main

def begin(*words):
    child = os.fork()
    if child == 0:
        sys.argv = ["capstone", *words]
        try:
            main()
        except SystemExit as ended:
            os._exit(int(ended.code or 0))
        os._exit(0)
    return child
"""


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A folder on a file system of that size ("16k"), where the machine lets us mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root on Linux can mount a small file system")
    try:
        yield folder
    finally:
        # Lazily: a library in this process may still have a file open there.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def call(project: Path, *arguments: str) -> int:
    """Run a project's command in this process, which saves its imports; returns the exit code."""
    for name in [name for name in sys.modules if name.split(".")[0] == "my_capstone"]:
        del sys.modules[name]  # another project's, or as it was before a change
    with pytest.MonkeyPatch.context() as patch, mock.patch.dict(os.environ):
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.setattr(sys, "argv", ["capstone", *arguments])
        patch.syspath_prepend(str(project / "src"))
        patch.chdir(project)
        kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        with pytest.raises(SystemExit) as ended:
            main()
    for (
        number,
        handler,
    ) in kept.items():  # a command that ends with an error lets nothing disturb it
        signal.signal(number, handler)
    return int(ended.value.code or 0)


def files_of(project: Path) -> set[str]:
    """Every file of a project, as a path with forward slashes."""
    return {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}


def printed_by(code: str) -> str:
    """What Python code prints, run in this process."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "code", "exec"), {"__name__": "code"})
    return out.getvalue()


def checkpoints_of(project: Path) -> list[Path]:
    """The checkpoints of its trainings that were stopped."""
    return sorted((project / "runs" / "checkpoints").glob("*.pt"))


def run_of(project: Path) -> Path:
    """The folder of its newest run."""
    return project / "runs" / (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()
