"""`capstone start`: a git repository on main, hooks installed, the first commit made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from capstone.core.errors import CapstoneError
from capstone.core.git import git
from capstone.core.settings_file import FILE_NAME, load_settings

MESSAGE = "Start the capstone project"


def start(root: Path, say: Callable[[str], None] = print) -> None:
    """Set up git and the hooks in the project. Does only what is missing, so it is safe to run twice.

    Raises CapstoneError before anything is changed when git, pre-commit or an identity is missing.
    """
    _check_tools(root)
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
    _say_what_next(root, say)


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
    _run(["git", *arguments], root, f"git {arguments[0]}")


def _install_hooks(root: Path) -> None:
    _run([sys.executable, "-m", "pre_commit", "install"], root, "pre-commit install")


def _commit(root: Path) -> None:
    _git(root, "add", "--", ".")
    _git(root, "commit", "--quiet", "--message", MESSAGE)


def _run(command: list[str], root: Path, name: str) -> None:
    """Run a command; when it fails, show what it printed and say which one it was."""
    done = subprocess.run(
        command,
        cwd=root,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        printed = (done.stdout + done.stderr).strip()
        raise CapstoneError(
            f"`{name}` did not succeed; mend what it says and run `capstone start` again:\n{printed}"
        )


def _say_what_next(root: Path, say: Callable[[str], None]) -> None:
    data = load_settings(root).data
    say("\nWhat to do next:")
    if not (root / data.path).exists():
        say(f"  put your table at {data.path} (its target column is {data.target})")
    say("  capstone data           look at the table before any training")
    say("  capstone run --quick    see every step work, in seconds")
    say("  capstone run            train, evaluate and save the model")
