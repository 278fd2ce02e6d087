"""The one error for everything that a user can mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class CapstoneError(Exception):
    """What a user can mend. Its text is one sentence: what is wrong, where, and what to do.

    A command that raises it prints that sentence and ends with exit code 2.
    """


class Stopped(Exception):
    """Ctrl-C. Its text is the sentence on what is kept; a command that raises it ends with exit code 130."""


class TrainingDiverged(CapstoneError):
    """The loss is no longer a number: with other settings it may be one."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence on an unknown name: the nearest known one, or some that there are."""
    names = list(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if nearest:
        return f'; did you mean "{nearest[0]}"?'
    return f"; there are {short_list(names)}."


def short_list(names: Sequence[str], most: int = 8) -> str:
    """Names separated by commas; of a long list the first ones and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def first_line(error: BaseException) -> str:
    """What an error says, without its further lines."""
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


def too_little_memory(what: str, remedy: str, memory: str = "Memory") -> CapstoneError:
    """The one sentence on it, whether it was found out before or while memory was taken."""
    return CapstoneError(f"{memory} is too small for {what}: {remedy}.")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was short. Of a graphics card torch has an error of its own, of the processor none."""
    if not isinstance(error, RuntimeError):
        return isinstance(error, MemoryError)
    message = str(error)
    return "out of memory" in message or "DefaultCPUAllocator" in message
