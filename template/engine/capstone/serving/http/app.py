"""The ASGI app: what each address answers. middleware.py comes before it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from capstone.serving.http.batching import MicroBatcher
from capstone.serving.http.endpoints import ModelEndpoints
from capstone.serving.http.hot_reload import ModelReloader
from capstone.serving.http.metrics import Metrics
from capstone.serving.http.middleware import LARGE_BODY, Limits, Middleware
from capstone.serving.http.problem_details import INTERNAL_ERROR, PROBLEM_TYPE, Problem, too_busy
from capstone.serving.inference.deadline import DEADLINE, DeadlinePassed

THREADS = 2
PAGE_FOLDER = Path(__file__).parents[1] / "page"
PAGE_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/tokens.css": ("tokens.css", "text/css; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}


class WorkerThreads:
    """Some threads for long work, with a short queue and a time limit."""

    def __init__(self, limits: Limits) -> None:
        self.pool = ThreadPoolExecutor(THREADS, "capstone")
        self.max_jobs, self.seconds = THREADS + limits.waiting, limits.seconds
        self.jobs, self.lock = 0, threading.Lock()

    async def run(self, function: Callable[[bytes], bytes], body: bytes) -> bytes:
        """Call the function in a thread. Raises Problem when the queue is full or time is up."""
        with self.lock:
            if self.jobs >= self.max_jobs:
                raise too_busy("Too many large requests are waiting: try again in a second.")
            self.jobs += 1
        DEADLINE.set(time.monotonic() + self.seconds)
        job = self.pool.submit(copy_context().run, function, body)
        # Its place is free when it has ended, which may be later than its caller gives up.
        job.add_done_callback(self._job_done)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(job), self.seconds)
        except (TimeoutError, DeadlinePassed):
            message = f"No answer within {self.seconds:g} seconds: send fewer rows."
            raise Problem(504, message) from None

    def _job_done(self, job: Future[bytes]) -> None:
        with self.lock:
            self.jobs -= 1


def create_app(
    reloader: ModelReloader, limits: Limits, metrics: Metrics, key: str = ""
) -> Middleware:
    """The complete service, for a server such as uvicorn to call."""
    threads = WorkerThreads(limits)

    def current() -> ModelEndpoints:
        """The model that answers: looked up once per request, so that a new model can't disturb it."""
        return reloader.endpoints

    batcher = MicroBatcher(current)

    async def predict(body: bytes) -> bytes:
        # Predicting a few rows takes less time than handing them to a thread.
        if len(body) < LARGE_BODY:
            return await batcher.predict(body)
        return await threads.run(current().predict, body)

    async def explain(body: bytes) -> bytes:
        return await threads.run(current().explain, body)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with reloader.watching():
            yield
        threads.pool.shutdown(wait=False, cancel_futures=True)

    # FastAPI's pages of documentation would load scripts from another host.
    app = FastAPI(
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the Host header of whoever asks
    )
    _add_routes(app, current, metrics)
    _add_exception_handlers(app)
    # These two don't pass through FastAPI, whose routing takes as long as the whole prediction.
    return Middleware(app, {"/v1/predict": predict, "/v1/explain": explain}, limits, metrics, key)


def _add_routes(app: FastAPI, current: Callable[[], ModelEndpoints], metrics: Metrics) -> None:
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
    def prometheus() -> Response:
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    for address, (name, media_type) in PAGE_FILES.items():
        content = (PAGE_FOLDER / name).read_bytes()
        app.add_api_route(address, _static_file(content, media_type), methods=["GET"])


def _static_file(content: bytes, media_type: str) -> Callable[[], Any]:
    async def send() -> Response:
        return Response(content, media_type=media_type)

    return send


def _add_exception_handlers(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def refuse(request: Request, problem: Problem) -> Response:
        return Response(
            problem.body(request.scope["capstone.request"]),
            problem.status,
            {name.decode(): value.decode() for name, value in problem.headers},
            PROBLEM_TYPE.decode(),
        )

    @app.exception_handler(404)
    async def not_found(request: Request, error: Exception) -> Response:
        return await refuse(request, Problem(404, "There is nothing at this address."))

    @app.exception_handler(405)
    async def wrong_method(request: Request, error: Exception) -> Response:
        return await refuse(request, Problem(405, "Use GET here.", headers=((b"allow", b"GET"),)))

    @app.exception_handler(Exception)
    async def internal_error(request: Request, error: Exception) -> Response:
        # The error goes on to the middleware, which writes the log.
        return await refuse(request, Problem(500, INTERNAL_ERROR))
