"""The service: what each address answers. middleware.py comes before."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from capstone.serving.http.batching import Together
from capstone.serving.http.endpoints import Answering
from capstone.serving.http.hot_reload import Reloader
from capstone.serving.http.metrics import Meter
from capstone.serving.http.middleware import Guard, Limits
from capstone.serving.http.problem_details import PROBLEM_TYPE, SORRY, Problem, busy

LARGE = 20_000  # bytes of a body from which on a thread answers it, so that others need not wait
THREADS = 2
PAGE_FILES = Path(__file__).parents[1] / "page"
PAGE = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}


class Threads:
    """Some threads for long work, a short queue before them, and a limit of time."""

    def __init__(self, limits: Limits) -> None:
        self.pool = ThreadPoolExecutor(THREADS, "capstone")
        self.most, self.seconds = THREADS + limits.waiting, limits.seconds
        self.count, self.lock = 0, threading.Lock()

    async def run(self, function: Callable[..., bytes], *args: Any) -> bytes:
        """Call the function in a thread. Raises Problem when the queue is full or time is up."""
        with self.lock:
            if self.count >= self.most:
                raise busy("Too many large requests are waiting: try again in a second.")
            self.count += 1
        work = self.pool.submit(function, *args)
        # A thread can't be stopped: its place is free when it has ended, not when its caller gives up.
        work.add_done_callback(self._free)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(work), self.seconds)
        except TimeoutError:
            raise Problem(
                504, f"No answer within {self.seconds:g} seconds: send fewer rows."
            ) from None

    def _free(self, work: Future[bytes]) -> None:
        with self.lock:
            self.count -= 1


def create_app(reloader: Reloader, limits: Limits, meter: Meter, key: str = "") -> Guard:
    """The whole service, for a server such as uvicorn to call."""
    threads = Threads(limits)

    def current() -> Answering:
        """The model that answers: asked once in each request, which a change of models then can't disturb."""
        return reloader.answering

    together = Together(current)

    async def predict(body: bytes) -> bytes:
        # A few rows are predicted sooner than a thread is told to.
        if len(body) < LARGE:
            return await together.predict(body)
        return await threads.run(current().predict, body)

    async def explain(body: bytes) -> bytes:
        return await threads.run(current().explain, body)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with reloader.watching():
            yield
        threads.pool.shutdown(wait=False, cancel_futures=True)

    # Its own pages of documentation would load scripts from another host.
    app = FastAPI(lifespan=life, openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/v1/model")
    async def model() -> Response:
        return Response(current().description, media_type="application/json")

    @app.get("/openapi.json")
    async def openapi() -> Response:
        return Response(current().openapi, media_type="application/json")

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ready", "run": current().run}

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(meter.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    for address, (name, kind) in PAGE.items():
        content = (PAGE_FILES / name).read_bytes()
        app.add_api_route(address, _file(content, kind), methods=["GET"])

    @app.exception_handler(Problem)
    async def refuse(request: Request, problem: Problem) -> Response:
        return Response(
            problem.body(request.scope["capstone.request"]),
            problem.status,
            {name.decode(): value.decode() for name, value in problem.headers},
            PROBLEM_TYPE.decode(),
        )

    @app.exception_handler(404)
    async def nothing_here(request: Request, error: Exception) -> Response:
        return await refuse(request, Problem(404, "There is nothing at this address."))

    @app.exception_handler(405)
    async def other_method(request: Request, error: Exception) -> Response:
        return await refuse(request, Problem(405, "Use GET here.", headers=((b"allow", b"GET"),)))

    @app.exception_handler(Exception)
    async def apologise(request: Request, error: Exception) -> Response:
        return await refuse(request, Problem(500, SORRY))  # the guard writes the log

    # These two don't pass through FastAPI: its way to a function takes as long as the whole prediction.
    return Guard(app, {"/v1/predict": predict, "/v1/explain": explain}, limits, meter, key)


def _file(content: bytes, kind: str) -> Callable[[], Any]:
    async def send() -> Response:
        return Response(content, media_type=kind)

    return send
