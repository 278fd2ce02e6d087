"""Standard output and standard error, so that neither a closed pipe nor a poor terminal ends a command."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast

from capstone.core.errors import CapstoneError

NOBODY_READS = (errno.EPIPE, errno.EINVAL)  # EINVAL is what Windows says


class LastingStream:
    """A stream whose reader may go away, as in `capstone run | head -1`: the rest is not shown, the work goes on."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Write into nothing from now on, what is still kept included: Python would complain of it at its end."""
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())
        except (OSError, ValueError):
            self.stream = io.StringIO()
        if error.errno not in NOBODY_READS:
            raise CapstoneError(
                f"What is printed can't be written ({error.strerror}): free some space, or print to a terminal."
            ) from None


@contextmanager
def lasting_streams() -> Iterator[None]:
    """What is printed meanwhile goes through a LastingStream; letters that a terminal doesn't know become escapes."""
    out, err = (LastingStream(_usable(stream)) for stream in (sys.stdout, sys.stderr))
    with redirect_stdout(cast(TextIO, out)), redirect_stderr(cast(TextIO, err)):
        try:
            yield
        finally:
            err.flush()
            out.flush()


def _usable(stream: TextIO | None) -> TextIO:
    """The stream as Python has opened it. There is none where the shell has closed it (`>&-`)."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if isinstance(stream, io.TextIOWrapper):
        # A Windows terminal may know fewer characters than a column name holds.
        stream.reconfigure(errors="backslashreplace")
    return stream
