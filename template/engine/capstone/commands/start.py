"""`capstone start`: a git repository on main, hooks installed, the first commit made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from capstone.core.errors import CapstoneError
from capstone.core.files import cant_write, os_error_said
from capstone.core.git import git, run_git
from capstone.core.text import say, say_each

if TYPE_CHECKING:  # heavy libraries are imported where they are used
    from capstone.core.settings import Data

MESSAGE = "Start the capstone project"


def start() -> None:
    """Set up git and its hooks, and make the first commit."""
    from capstone.core.project import find_root

    set_up(find_root())


def set_up(root: Path, say: Callable[[str], None] = say) -> None:
    """Set up git and the hooks in the project. Does only what is missing.

    Raises CapstoneError before anything is changed when git, pre-commit or an identity is missing, or when
    capstone.toml has a slip.
    """
    _check_tools(root)
    from capstone.core.settings_file import FILE_NAME, load_settings

    data = load_settings(root).data
    top = git(root, "rev-parse", "--show-toplevel")
    if top is None:
        _git(root, "init", "--quiet")
        _git(root, "symbolic-ref", "HEAD", "refs/heads/main")
        say("Made a git repository on the branch main.")
        top = str(root)
    else:
        say(f"Using the git repository in {top}.")
    own_repository = Path(top).resolve() == root.resolve()
    if own_repository:
        _install_hooks(root)
        say("Hooks installed: they check every commit for secrets, large files and untidy code.")
    else:
        say("The hooks are not installed, because the repository holds more than this project.")
    if git(root, "ls-files", "--error-unmatch", FILE_NAME) and git(
        root, "rev-parse", "--verify", "HEAD"
    ):
        say("The project is committed already.")
    else:
        say("Making the first commit; the hooks fetch their tools once, which takes half a minute.")
        _commit(root)
        say(f'Committed everything as "{MESSAGE}".')
    _say_what_next(root, data, say)


def _check_tools(root: Path) -> None:
    if shutil.which("git") is None:
        raise CapstoneError(
            "git is not installed: get it from https://git-scm.com/downloads, open a new terminal "
            "and run `capstone start` again."
        )
    for key, example in (("name", "Your Name"), ("email", "you@example.org")):
        if not (git(root, "config", f"user.{key}") or os.environ.get(f"GIT_AUTHOR_{key.upper()}")):
            raise CapstoneError(
                f'git doesn\'t know your {key}: run `git config --global user.{key} "{example}"` '
                "with your own, then `capstone start` again."
            )
    if find_spec("pre_commit") is None:
        raise CapstoneError(
            'pre-commit is not installed: run `uv sync` (or `pip install -e ".[dev]"`), '
            "then `capstone start` again."
        )


def _git(root: Path, *arguments: str) -> None:
    done = run_git(root, *arguments)
    if (
        arguments[0] != "commit"
    ):  # whose hooks write elsewhere and fetch from the net: their words are shown
        _check_disk(root, done)
    _must_succeed(done, f"git {arguments[0]}")


def _install_hooks(root: Path) -> None:
    command = [sys.executable, "-m", "pre_commit", "install"]
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, encoding="utf-8", errors="replace"
    )
    _check_disk(root, done)
    _must_succeed(done, "pre-commit install")


def _commit(root: Path) -> None:
    _git(root, "add", "--", ".")
    _git(root, "commit", "--quiet", "--message", MESSAGE)


def _check_disk(root: Path, done: subprocess.CompletedProcess[str]) -> None:
    """Raise the sentence on a disk that git can't write to."""
    if done.returncode != 0 and (reason := os_error_said(done.stdout + done.stderr)):
        raise cant_write(root / ".git", reason)


def _must_succeed(done: subprocess.CompletedProcess[str], name: str) -> None:
    """When a command has failed, show what it printed and say which one it was."""
    if done.returncode != 0:
        say_each((done.stdout + done.stderr).strip().splitlines())
        raise CapstoneError(
            f"`{name}` did not succeed: mend what it says above, and run `capstone start` again."
        )


def _say_what_next(root: Path, data: Data, say: Callable[[str], None]) -> None:
    say("")
    say("What to do next:")
    if not (root / data.path).exists():
        say("  capstone use PATH       begin with your own table; PATH is where it lies now")
    say("  capstone data           look at the table before any training")
    say("  capstone run --quick    see every step work, in seconds")
    say("  capstone run            train, evaluate and save the model")
