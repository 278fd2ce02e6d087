"""Faults: what went wrong, in words. What nobody foresaw is a fault of cohort; its traceback goes into a file."""

from __future__ import annotations

import os
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path

from cohort.errors import CohortError
from cohort.text import visible_lines, visible_text

LOG = "errors.log"
LARGEST_LOG = 4 << 20
LONGEST = 1_000  # characters of a sentence
_log: Path | None = None  # of the class that is worked on


def keep_log_in(cache: Path) -> None:
    """From now on, tracebacks are kept in this folder."""
    global _log
    _log = cache / LOG


def sentence(error: BaseException, about: str) -> str:
    """Say what went wrong with a student's project, or with a command."""
    if isinstance(error, CohortError):
        return str(error)[:LONGEST]
    if isinstance(error, MemoryError):
        return "it needs too much memory."
    if isinstance(error, RecursionError):
        return "it is nested too deeply."
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename is not None else ""
        return f"{error.strerror or _kind(error)}{where}"[:LONGEST]
    kept = _keep(error, about)
    return f"this is a bug in cohort ({_kind(error)}); {kept}."


def _kind(error: BaseException) -> str:
    """The class of an error, and its own words if it has any."""
    words = ""
    with suppress(Exception):  # the words of an error may fail too
        words = visible_text(str(error))[:300]
    name = type(error).__name__
    return f"{name}: {words}" if words else name


def _keep(error: BaseException, about: str) -> str:
    """Write the traceback down; says where."""
    try:
        path = _log or _fresh_log()
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(traceback.format_exception(error))
        when = time.strftime("%Y-%m-%d %H:%M:%S")
        entry = f"{when}, {about}\n{lines}\n"
        full = path.exists() and path.stat().st_size > LARGEST_LOG
        with path.open("w" if full else "a", encoding="utf-8") as file:
            file.write(visible_lines(entry))
    except Exception as failed:  # a full disk, or no memory left: the sentence is still said
        return f"its traceback could not be saved ({type(failed).__name__})"
    return f"its traceback is in {path}"


def _fresh_log() -> Path:
    """A file of its own, for a fault before any class was read."""
    handle, path = tempfile.mkstemp(prefix="cohort-", suffix=".log")
    os.close(handle)
    return Path(path)
