"""Services to compare ours with: `python benchmarks/load/peers.py NAME PORT`.

Each answers POST /predict with the number that the chapter's network (20-64-32-1, untrained) computes of {"features":
[20 numbers]}: no names, no texts, no checks, no preprocessing, which favours them all.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.load.chapter import network


class Row(BaseModel):
    """What FastAPI checks each request against."""

    features: list[float]


def flask(port: int) -> None:
    """As in the chapter: Flask with its own server."""
    import logging

    from flask import Flask, jsonify, request

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request: favours it
    app, predict = Flask("chapter"), network()

    @app.post("/predict")
    def answer() -> Any:
        return jsonify({"prediction": predict(request.get_json()["features"])})

    app.run(port=port)


def fastapi(port: int, name: str) -> None:
    """FastAPI as its own first pages show it, with torch or with no model at all."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()
    if name == "fastapi-no-model":

        @app.post("/predict")
        async def nothing(row: Row) -> dict[str, float]:
            return {"prediction": 0.0}

    else:
        predict = network()
        if name == "fastapi-def":

            @app.post("/predict")
            def in_a_thread(row: Row) -> dict[str, float]:
                return {"prediction": predict(row.features)}

        else:

            @app.post("/predict")
            async def in_the_loop(row: Row) -> dict[str, float]:
                return {"prediction": predict(row.features)}

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


def main() -> None:
    name, port = sys.argv[1], int(sys.argv[2])
    if name == "flask":
        flask(port)
    elif name == "litserve":
        from benchmarks.load.lit import serve

        serve(port)
    else:
        fastapi(port, name)


if __name__ == "__main__":
    main()
