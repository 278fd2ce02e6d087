"""Standard output and standard error, so that neither a closed pipe nor a poor terminal ends a command."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast

NOBODY_READS = (errno.EPIPE, errno.EINVAL)  # EINVAL is what Windows says


class LastingStream:
    """A stream that may break, on a full disk or as in `capstone run | head -1`: the work goes on unseen."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lost = ""  # why something could not be written that somebody wanted to read

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write, or drop the text where that is impossible."""
        try:
            return self.stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Send on what is kept, or drop it."""
        try:
            self.stream.flush()
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Stay open: a student's file may close what it prints on, and the command has more to say."""

    def _give_up(self, error: OSError) -> None:
        """Write into nothing from now on, what is still kept included: Python would complain of it at its end."""
        if error.errno not in NOBODY_READS:
            self.lost = error.strerror or type(error).__name__
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())
        except (OSError, ValueError):
            self.stream = io.StringIO()


@contextmanager
def lasting_streams() -> Iterator[LastingStream]:
    """Print through a LastingStream meanwhile; letters that a terminal doesn't know become escapes.

    Yields
    ------
    LastingStream
        Standard output.
    """
    out, err = (LastingStream(_usable(stream)) for stream in (sys.stdout, sys.stderr))
    with redirect_stdout(cast(TextIO, out)), redirect_stderr(cast(TextIO, err)):
        try:
            yield out
        finally:
            out.flush()
            err.flush()


def _usable(stream: TextIO | None) -> TextIO:
    """The stream as Python has opened it. There is none where the shell has closed it (`>&-`)."""
    if stream is None:
        return io.StringIO()
    if isinstance(stream, io.TextIOWrapper):
        # A Windows terminal may know fewer characters than a column name holds.
        stream.reconfigure(errors="backslashreplace")
    return stream
