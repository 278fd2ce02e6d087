"""Run the service under uvicorn, in one process or several."""

from __future__ import annotations

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

import orjson
import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess

from capstone.core.errors import CapstoneError
from capstone.runs.folder import run_folder
from capstone.serving.http.endpoints import ModelEndpoints
from capstone.serving.http.hot_reload import Hangup, LoadModel, ModelReloader
from capstone.serving.http.metrics import MULTIPROCESS_FOLDER, Metrics
from capstone.serving.http.middleware import Limits, Middleware, is_loopback
from capstone.serving.http.protocol import LimitedProtocol

KEY_VARIABLE = "CAPSTONE_API_KEY"  # the environment variable that holds the API key
OPTIONS_VARIABLE = "CAPSTONE_SERVE"  # and the one that hands the options to workers
MEMORY_FOLDER = "/dev/shm"  # of each Linux container; writable where all else is read-only
MIN_KEY_LENGTH = 16
BACKLOG = 1024  # connections that are not yet accepted
GC_THRESHOLD = 50_000  # new objects, before Python looks for unused ones among them
KEEP_ALIVE_SECONDS = 65  # for an idle connection: longer than proxies keep theirs


@dataclass(frozen=True)
class ServiceOptions:
    """What is served, and within which limits.

    Parameters
    ----------
    root : str
        The project's folder.
    run : str
        A run's id, or "LATEST".
    watch : bool
        Whether to load each new run as soon as it is finished.
    limits : Limits
        How much the service takes.
    """

    root: str
    run: str
    watch: bool
    limits: Limits


def run_server(options: ServiceOptions, host: str, port: int, workers: int) -> None:
    """Serve a run's model until Ctrl-C or SIGTERM.

    Parameters
    ----------
    options : ServiceOptions
        What is served.
    host : str
        The address to listen on. Another than this machine's needs the API key in CAPSTONE_API_KEY.
    port : int
        0 takes any free port.
    workers : int
        The number of processes that answer.

    Raises
    ------
    CapstoneError
        Before anything is listened to: if the run can't be served, or the address can't be used.
    """
    check_options(options, host)
    os.environ[OPTIONS_VARIABLE] = orjson.dumps(asdict(options)).decode()
    folder = metrics_folder() if workers > 1 else None
    listening = listen(host, port)
    try:
        app: Middleware | str = (
            "capstone.serving.http.server:app_from_options"  # each worker calls it
        )
        if folder:
            os.environ[MULTIPROCESS_FOLDER] = folder.name
            # Every worker would report what is wrong with the run: one sentence now is better.
            model_loader(options, Metrics(None))(
                run_folder(Path(options.root, "runs"), options.run)
            )
        else:
            app = app_from_options()
        name, port = f"[{host}]" if ":" in host else host, listening.getsockname()[1]
        message = f"The page and the API are at http://{name}:{port}/  (Ctrl-C ends it)"
        print(message, file=sys.stderr, flush=True)
        config = uvicorn_config(app, workers, options.limits.seconds)
        if workers == 1:
            uvicorn.Server(config).run(sockets=[listening])
        else:
            WorkerSupervisor(config, [listening]).run()
    except KeyboardInterrupt:
        pass  # uvicorn has shut down in order, and hands on the signal
    finally:
        listening.close()
        if folder:
            folder.cleanup()


def uvicorn_config(app: Middleware | str, workers: int, seconds: float) -> uvicorn.Config:
    """The settings of the server: the middleware does the logging and the headers."""
    return uvicorn.Config(
        app,
        factory=workers > 1,
        http=LimitedProtocol,
        workers=workers,
        log_config=None,
        log_level="critical",  # the middleware logs each refusal and error, as JSON
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(seconds) + 1,
    )


