"""Which model answers, and how a newer one takes over without a request being lost."""

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
from capstone.serving.http.endpoints import Answering
from capstone.serving.http.metrics import Meter

EVERY = 1.0  # seconds between two looks at runs/LATEST


class Reloader:
    """Holds the model that answers. A new one is loaded beside it and then takes its place in one step.

    Requests that the old one has begun to answer it also ends.
    """

    def __init__(
        self, root: Path, run: str, watch: bool, meter: Meter, load: Callable[[Path], Answering]
    ) -> None:
        self.root, self.run, self.watch, self.meter, self.load = root, run, watch, meter, load
        self.asked = run_folder(self.root / "runs", self.run)
        self.answering = self._take(load(self.asked))

    async def reload(self) -> None:
        """Load the run that should answer now. When it can't be loaded, the old one goes on answering."""
        try:
            self.asked = run_folder(self.root / "runs", self.run)
            forget_package(self.root)  # features.py may have changed together with the model
            new = await asyncio.get_running_loop().run_in_executor(None, self.load, self.asked)
            self.answering = self._take(new)
        except CapstoneError as error:
            self.meter.say("not reloaded", {"error": str(error), "run": self.answering.run})

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """While the server runs: SIGHUP, where the system has it, and a look at runs/LATEST."""
        tasks: set[asyncio.Task[None]] = set()
        if hasattr(signal, "SIGHUP"):
            hangup = Hangup()

            def on_hangup() -> None:
                if hangup.ends():
                    signal.raise_signal(signal.SIGTERM)
                    return
                tasks.add(asyncio.ensure_future(self.reload()))

            # Only a main thread is told of signals; elsewhere the service runs without.
            with contextlib.suppress(RuntimeError, ValueError):
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, on_hangup)
        if self.watch:
            tasks.add(asyncio.ensure_future(self._watch()))
        yield
        for task in tasks:
            task.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            with contextlib.suppress(CapstoneError):  # in the middle of being written
                if run_folder(self.root / "runs", self.run) != self.asked:
                    await self.reload()

    def _take(self, answering: Answering) -> Answering:
        self.meter.loaded.set_to_current_time()
        self.meter.say("model", {"run": answering.run})
        return answering


class Hangup:
    """What SIGHUP means: `kill -HUP` asks for the new run, a terminal that was closed wants an end."""

    def __init__(self) -> None:
        self.had_terminal = has_terminal()

    def ends(self) -> bool:
        """Whether the terminal that there was at the start is gone."""
        return self.had_terminal and not has_terminal()


def has_terminal() -> bool:
    """Whether this process belongs to a terminal that could be closed."""
    if sys.platform == "win32":  # has neither SIGHUP nor /dev/tty
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def forget_package(root: Path) -> None:
    """Let the student's files be read anew at the next import. What was imported before goes on working."""
    package = package_name(root)
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]
