"""The one place where files are written: whole or not at all, the same bytes on every system.

Whatever keeps a file from being written (a full disk, a folder that is read-only, a table that is open in
Excel) becomes one sentence here: which file, why, and what to do.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TextIO

from capstone.core.errors import CapstoneError

PARTIAL = ".partial-"  # how the name of a file or folder begins that is not finished
RANDOM = re.compile(re.escape(PARTIAL) + "[0-9a-f]{16}")  # such a name, as `partial_name` makes it
ONE_DAY = 24 * 60 * 60
AGAIN = "then run the command again"
# Seconds between tries to replace a file. On Windows a search index or a virus scanner may hold it for a moment.
PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4)
IN_USE = (32, 33)  # Windows: another program has the file open, or a part of it
TOO_LONG = 206  # Windows: the whole path
# What libraries that have errors of their own say: in Rust, of SQLite, and what git prints.
SAID = {
    "No space left on device": errno.ENOSPC,
    "database or disk is full": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "Read-only file system": errno.EROFS,
    "readonly database": errno.EROFS,
    "Permission denied": errno.EACCES,
    "unable to open database file": errno.EACCES,
    "database is locked": errno.EBUSY,
    "File name too long": errno.ENAMETOOLONG,
}


class CantWrite(CapstoneError):
    """A file can't be written: which one, and what the system says."""

    def __init__(self, sentence: str, path: Path, reason: OSError) -> None:
        super().__init__(sentence)
        self.path, self.reason = path, reason


class InUse(PermissionError):
    """A file can't be replaced, though its folder takes new ones."""


class Table(Protocol):
    """What is asked of a pandas table here: a service that needs no pandas imports this file too."""

    def to_csv(self, *, index: bool, lineterminator: str) -> str: ...


def write_bytes(path: Path, content: bytes | memoryview, durable: bool = False) -> None:
    """Write a file so that it is there whole or not at all.

    durable  also after a power cut: wait until the disk has it
    """
    with writing(path, durable) as partial:
        partial.write_bytes(content)


def write_text(path: Path, text: str, durable: bool = False) -> None:
    """Write a text file so that it is there whole or not at all."""
    write_bytes(path, text.encode(), durable)


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    value : object
        Dictionaries, lists and plain values; nan and infinity become null, for JSON has neither.
    """
    text = json.dumps(_without_nan(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_csv(path: Path, table: Table) -> None:
    """Write a table without its index, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    table : DataFrame
        Its cells are written as they are.
    """
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A text file to write bit by bit, which is there whole when the block ends well, or not at all."""
    with writing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        yield file


@contextmanager
def open_scratch(path: Path) -> Iterator[BinaryIO]:
    """A file to write at any place of it. It is not whole until its writer says so."""
    with told(path), path.open("r+b" if path.exists() else "w+b") as file:
        yield file


