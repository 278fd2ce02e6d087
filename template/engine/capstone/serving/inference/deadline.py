"""A deadline for long work: nothing can stop a thread from outside, so it looks at the clock between its steps."""

from __future__ import annotations

import math
import time
from contextvars import ContextVar

DEADLINE: ContextVar[float] = ContextVar("deadline", default=math.inf)  # of time.monotonic()


class DeadlinePassed(Exception):
    """Nobody waits for the result any more."""


def check_deadline() -> None:
    """Raise DeadlinePassed after the deadline of this request."""
    if time.monotonic() > DEADLINE.get():
        raise DeadlinePassed
