"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

NEWEST = "LATEST"
WHICH = "Which run; the newest if none."
RunOption = Annotated[str, typer.Option("--run", metavar="RUN", help=WHICH)]
RunArgument = Annotated[str, typer.Argument(metavar="[RUN]", help=WHICH)]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="SECTION.KEY=VALUE", help="Change a setting for this run; repeatable."
    ),
]
