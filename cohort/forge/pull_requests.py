"""Pull requests, through the forge's own command. Without it, the branch and a text are ready."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Sequence

from cohort.classroom.config import Class
from cohort.classroom.outcome import CLEAN, CONFLICT, Outcome
from cohort.classroom.roster import Student

A_MINUTE = 60  # pull requests; GitHub allows 80 calls that create something
ADVICE = """\
This pull request was made by your course. It changes the template's files, and keeps every line of yours.
Read the changes, let the tests run, then merge it. If you don't want it, close it: nothing happens.

"""


def text_for(outcome: Outcome) -> tuple[str, str]:
    """A pull request's title and text."""
    title, _, rest = outcome.text.partition("\n")
    return title, ADVICE + rest.strip() + "\n"


def open_requests(
    class_: Class, students: Sequence[Student], outcomes: Sequence[Outcome], machines: int = 1
) -> None:
    """Open a pull request for each branch that was pushed and is new, no faster than the forge allows.

    `machines` do so at the same time, each with a part of the class, and share the forge's limit.
    """
    kind = class_.settings.forge.kind
    command = {"github": "gh", "gitlab": "glab"}.get(kind)
    repositories = {student.name: student.repository for student in students}
    for outcome in outcomes:
        if not (outcome.pushed and outcome.before is None and outcome.state in (CLEAN, CONFLICT)):
            continue
        place = re.search(r"[/:]([\w.-]+/[\w.-]+?)(\.git)?/?$", repositories[outcome.student])
        if command is None or place is None:
            continue
        if shutil.which(command) is None:
            outcome.notes.append(
                f"no pull request: {command} is not installed; the branch is there"
            )
            continue
        _open(command, place[1], outcome)
        time.sleep(60 / A_MINUTE * machines)


def _open(command: str, place: str, outcome: Outcome) -> None:
    title, text = text_for(outcome)
    if command == "gh":
        words = [
            "pr",
            "create",
            "--repo",
            place,
            "--head",
            outcome.branch,
            "--title",
            title,
            "--body",
            text,
        ]
    else:
        branch = ["--source-branch", outcome.branch, "--yes"]
        words = ["mr", "create", "--repo", place, *branch, "--title", title, "--description", text]
    try:
        done = subprocess.run(
            [command, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        said = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
        outcome.notes.append(f"pull request: {said[-1] if said else f'{command} said nothing'}")
    except (OSError, subprocess.TimeoutExpired) as error:
        outcome.notes.append(f"no pull request: {command}: {error}")
