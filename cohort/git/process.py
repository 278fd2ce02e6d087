"""Run git where nothing of a student's can steer it.

Every git of ours has a GIT_DIR that we made, with a configuration that we wrote. A student's repository is
never a GIT_DIR: its folder of objects is read as an "alternate", and its references and loose objects are read as
files. So its configuration, hooks, filters, fsmonitor and merge drivers are never looked at.

There are two environments. `run` is closed: it sees our configuration alone. What talks to a server is in
`cohort.git.network`, with the instructor's own environment and configuration.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO

from cohort.errors import CohortError

SECONDS = 60  # for one git command on one project
OLDEST = (2, 38)  # `git merge-tree --write-tree`
EVERYWHERE = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOC_LIMIT": "256m",  # a bomb ends git, not the machine
}
CONFIG = """\
[core]
    hooksPath = /dev/null
    fsmonitor = false
    attributesFile = /dev/null
    excludesFile = /dev/null
    bigFileThreshold = 16m
    commitGraph = false
    multiPackIndex = false
[gc]
    auto = 0
[maintenance]
    auto = false
[fastimport]
    unpackLimit = 1
[fetch]
    fsckObjects = true
    unpackLimit = 1
[protocol]
    allow = never
[advice]
    detachedHead = false
[merge]
    renames = false
[user]
    name = cohort
    email = cohort@localhost
"""


class GitError(CohortError):
    """git failed. The sentence ends with what git said."""


def executable() -> str:
    """Where git is."""
    return _find(os.environ.get("PATH", ""))


@lru_cache
def _find(path: str) -> str:
    found = shutil.which("git", path=path)
    if found is None:
        raise CohortError("git is not installed; get it from https://git-scm.com and try again.")
    return found


def prepare(home: Path) -> None:
    """Write the one configuration that the closed environment reads."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "gitconfig"
    if not path.exists() or path.read_text(encoding="utf-8") != CONFIG:
        beside = home / f"gitconfig.{os.getpid()}"
        beside.write_text(CONFIG, encoding="utf-8")
        beside.replace(path)


def environment(home: Path, git_dir: Path | None = None) -> dict[str, str]:
    """The closed environment of a git command: short, so that nothing of ours leaks in by chance."""
    kept = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env |= {
        "HOME": str(home),
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        **EVERYWHERE,
    }
    if git_dir is not None:
        env["GIT_DIR"] = str(git_dir)
    return env


def run(
    home: Path,
    *arguments: str,
    git_dir: Path | None = None,
    stdin: bytes = b"",
    seconds: float = SECONDS,
    codes: tuple[int, ...] = (0,),
    env: dict[str, str] | None = None,
) -> bytes:
    """Run one git command to its end; returns what it printed. Raises GitError, also when it hangs.

    It runs in the work tree, where `env` names one (GIT_WORK_TREE).
    """
    env = env or {}
    what = f"git {arguments[0]}"
    try:
        done = subprocess.run(
            [executable(), *arguments],
            cwd=env.get("GIT_WORK_TREE", home),
            env=environment(home, git_dir) | env,
            input=stdin,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GitError(f"{what} took more than {seconds:g} seconds and was stopped.") from None
    if done.returncode not in codes:
        said = done.stderr.decode(errors="replace").strip() or f"code {done.returncode}"
        raise GitError(f"{what} failed: {' '.join(said.split())[:400]}")
    return done.stdout


@contextmanager
def start(
    home: Path, *arguments: str, git_dir: Path, env: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A git command to talk with. It is ended with the block, whatever happens."""
    process = subprocess.Popen(
        [executable(), *arguments],
        cwd=home,
        env=environment(home, git_dir) | env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        for pipe in (process.stdin, process.stdout):
            _close(pipe)
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with suppress(OSError):  # git has ended before
            pipe.close()


def make_bare(folder: Path) -> Path:
    """An empty bare repository of ours: what `git init` makes, without its process. Safe to repeat."""
    for part in ("objects/pack", "objects/info", "refs/heads"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    config = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
    for name, text in {"HEAD": "ref: refs/heads/none\n", "config": config}.items():
        if not (folder / name).is_file() or (folder / name).stat().st_size == 0:
            (folder / name).write_text(text, encoding="ascii", newline="\n")
    return folder