@contextmanager
def writing(path: Path, durable: bool = False) -> Iterator[Path]:
    """The name of a file to write, which becomes `path` when the block ends well and is removed when it doesn't.

    Parameters
    ----------
    path : Path
        The file. Its folder is made where it is missing.
    durable : bool
        Wait until the disk has it: where its loss in a power cut would mislead.

    Yields
    ------
    Path
        A name in the same folder.

    Raises
    ------
    CantWrite
        One sentence on whatever went wrong, with what a library in the block said of the disk.
    """
    partial = path.with_name(partial_name())
    with told(path, inside=partial):
        _check_is_file(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            if durable:
                _wait_for_disk(partial)
            _replace(partial, path)
            if durable:
                _wait_for_disk(path.parent)
        finally:
            remove(partial)
    remove_abandoned(path.parent, RANDOM)


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """As `writing`, for a folder. One that is there already is replaced."""
    partial = path.with_name(partial_name())
    with told(path, inside=partial):
        try:
            partial.mkdir(parents=True)
            yield partial
            finish_folder(partial, path)
        finally:
            remove(partial)
    remove_abandoned(path.parent, RANDOM)


def finish_folder(partial: Path, path: Path) -> None:
    """Give a folder its name once the disk has all of it."""
    for folder, _, names in os.walk(partial):
        for name in names:
            _wait_for_disk(Path(folder, name))
        _wait_for_disk(Path(folder))
    former = path.with_name(partial_name())
    if path.is_dir():
        _replace(path, former)
    try:
        _replace(partial, path)
    except OSError:
        if former.is_dir():
            _replace(former, path)
        raise
    remove(former)
    _wait_for_disk(path.parent)


def move(path: Path, target: Path) -> None:
    """Give a file or folder another name on the same disk."""
    with told(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, target)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder among the system's temporary files, removed at the end of the block."""
    place = Path(_temporary_place())
    with told(place, inside=place), tempfile.TemporaryDirectory() as name:
        yield Path(name)


def check_writable(path: Path) -> None:
    """Raise now what would keep `path` from being written after hours of work."""
    with told(path):
        _check_is_file(path)
        partial, is_new = path.with_name(partial_name()), not path.parent.exists()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.touch()
        finally:
            remove(partial)
            if is_new:  # what is refused later leaves nothing behind
                with suppress(OSError):
                    path.parent.rmdir()


@contextmanager
def told(path: Path, then: str = AGAIN, inside: Path | None = None) -> Iterator[None]:
    """Turn what keeps a file or folder from being written into the one sentence on it.

    Parameters
    ----------
    path : Path
        The file, or the folder that it stands for.
    then : str
        What to do when the disk is in order again.
    inside : Path, optional
        An unfinished folder: what is wrong with a file in it is told of `path`, which it is to become.

    Raises
    ------
    CantWrite
        For an OSError, and for another library's error that has one inside.
    """
    try:
        yield
    except CantWrite as error:
        if inside is None or not error.path.is_relative_to(inside):
            raise
        raise cant_write(path, error.reason, then) from error
    except (CapstoneError, BrokenPipeError):  # a pipe: whoever read what is printed has gone
        raise
    except Exception as error:
        reason = os_error_in(error)
        if reason is None:
            raise
        raise cant_write(path, reason, then) from error


@contextmanager
def database(path: Path, then: str = AGAIN) -> Iterator[None]:
    """For a library that keeps a database in a file: as `told`, and nothing is left of one that can't be begun."""
    check_writable(path)
    is_new = not path.exists()
    try:
        with told(path, then):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield
    except BaseException:
        if is_new:
            remove(path)
        raise


def cant_write(path: Path, reason: OSError, then: str = AGAIN) -> CantWrite:
    """The one sentence: what, where, why, and what to do."""
    why = reason.strerror or str(reason) or type(reason).__name__
    if isinstance(reason.filename, str) and not Path(reason.filename).is_relative_to(path.parent):
        why = f"{why}: {reason.filename}"
    sentence = f"{path} can't be written ({why}): {_remedy(path, reason)}, {then}."
    return CantWrite(sentence, path, reason)


def os_error_in(error: BaseException) -> OSError | None:
    """What the system said, where a library tells it in an error of its own; None when it is about something else."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            return cause
        if found := os_error_said(str(cause)):
            return found
        cause = cause.__cause__
    return None


def os_error_said(text: str) -> OSError | None:
    """What the system said, where it stands in what a library or a program has printed."""
    for words, number in SAID.items():
        if words in text:
            return OSError(number, os.strerror(number))
    return None


def partial_name() -> str:
    """A name that no other process takes, short enough wherever the final name is."""
    return f"{PARTIAL}{secrets.token_hex(8)}"


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there and can be removed."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)


def remove_abandoned(folder: Path, pattern: re.Pattern[str]) -> None:
    """Remove what commands that were killed have left in a folder a day ago or earlier."""
    with suppress(OSError):  # the folder itself is gone
        for path in folder.iterdir():
            if pattern.match(path.name):
                with suppress(OSError):  # another command has removed it meanwhile
                    if time.time() - path.lstat().st_mtime > ONE_DAY:
                        remove(path)


def _replace(partial: Path, path: Path) -> None:
    """os.replace, tried again for a moment where another program holds the file."""
    for pause in (*PAUSES, None):
        try:
            os.replace(partial, path)
            return
        except PermissionError as error:
            if pause is None:
                raise InUse(error.errno, "it is open in another program, or protected") from error
            time.sleep(pause)


def _wait_for_disk(path: Path) -> None:
    """Wait until the disk has a file, or a folder's list of names, where the system can tell."""
    if path.is_dir() and os.name == "nt":
        return
    # Windows flushes a file only for one who may write it.
    file = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # it can't be asked for
            raise
    finally:
        os.close(file)


def _check_is_file(path: Path) -> None:
    """Refuse to put a file in the place of anything else: a folder, a pipe, a link that leads elsewhere."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe"}
        kind = kinds.get(stat.S_IFMT(mode), "no plain file")
        raise OSError(errno.EEXIST, f"{kind} has that name")


def _remedy(path: Path, reason: OSError) -> str:
    """What to do about it."""
    windows = getattr(reason, "winerror", None)
    nearest = next((folder for folder in path.parents if os.path.lexists(folder)), path.parent)
    if isinstance(reason, InUse) or windows in IN_USE:
        return "close it there (a table is often open in Excel)"
    if not nearest.is_dir():
        return f"{nearest} is no folder: move it away"
    if reason.errno == errno.ENAMETOOLONG or windows == TOO_LONG:
        return "take a shorter name, or move the project to a folder with a shorter one"
    remedies = {
        errno.ENOSPC: "free some space",
        errno.EDQUOT: "delete some of your files, for your share of the disk is used up",
        errno.EROFS: f"move the project to a disk that can be written to, or make {nearest} writable",
        errno.EACCES: f"give yourself the right to write in {nearest}, or move the project",
        errno.EPERM: f"give yourself the right to write in {nearest}, or move the project",
        errno.EBUSY: "wait for the other program that uses it, or end it",
        errno.EEXIST: "move it away",
        errno.EISDIR: "move that folder away",
    }
    return remedies.get(reason.errno or 0, f"mend {nearest} or its disk")


def _temporary_place() -> str:
    """The system's folder for temporary files; a sentence where there is none that can be written."""
    try:
        return tempfile.gettempdir()
    except OSError as error:
        raise CapstoneError(
            f"There is no folder for temporary files ({error.strerror}): free some space, or name a folder by the "
            "environment variable TMPDIR."
        ) from error


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
