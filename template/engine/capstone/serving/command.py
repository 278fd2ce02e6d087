"""The command `capstone serve`."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    run_id: Annotated[
        str, typer.Option("--run", metavar="RUN", help="Which run's model; the newest if none.")
    ] = "LATEST",
    host: Annotated[
        str, typer.Option("--host", help="The address; another than this machine's needs a key.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes any that is free.")
    ] = 8000,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Processes that answer.")
    ] = 1,
    reload_model: Annotated[
        bool, typer.Option("--reload-model", help="Take each new run as soon as it is finished.")
    ] = False,
    max_rows: Annotated[
        int, typer.Option("--max-rows", min=1, max=1_000_000, help="Rows in one request, at most.")
    ] = 10_000,
    max_megabytes: Annotated[
        int, typer.Option("--max-mb", min=1, max=1024, help="Size of one request, at most.")
    ] = 16,
    seconds: Annotated[
        float, typer.Option("--time-limit", min=0.1, max=600, help="Seconds for one request.")
    ] = 10.0,
) -> None:
    """Try the model on a page; an API for programs beside it."""
    from capstone.core.project import find_root
    from capstone.serving.http.middleware import Limits
    from capstone.serving.http.server import ServiceOptions, run_server

    size = max_megabytes * 2**20
    limits = Limits(rows=max_rows, body=size, bodies=4 * size, seconds=seconds)
    root = str(find_root().resolve())
    run_server(ServiceOptions(root, run_id, reload_model, limits), host, port, workers)
