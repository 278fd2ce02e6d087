"""`capstone report`: a run's report.html once more, or as one file to send by mail."""

from __future__ import annotations

from typing import Annotated

import typer

from capstone.commands.options import NEWEST, RunArgument


def report(
    run_id: RunArgument = NEWEST,
    standalone: Annotated[
        bool,
        typer.Option(
            "--standalone", help="One file of 5 MB that holds everything, to send by mail."
        ),
    ] = False,
) -> None:
    """Write a run's report again, or as one file to send."""
    from capstone.core.project import find_root
    from capstone.core.text import say
    from capstone.reporting.report.report import write_report
    from capstone.runs.folder import read_run
    from capstone.runs.verify import note_on_hashes

    root = find_root()
    run = read_run(root / "runs", run_id)
    written = write_report(run, standalone)
    if note := note_on_hashes(run):
        say(f"Note: {note}.")
    say(f"The report of {run.id}. Next: open {written.relative_to(root)} in a browser.")
