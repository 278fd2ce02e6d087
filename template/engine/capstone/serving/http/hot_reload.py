"""Hot reload: a newer run takes over without a request being lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from capstone.core.errors import CapstoneError
from capstone.core.project import package_name
from capstone.runs.folder import run_folder
from capstone.serving.http.endpoints import ModelEndpoints
from capstone.serving.http.metrics import Metrics

POLL_SECONDS = 1.0  # between two looks at runs/LATEST
LoadModel = Callable[[Path], ModelEndpoints]


class ModelReloader:
    """Holds the model that answers. A new one is loaded beside it and then takes its place in one step.

    The old model finishes the requests that it has begun to answer.
    """

    def __init__(
        self, root: Path, run: str, watch: bool, metrics: Metrics, load: LoadModel
    ) -> None:
        self.root, self.run, self.watch, self.metrics, self.load = root, run, watch, metrics, load
        # The last one that was tried.
        self.folder = run_folder(self.root / "runs", self.run, self._log_note)
        self.failure = ""  # the last one that was logged
        self.endpoints = self._activate(load(self.folder))

    async def reload(self, only_new: bool = False) -> None:
        """Load the run that should answer now. If that fails in any way, the old one keeps answering."""
        failure, loop = "", asyncio.get_running_loop()
        try:
            notes: list[str] = []
            runs = self.root / "runs"
            folder = await loop.run_in_executor(None, run_folder, runs, self.run, notes.append)
            if only_new and folder == self.folder:
                return
            self.folder = folder
            for note in notes:
                self._log_note(note)
            forget_package(self.root)  # features.py may have changed together with the model
            new = await loop.run_in_executor(None, self.load, folder)
            self.endpoints = self._activate(new)
        except CapstoneError as error:
            failure = str(error)
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # of the student's code, too
            failure = f"{type(error).__name__}: {error}"
        if failure and (failure != self.failure or not only_new):
            self.metrics.log("not reloaded", {"error": failure, "run": self.endpoints.run})
        self.failure = failure

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """While the server runs: SIGHUP, where the system has it, and a look at runs/LATEST."""
        tasks: set[asyncio.Task[None]] = set()
        if hasattr(signal, "SIGHUP"):
            hangup = Hangup()

            def on_hangup() -> None:
                if hangup.means_end():
                    signal.raise_signal(signal.SIGTERM)
                    return
                tasks.add(asyncio.ensure_future(self.reload()))

            # Only a main thread receives signals; elsewhere the service runs without.
            with contextlib.suppress(RuntimeError, ValueError):
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, on_hangup)
        if self.watch:
            tasks.add(asyncio.ensure_future(self._watch()))
        yield
        for task in tasks:
            task.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.reload(only_new=True)

    def _log_note(self, note: str) -> None:
        self.metrics.log("note", {"note": note})

    def _activate(self, endpoints: ModelEndpoints) -> ModelEndpoints:
        self.metrics.loaded.set_to_current_time()
        self.metrics.log("model", {"run": endpoints.run})
        return endpoints


class Hangup:
    """What a SIGHUP means: `kill -HUP` asks for the newest run, a terminal that was closed for the end."""

    def __init__(self) -> None:
        self.had_terminal = has_terminal()

    def means_end(self) -> bool:
        """Whether the terminal of the start is gone."""
        return self.had_terminal and not has_terminal()


def has_terminal() -> bool:
    """Whether this process belongs to a terminal that could be closed."""
    if sys.platform == "win32":  # has neither SIGHUP nor /dev/tty
        return False
    with contextlib.suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
        return True
    return False


def forget_package(root: Path) -> None:
    """Have the student's files read again at the next import. Functions that were imported before keep working."""
    package = package_name(root)
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]
