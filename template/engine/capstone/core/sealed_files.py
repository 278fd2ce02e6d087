"""The files of a run: each is read once, whole, and used only if it is the one that the run wrote.

run.json holds the SHA-256 of every other file. The bytes that are hashed are the bytes that are used, so that nobody
can change a file between the two.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from capstone.core.errors import CapstoneError

INFO = "run.json"
LARGEST = 2 * 2**30  # bytes of any file: a graph can't hold more
LARGEST_ALONE = 4 * 2**20  # bytes of a file whose SHA-256 nobody knows, such as run.json itself
# What release 0.1.0 hashed. Its runs are read all the same, and `capstone check` says how they differ.
HASHED_BEFORE = {"model.onnx", "serving.json", "schema.json"}
# Pages, which are made from the other files and never read back, so that they may be made anew.
PAGES = ("report.html",)

FileName = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]  # in this folder, and in no other
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Form(BaseModel):
    """What a JSON file of a run has to hold: types are exact, and further keys are nobody's business."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False, frozen=True)


Made = TypeVar("Made", bound=Form)
_HASHES = TypeAdapter(dict[FileName, Sha256], config=ConfigDict(strict=True))


class Unreadable(Exception):
    """Why a file can't be read, in words that follow its name: "is missing"."""


def read_file(path: Path, most: int = LARGEST) -> bytes:
    """The content of a plain file. Nothing else is opened: a pipe would be waited for, a link leads elsewhere.

    Parameters
    ----------
    path : Path
        The file.
    most : int
        Bytes that it may have.

    Returns
    -------
    bytes
        All of it; it is not empty.

    Raises
    ------
    Unreadable
        With the reason.
    """
    waits_for_nobody = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        _check_plain(path.lstat(), most)
        descriptor = os.open(path, os.O_RDONLY | waits_for_nobody | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)  # of what was opened, should it have been replaced since
            _check_plain(status, most)
            content = file.read(status.st_size)
    except FileNotFoundError:
        raise Unreadable("is missing") from None
    except OSError as error:
        raise Unreadable(f"can't be read ({error.strerror or error})") from None
    except MemoryError:
        raise Unreadable("is too large for the memory of this machine") from None
    if len(content) != status.st_size:
        raise Unreadable("was changed while it was read")
    return content


def _check_plain(status: os.stat_result, most: int) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise Unreadable("is a link, not a file of its own")
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("is a folder" if stat.S_ISDIR(status.st_mode) else "is no plain file")
    if status.st_size == 0:
        raise Unreadable("is empty")
    if status.st_size > most:
        raise Unreadable(f"is too large: {status.st_size:,} bytes, where {most:,} are the most")


def parse_json(content: bytes) -> dict[str, Any]:
    """A JSON object. Raises Unreadable for anything that Python would take but JSON does not know."""
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=_without_repetition)
        # NaN, 1e999, half a surrogate pair: what can't be written as JSON was none.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except RecursionError:
        raise Unreadable("is nested too deeply") from None
    except UnicodeError:
        raise Unreadable("is not UTF-8 text") from None
    except ValueError as error:
        raise Unreadable(f"is not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise Unreadable("holds no JSON object")
    return value


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key is there twice")
    return value


def check_form(form: type[Made], value: dict[str, Any]) -> Made:
    """The object as its form has it. Raises Unreadable, which names the key that doesn't fit."""
    try:
        return form.model_validate(value)
    except ValidationError as error:
        raise Unreadable(describe_problem(error)) from None


def describe_problem(error: ValidationError) -> str:
    """The first thing that doesn't fit a form, in words that follow the file's name."""
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])[:80]
    if problem["type"] == "missing":
        return f'does not say "{place}"'
    message = problem["msg"].removeprefix("Value error, ")[:160]
    if not place:
        return f"does not agree with itself ({message})"
    return f'has another "{place}" than a run writes ({message[:1].lower()}{message[1:]})'


@dataclass(frozen=True)
class SealedFiles:
    """The files of a run's folder, by name.

    Parameters
    ----------
    folder : Path
        The run's folder.
    info : dict
        The content of run.json.
    content : bytes
        The same as it lies on disk; nothing before it is written.
    """

    folder: Path
    info: dict[str, Any]
    content: bytes = b""

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read run.json. Raises CapstoneError where it does not hold the SHA-256 of the run's files."""
        try:
            content = read_file(folder / INFO, LARGEST_ALONE)
            info = parse_json(content)
            if "files" not in info:
                raise Unreadable('does not say "files"')
            _HASHES.validate_python(info["files"])
        except Unreadable as error:
            raise unusable(folder, INFO, str(error)) from None
        except ValidationError as error:
            raise unusable(folder, INFO, f'"files" {describe_problem(error)}') from None
        return cls(folder, info, content)

    @property
    def sha256(self) -> str:
        """The SHA-256 of run.json, which stands for all files that it names."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of each file, by name."""
        return self.info["files"]

    @property
    def all_hashed(self) -> bool:
        """Whether run.json knows every file; release 0.1.0 hashed three."""
        return set(self.hashes) != HASHED_BEFORE

    def read(self, name: str) -> bytes:
        """The content of a file that the run wrote.

        Raises
        ------
        CapstoneError
            When it is missing, no plain file, or not the one that the run wrote.
        """
        if name not in self.hashes and self.all_hashed:
            raise self.unusable(INFO, f'holds no SHA-256 of "{name}"')
        try:
            content = read_file(self.folder / name)
        except Unreadable as error:
            raise self.unusable(name, str(error)) from None
        if self.hashes.get(name) not in (None, hashlib.sha256(content).hexdigest()):
            raise self.unusable(
                name, "is not the file that the run wrote (its SHA-256 is not the one in run.json)"
            )
        return content

    def read_text(self, name: str) -> str:
        """The same of a text. Raises CapstoneError."""
        try:
            return self.read(name).decode("utf-8")
        except UnicodeDecodeError:
            raise self.unusable(name, "is not UTF-8 text") from None

    def read_json(self, name: str, form: type[Form]) -> dict[str, Any]:
        """The same of a JSON object, after a look at whether it has the form. Raises CapstoneError."""
        content = self.read(name)
        try:
            value = parse_json(content)
            check_form(form, value)
        except Unreadable as error:
            raise self.unusable(name, str(error)) from None
        return value

    def check(self) -> None:
        """Read every file whose SHA-256 is known, pages aside. Raises CapstoneError."""
        for name in self.hashes:
            if name not in PAGES:
                self.read(name)

    def unusable(self, name: str, what: str) -> CapstoneError:
        """The one sentence on a file of the run that can't be used."""
        return unusable(self.folder, name, what)


def unusable(folder: Path, name: str, what: str) -> CapstoneError:
    """The one sentence on a file of a run that can't be used."""
    return CapstoneError(
        f"The run in {folder} can't be used: {name} {what}; "
        "name another run, or make a new one with `capstone run`."
    )


def hash_files(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file of a run that is being written, but of run.json, which holds them."""
    hashes = {}
    for path in sorted(folder.iterdir()):
        if path.name != INFO:
            with path.open("rb") as file:
                hashes[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes
