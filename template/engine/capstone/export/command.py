"""The command `capstone export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    run_id: Annotated[
        str, typer.Option("--run", metavar="RUN", help="Which run's model; the newest if none.")
    ] = "LATEST",
    zipped: Annotated[
        bool, typer.Option("--zip", help="One ZIP file instead of a folder.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="Where to; dist/RUN if none.")
    ] = None,
) -> None:
    """Pack the model into one folder for a server."""
    from capstone.core.project import find_root
    from capstone.core.text import count, say
    from capstone.export.bundle.service import export_service

    result = export_service(find_root(), run_id, to, zipped)
    for note in result.notes:
        say(f"Note: {note}.")
    size = f"{result.size / 1e6:.1f} MB"
    say(f"{result.target}: {count(result.files, 'file')}, {size}")
    say(f"It needs {result.libraries} libraries, which its sbom.cdx.json lists.")
    say("Next: its README.md says how to start it, with Docker and without.")