def metrics_folder() -> tempfile.TemporaryDirectory[str]:
    """Where several workers add up their metrics: in memory, if the file system is read-only."""
    for place in (None, MEMORY_FOLDER):
        with contextlib.suppress(OSError):
            return tempfile.TemporaryDirectory(prefix="capstone-", dir=place)
    raise CapstoneError(
        "Several workers add up their figures in a folder, but none can be written to here: name one by the "
        "environment variable TMPDIR, or take --workers 1."
    )


class WorkerSupervisor(Multiprocess):
    """Several processes that answer at one address."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self.hangup = Hangup()

    def handle_hup(self) -> None:
        """Have each worker look for a new model. uvicorn would end the workers and start others."""
        if self.hangup.means_end():
            self.should_exit.set()
            return
        for process in self.processes:
            if sys.platform != "win32" and process.pid:
                os.kill(process.pid, signal.SIGHUP)


def read_options() -> ServiceOptions:
    """The options, in this process or in a worker."""
    content = orjson.loads(os.environ[OPTIONS_VARIABLE])
    return ServiceOptions(**content | {"limits": Limits(**content["limits"])})


def app_from_options() -> Middleware:
    """The app, in this process or in a worker that uvicorn has started."""
    from capstone.serving.http.app import create_app

    options, metrics = read_options(), Metrics(sys.stderr.buffer)
    root, load = Path(options.root), model_loader(options, metrics)
    reloader = ModelReloader(root, options.run, options.watch, metrics, load)
    return create_app(reloader, options.limits, metrics, os.environ.get(KEY_VARIABLE, ""))


def model_loader(options: ServiceOptions, metrics: Metrics) -> LoadModel:
    """The function that loads a run's model. Whatever is wrong with the run, it raises CapstoneError."""
    root, with_key = Path(options.root), bool(os.environ.get(KEY_VARIABLE))

    def load(folder: Path) -> ModelEndpoints:
        try:
            endpoints = ModelEndpoints(folder, root, options.limits, metrics, with_key)
        except CapstoneError:
            raise
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # of the student's code, too
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            raise CapstoneError(
                f"The run in {folder} can't be served ({reason}): run `capstone run` again."
            ) from error
        freeze_loaded_objects()
        return endpoints

    return load


def freeze_loaded_objects() -> None:
    """Keep garbage collection away from libraries and the model, which stay.

    A collection that walks all of them takes 17 ms, in which nobody is answered, and 10,000 answers would start dozens
    of smaller ones.
    """
    gc.unfreeze()  # an older model may be unused by now
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def check_options(options: ServiceOptions, host: str) -> None:
    """Refuse what would be unsafe, or make no sense."""
    key = os.environ.get(KEY_VARIABLE, "")
    if key and (len(key) < MIN_KEY_LENGTH or not re.fullmatch(r"[!-~]+", key)):
        raise CapstoneError(
            f"{KEY_VARIABLE} is too short or holds spaces: take {MIN_KEY_LENGTH} characters or more, for example what "
            '`python -c "import secrets; print(secrets.token_urlsafe(32))"` prints.'
        )
    if not key and not is_loopback(host):
        raise CapstoneError(
            f"At {host} other machines could ask, too: set an API key in the environment variable {KEY_VARIABLE}, "
            "or leave --host away."
        )
    if not options.limits.seconds > 0:
        raise CapstoneError("--time-limit is no number of seconds: give one such as 10.")
    if options.watch and options.run != "LATEST":
        raise CapstoneError(
            "--reload-model follows the newest run, --run keeps one: give one of the two."
        )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at the address; port 0 is any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    if os.name != "nt":  # on Windows it would let two servers share an address
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)  # a client that comes before the workers waits
    except (OSError, OverflowError, ValueError) as error:  # ValueError: no name of a host
        listening.close()
        reason = getattr(error, "strerror", None) or error
        raise CapstoneError(
            f"{host}, port {port} can't be used ({reason}): choose another --port, or another --host."
        ) from None
    listening.set_inheritable(True)
    return listening
