"""`cohort history`."""

from __future__ import annotations

import time
from dataclasses import asdict

from cohort.classroom.config import load
from cohort.classroom.ledger import Ledger
from cohort.classroom.roster import read_roster
from cohort.commands.options import Options
from cohort.text import to_json, visible_text


def show_history(options: Options, student: str) -> int:
    """Print what was done to one project, newest first; return the exit code."""
    class_ = load(options.folder)
    (known,) = read_roster(class_, [student]).students
    ledger = Ledger(class_.cache)
    steps = ledger.history(known.name)
    ledger.close()
    if options.json:
        print(to_json({"steps": [asdict(step) for step in steps]}, indent=2))
        return 0
    for step in steps:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(step.at))
        about = step.about
        request = str(about.pull_request or "")
        cells = (step.command, step.target, about.word, about.commit[:12], about.message, request)
        print(visible_text(f"{when}  {'  '.join(text for text in cells if text)}"))
    if not steps:
        print(f"Nothing has been done to {student} yet.")
    return 0
