"""Work in several processes. One that hangs, dies or takes the memory costs its own item, and no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Generic, TypeVar

from cohort import faults
from cohort.errors import CohortError
from cohort.projects.isolation import OutOfTimeError, too_slow

# A forked process has the template at hand; where there is no fork, each reads it again.
FORKS = sys.platform == "linux"
if sys.platform == "linux":
    CONTEXT = multiprocessing.get_context("fork")
else:
    CONTEXT = multiprocessing.get_context("spawn")
MEMORY = 2 << 30  # bytes that one process may take, git included
START = 120.0  # seconds for a process to be ready
GRACE = 15.0  # seconds for work that has been told to end
LAST = 2.0  # seconds for an item that is worked on when a command ends early
END = 5.0  # seconds for a process that has nothing left to do but to clear up
READY = "ready"
I = TypeVar("I")  # noqa: E741 - an item
R = TypeVar("R")


@dataclass(frozen=True)
class Crew(Generic[I, R]):
    """How items are worked on. `start` is called once in each process, and gives what to do with an item."""

    start: Callable[[], AbstractContextManager[Callable[[I], R]]]
    failed: Callable[[I, str], R]  # what comes of an item whose process was lost
    seconds: float  # for one item


@contextmanager
def ready_with(work: Callable[[I], R]) -> Iterator[Callable[[I], R]]:
    """The start of a process whose work needs nothing first."""
    yield work


def each(items: Sequence[I], crew: Crew[I, R], jobs: int = 0) -> Iterator[R]:
    """What comes of each item, in the order in which they are done."""
    waiting = deque(items)
    workers = [_Worker(crew) for _ in range(min(jobs or os.cpu_count() or 1, len(waiting)))]
    try:
        while workers:
            soonest = min(worker.until for worker in workers) - time.monotonic()
            wait([worker.connection for worker in workers], max(0.0, soonest))
            for worker in [*workers]:
                yield from worker.results()
                if worker.lost:
                    workers.remove(worker)
                    if waiting:
                        workers.append(_Worker(crew))
                elif worker.idle and waiting:
                    worker.give(waiting.popleft())
                elif worker.idle:
                    workers.remove(worker)
                    _dismiss([worker])
    finally:
        _dismiss(workers)


def _dismiss(workers: Sequence[_Worker[I, R]]) -> None:
    """End processes, each after its item: it may be writing a branch, and what is killed there leaves git's lock."""
    for worker in workers:
        worker.dismiss()
    until = time.monotonic() + LAST
    for worker in workers:
        worker.end(until)


class _Worker(Generic[I, R]):
    """One process, seen from the one that gives out the work."""

    def __init__(self, crew: Crew[I, R]) -> None:
        self._crew = crew
        self.connection, theirs = CONTEXT.Pipe()
        pipe = (theirs, self.connection)
        self._process = CONTEXT.Process(target=_serve, args=(*pipe, crew.start), daemon=True)
        self._process.start()
        theirs.close()
        self.until = time.monotonic() + START
        self.idle = self.lost = self._started = False
        self._items: list[I] = []  # the one that is worked on

    def give(self, item: I) -> None:
        self.until = time.monotonic() + self._crew.seconds + GRACE
        self.idle, self._items = False, [item]
        with suppress(OSError):  # it has died while it had nothing to do: `results` finds out
            self.connection.send(item)

    def results(self) -> Iterator[R]:
        """What has come of the item, if anything has."""
        try:
            if self.connection.poll():
                said = self.connection.recv()
            elif time.monotonic() > self.until:
                yield from self._give_up(too_slow(self._crew.seconds))
                return
            else:
                return
        except (EOFError, OSError):
            yield from self._give_up(self._why_it_ended())
            return
        self.idle, self.until = True, float("inf")
        if self._started:
            self._items = []
            yield said
        elif said != READY:
            raise CohortError(said)
        self._started = True

    def _give_up(self, why: str) -> Iterator[R]:
        self.kill()
        self.lost = True
        if not self._started:
            raise CohortError(f"cohort can't start a process: {why}")
        for item in self._items:
            yield self._crew.failed(item, why)

    def _why_it_ended(self) -> str:
        self._process.join(END)
        code = self._process.exitcode or 0
        if code == -getattr(signal, "SIGKILL", 9):
            return "the system killed the process that worked on it (out of memory?)."
        return f"the process that worked on it ended ({f'signal {-code}' if code < 0 else f'code {code}'})."

    def dismiss(self) -> None:
        """Ask it to clear up and end. Nobody hears what comes of its item."""
        with suppress(OSError):  # it has ended
            self.connection.send(None)
        self.connection.close()

    def end(self, until: float) -> None:
        """Wait for its end; from then on, end its work."""
        self._process.join(max(0.0, until - time.monotonic()))
        self._process.terminate()
        self._process.join(END)
        self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()


def _serve(
    connection: Connection[R | str, I | None],
    other_end: Connection[I | None, R | str],
    start: Callable[[], AbstractContextManager[Callable[[I], R]]],
) -> None:
    """The life of a process: it is given an item, and answers, until it is given None."""
    other_end.close()  # a fork has both ends, and would wait for ever for one that it holds itself
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that gives out the work
    with suppress(OutOfTimeError), ExitStack() as stack:
        signal.signal(signal.SIGTERM, _stop)
        try:
            limit_memory()
            work = stack.enter_context(start())
        except OutOfTimeError:
            raise
        except Exception as error:
            _answer(connection, faults.sentence(error, "the start of a process"))
            return
        _answer(connection, READY)
        try:
            for item in _given(connection):
                _answer(connection, work(item))
        except OutOfTimeError:
            raise
        except (
            BaseException
        ) as error:  # no item may get this far: its process is lost, and that is said
            faults.sentence(error, "a process")
            sys.exit(1)


def _answer(connection: Connection[R | str, I | None], said: R | str) -> None:
    """Send what came of it, to one who may have stopped listening."""
    with suppress(OSError):
        connection.send(said)


def _given(connection: Connection[R | str, I | None]) -> Iterator[I]:
    """Item after item, until there is no more, or the one that gives them out is gone."""
    with suppress(EOFError, OSError):
        while (item := connection.recv()) is not None:
            yield item


def _stop(signal_number: int, frame: FrameType | None) -> None:
    """End the work as if its time were over: with the git that it has started, and with its lock taken away."""
    raise OutOfTimeError("it was stopped.")


def limit_memory() -> None:
    """No project may take the machine's memory."""
    if sys.platform == "linux":
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        if soft == resource.RLIM_INFINITY or soft > taken + MEMORY:
            resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, hard))
