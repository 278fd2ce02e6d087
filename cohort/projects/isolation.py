"""Isolate each student: whatever goes wrong in a project stays there, and ends in time."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol, TypeVar

from cohort import faults
from cohort.classroom.outcome import ERROR, REFUSED
from cohort.errors import RefusedError

SECONDS = 60.0  # for one student, in one command
AGAIN = 5.0  # seconds until work that did not end is told so again
R = TypeVar("R")
S = TypeVar("S")
R_co = TypeVar("R_co", covariant=True)


class Failed(Protocol[R_co]):
    """The result for a student if something went wrong: an Outcome, a Standing, a Row."""

    def __call__(self, student: str, state: str, /, *, message: str) -> R_co: ...


class OutOfTimeError(BaseException):
    """The time is up. Not an Exception, so that no handler on the way up takes it for one it can handle."""


def isolated(
    student: str, work: Callable[[], R], failed: Failed[S], seconds: float | None = None
) -> R | S:
    """Work on one student's project. Any error except Ctrl-C becomes that student's result."""
    try:
        with at_most(SECONDS if seconds is None else seconds):
            return work()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        state, message = failure(error, student)
        return failed(student, state, message=message)


def failure(error: BaseException, student: str) -> tuple[str, str]:
    """Return the state and the sentence for an error."""
    if isinstance(error, OutOfTimeError):
        return ERROR, str(error)
    unsafe = isinstance(error, RefusedError | MemoryError | RecursionError)
    return (REFUSED if unsafe else ERROR), faults.sentence(error, student)


def too_slow(seconds: float) -> str:
    """Return the sentence about work that was stopped."""
    return f"it took more than {seconds:g} seconds."


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Stop the work after this many seconds, where the system can: in the main thread, and not on Windows.

    The pool (`cohort.projects.pool`) ends what this can't.
    """
    alarm = hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()
    if not alarm:
        yield
        return

    def stop(signal_number: int, frame: FrameType | None) -> None:
        raise OutOfTimeError(too_slow(seconds))

    earlier = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
