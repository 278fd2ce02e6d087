"""`capstone report`: a run's report.html once more, or as one file to send by mail."""

from __future__ import annotations

from typing import Annotated

import typer


def report(
    run_id: Annotated[
        str, typer.Argument(metavar="[RUN]", help="Which run; the newest if none.")
    ] = "LATEST",
    standalone: Annotated[
        bool,
        typer.Option(
            "--standalone", help="One file of 5 MB that holds everything, to send by mail."
        ),
    ] = False,
) -> None:
    """Write a run's report.html again."""
    from capstone.core.project import find_root
    from capstone.reporting.report.report import write_report
    from capstone.runs.folder import read_run

    root = find_root()
    found = read_run(root / "runs", run_id)
    written = write_report(found, standalone)
    print(f"The report of {found.id}: {written.relative_to(root)}")
