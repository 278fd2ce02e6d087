"""`capstone serve`: start the service and keep it running."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import signal
import socket
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors.multiprocess import Multiprocess

from capstone.core.errors import CapstoneError
from capstone.runs.folder import run_folder
from capstone.serving.http.hot_reload import Hangup
from capstone.serving.http.middleware import Limits
from capstone.serving.inference.model import ServedModel

KEY = "CAPSTONE_API_KEY"  # the environment variable that holds the API key
ORDER = "CAPSTONE_SERVE"  # and the one by which workers learn what was asked for
MANY_PROCESSES = "PROMETHEUS_MULTIPROC_DIR"
IN_MEMORY = "/dev/shm"  # of each Linux container; can be written to where all else can't
SHORTEST_KEY = 16
WAITING = 1024  # connections that are not yet taken
NEW_OBJECTS = 50_000  # before Python looks for unused ones among them
IDLE = 65  # seconds that a connection is kept: longer than proxies keep theirs


@dataclass(frozen=True)
class Order:
    """What `capstone serve` was asked for."""

    root: str
    run: str
    watch: bool
    limits: dict[str, Any]


def serve(
    root: Path, run: str, host: str, port: int, workers: int, watch: bool, limits: Limits
) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises CapstoneError before anything is listened to."""
    check_place(host, run, watch)
    order = Order(str(root.resolve()), run, watch, asdict(limits))
    os.environ[ORDER] = orjson.dumps(asdict(order)).decode()
    figures = folder_for_figures() if workers > 1 else None
    listening = listen(host, port)
    try:
        app: Any = "capstone.serving.http.server:from_order"  # each worker calls it for itself
        if figures:
            os.environ[MANY_PROCESSES] = figures.name
            # Workers would each say what is wrong with the run: one sentence now is better.
            ServedModel.load(run_folder(root / "runs", run), root)
        else:
            app = from_order()
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listening.getsockname()[1]}/"
        print(
            f"The page and the API are at {address}  (Ctrl-C ends it)", file=sys.stderr, flush=True
        )
        config = uvicorn.Config(
            app,
            factory=workers > 1,
            http=Impatient,
            workers=workers,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            backlog=WAITING,
            timeout_keep_alive=IDLE,
            timeout_graceful_shutdown=int(limits.seconds) + 1,
        )
        if workers == 1:
            uvicorn.Server(config).run(sockets=[listening])
        else:
            Workers(config, [listening]).run()
    except KeyboardInterrupt:
        pass  # uvicorn has ended in order, and hands on the signal
    finally:
        listening.close()
        if figures:
            figures.cleanup()


def folder_for_figures() -> tempfile.TemporaryDirectory[str]:
    """Where several workers add up their figures for /metrics: in memory, where the file system is read-only."""
    for place in (None, IN_MEMORY):
        with contextlib.suppress(OSError):
            return tempfile.TemporaryDirectory(prefix="capstone-", dir=place)
    raise CapstoneError(
        "Several workers add up their figures in a folder, but none can be written to here: name one by the "
        "environment variable TMPDIR, or take --workers 1."
    )


class Impatient(HttpToolsProtocol):
    """A connection that is closed when its next request doesn't come in time. uvicorn waits for headers for ever."""

    limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self.seconds = given_order().limits["seconds"]
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:  # no whole head of a request yet
            self._await_headers()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        if self.limit is None and not self.transport.is_closing():
            self.limit = self.loop.call_later(self.seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self.limit is not None:
            self.limit.cancel()
            self.limit = None


class Workers(Multiprocess):
    """Several processes that answer at one address."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self.hangup = Hangup()

    def handle_hup(self) -> None:
        """Tell each worker to look for a new model. uvicorn's own way would end them and start others."""
        if self.hangup.ends():
            self.should_exit.set()
            return
        for process in self.processes:
            if sys.platform != "win32" and process.pid:
                os.kill(process.pid, signal.SIGHUP)


def given_order() -> Order:
    """What was asked for, in this process or in a worker."""
    return Order(**orjson.loads(os.environ[ORDER]))


def from_order() -> Any:
    """The app, in this process or in a worker that uvicorn has started."""
    from capstone.serving.http.app import create_app
    from capstone.serving.http.endpoints import Answering
    from capstone.serving.http.hot_reload import Reloader
    from capstone.serving.http.metrics import Meter

    order = given_order()
    root, limits, key = Path(order.root), Limits(**order.limits), os.environ.get(KEY, "")
    meter = Meter(sys.stderr.buffer)

    def load(folder: Path) -> Answering:
        answering = Answering(folder, root, limits, meter, bool(key))
        spare_what_is_loaded()
        return answering

    return create_app(Reloader(root, order.run, order.watch, meter, load), limits, meter, key)


def spare_what_is_loaded() -> None:
    """Keep Python's search for unused objects from what stays: libraries and the model.

    A search through all of it takes 17 ms, in which nobody is answered, and 10,000 answers would start dozens of
    smaller ones.
    """
    gc.unfreeze()  # an older model may be no longer used
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)


def check_place(host: str, run: str, watch: bool) -> None:
    """Refuse what would be unsafe, or make no sense."""
    key = os.environ.get(KEY, "")
    if key and (len(key) < SHORTEST_KEY or not re.fullmatch(r"[!-~]+", key)):
        raise CapstoneError(
            f"{KEY} is too short or holds spaces: take {SHORTEST_KEY} characters or more, for example what "
            '`python -c "import secrets; print(secrets.token_urlsafe(32))"` prints.'
        )
    if not key and not is_loopback(host):
        raise CapstoneError(
            f"At {host} other machines could ask, too: set an API key in the environment variable {KEY}, "
            "or leave --host away."
        )
    if watch and run != "LATEST":
        raise CapstoneError(
            "--reload-model follows the newest run, --run keeps one: give one of the two."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def listen(host: str, port: int) -> socket.socket:
    """A socket at the address; port 0 is any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    if os.name != "nt":  # there it would let two servers share an address
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(
            WAITING
        )  # who comes while the workers start waits, rather than being refused
    except (OSError, OverflowError) as error:
        listening.close()
        why = getattr(error, "strerror", None) or error
        raise CapstoneError(
            f"{host}, port {port} can't be used ({why}): choose another --port, or another --host."
        ) from None
    listening.set_inheritable(True)
    return listening
