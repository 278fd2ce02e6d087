"""Which model answers, and how a newer one takes over without a request being lost."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from capstone.errors import CapstoneError
from capstone.project import package_name
from capstone.serving.answering import Answering
from capstone.serving.meter import Meter

LATEST = "LATEST"
EVERY = 1.0  # seconds between two looks at runs/LATEST


class Reloader:
    """Holds the model that answers. A new one is loaded beside it and then takes its place in one step.

    Requests that the old one has begun to answer it also ends.
    """

    def __init__(
        self, root: Path, run: str, watch: bool, meter: Meter, load: Callable[[Path], Answering]
    ) -> None:
        self.root, self.run, self.watch, self.meter, self.load = root, run, watch, meter, load
        self.asked = self.folder()
        self.answering = self._take(load(self.asked))

    def folder(self) -> Path:
        """The folder of the run that should answer now."""
        name = self.run
        if name == LATEST:
            try:
                name = (self.root / "runs" / LATEST).read_text(encoding="utf-8").strip()
            except OSError:
                raise CapstoneError(
                    f"There is no finished run in {self.root / 'runs'}: start with `capstone run`."
                ) from None
        folder = self.root / "runs" / Path(name).name
        if not folder.is_dir():
            raise CapstoneError(f'{folder.parent} has no run "{name}": see `capstone compare`.')
        return folder

    async def reload(self) -> None:
        """Load the run that should answer now. When it can't be loaded, the old one goes on answering."""
        try:
            self.asked = self.folder()
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

            def on_hangup() -> None:
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
                if self.folder() != self.asked:
                    await self.reload()

    def _take(self, answering: Answering) -> Answering:
        self.meter.loaded.set_to_current_time()
        self.meter.say("model", {"run": answering.run})
        return answering


def forget_package(root: Path) -> None:
    """Let the student's files be read anew at the next import. What was imported before goes on working."""
    package = package_name(root)
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]
