"""Rules on the repository: tests, hooks, secrets, large files, notebooks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from capstone.checks.outcome import Harm, Open, Skip
from capstone.checks.project_state import ProjectState
from capstone.core.errors import short_list
from capstone.core.files import temporary_folder, write_text
from capstone.core.git import git
from capstone.core.text import count

LARGEST = 10 * 2**20  # bytes; the same as in .pre-commit-config.yaml
# Where no secret is looked for, the same as in .pre-commit-config.yaml.
NOT_SEARCHED = re.compile(r"^(uv\.lock|runs/)|^(data/raw/|\.copier-answers\.yml$)|\.lock$")
AT_ONCE = 100  # files in one command: Windows limits its length


def tests_pass(project: ProjectState) -> str:
    """`python -m pytest` succeeds."""
    if not project.final:
        raise Skip("run with --final, or now by `python -m pytest`")
    done = _python(project.root, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider")
    lines = (
        done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["nothing printed"]
    )
    if done.returncode:
        failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
        which = short_list(failed, 3) if failed else lines[-1]
        raise Open(f"tests fail: {which}", "`python -m pytest` shows why")
    return lines[-1].strip("= ")


def hooks_are_installed(project: ProjectState) -> str:
    """The checks before each commit are in place."""
    if os.environ.get("CI"):
        raise Skip("not needed here: CI runs the hooks itself")
    path = git(project.root, "rev-parse", "--git-path", "hooks/pre-commit")
    if path is None:
        raise Open("this is no git repository", "`capstone start` makes it one")
    hook = project.root / path
    if not hook.is_file() or "pre-commit" not in hook.read_text(encoding="utf-8", errors="replace"):
        raise Open("the hooks are not installed", "`capstone start` installs them")
    return "the hooks check each commit"


def no_secret(project: ProjectState) -> str:
    """detect-secrets finds no password, key or token."""
    if find_spec("detect_secrets") is None:
        raise Open("detect-secrets is not installed", '`uv sync`, or `pip install -e ".[dev]"`')
    names = [name.as_posix() for name in project.files if not NOT_SEARCHED.search(name.as_posix())]
    with temporary_folder() as folder:
        # A copy, for detect-secrets corrects line numbers in the file that it is given.
        baseline = folder / "baseline"
        known = project.root / ".secrets.baseline"
        write_text(baseline, known.read_text(encoding="utf-8") if known.is_file() else "{}")
        command = ("-m", "detect_secrets.pre_commit_hook", "--baseline", str(baseline))
        for start in range(0, len(names), AT_ONCE):
            done = _python(project.root, *command, "--", *names[start : start + AT_ONCE])
            locations = re.findall(r"^Location:\s+(.*)$", done.stdout, re.MULTILINE)
            places = list(
                dict.fromkeys(locations)
            )  # one place may look like several kinds of secret
            if places:
                raise Harm(
                    f"what looks like a secret is in {short_list(places, 3)}",
                    "make it invalid where you got it, take it out (a false alarm? add `# pragma: allowlist "
                    "secret` to that line)",
                )
            if done.returncode not in (0, 3):  # 3: only line numbers have moved
                raise Open(
                    f"detect-secrets fails: {done.stderr.strip()[-200:]}", "mend what it says"
                )
    return f"no password, key or token in {count(len(names), 'file')}"


def no_large_file(project: ProjectState) -> str:
    """No file over 10 MB is in git, nor in its history."""
    large = {
        name.as_posix() for name in project.files if (project.root / name).stat().st_size > LARGEST
    }
    if large:
        raise Harm(
            f"over 10 MB: {short_list(sorted(large), 3)}",
            "`git rm --cached` it and add its path to .gitignore",
        )
    objects = git(
        project.root,
        "cat-file",
        "--batch-all-objects",
        "--batch-check=%(objecttype) %(objectsize) %(objectname)",
    )
    sizes = [line.split() for line in (objects or "").splitlines()]
    old = [name for kind, size, name in sizes if kind == "blob" and int(size) > LARGEST]
    if old:
        listed = git(project.root, "rev-list", "--objects", "--all") or ""
        names = [
            line.split(" ", 1)[1]
            for line in listed.splitlines()
            if line[:40] in old and " " in line
        ]
        if names:
            raise Open(
                f"over 10 MB in the history of git: {short_list(sorted(set(names)), 3)}",
                "take it out with git-filter-repo; whoever clones the project loads it otherwise",
            )
    return "no file over 10 MB in git"


def notebooks_hold_no_output(project: ProjectState) -> str:
    """Notebooks are committed without what their cells printed."""
    names = [name for name in project.files if name.suffix == ".ipynb"]
    if not names:
        raise Skip("there is no notebook")
    for name in names:
        if number := _first_output(project.root / name):
            raise Harm(
                f"{name.as_posix()}: cell {number} holds output",
                f"`nbstripout --keep-id {name.as_posix()}`",
            )
    return f"no output in {short_list([name.as_posix() for name in names], 3)}"


def _first_output(path: Path) -> int:
    """The number (from 1) of the first cell with output; 0 when there is none."""
    try:
        cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return next(
            (
                number
                for number, cell in enumerate(cells, start=1)
                if cell.get("outputs") or cell.get("execution_count")
            ),
            0,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Open(f"{path} is no readable notebook", "open and save it again") from None


def _python(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
