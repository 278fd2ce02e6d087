"""git, as the engine runs it: in the project's folder, by its command."""

from __future__ import annotations

import subprocess
from pathlib import Path


def run_git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a git command in the project. Raises OSError when git is not installed."""
    return subprocess.run(
        ["git", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def git(root: Path, *arguments: str) -> str | None:
    """What a git command prints, or None when it fails or git is not installed."""
    try:
        done = run_git(root, *arguments)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def git_state(root: Path) -> dict[str, str | bool | None]:
    """The commit that the project is at, and whether files have changed since; None without git."""
    commit = git(root, "rev-parse", "HEAD")
    changes = git(root, "status", "--porcelain")
    return {"commit": commit or None, "dirty": None if changes is None else bool(changes)}
