"""The one door to the student's code: whatever a file of theirs does is told in one sentence, with file and line.

What no door can hold: a loop without end, `os._exit()`, and a crash of the interpreter itself.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import iscoroutinefunction
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Any, TextIO

from capstone.core.errors import CapstoneError, did_you_mean, is_out_of_memory
from capstone.core.project import FILE_NAME, package_name

LONGEST_MESSAGE = 300
Get = Callable[[], Any]
Put = Callable[[Any], object]


def load_module(root: Path, name: str) -> ModuleType:
    """Import a file of the student's package.

    Parameters
    ----------
    root : Path
        The project's folder.
    name : str
        The file's name without its ending, such as "features".

    Returns
    -------
    ModuleType
        The imported file.

    Raises
    ------
    CapstoneError
        When it can't be found or is no UTF-8, or fails while it is imported: with its file and line.
    """
    package = package_name(root)
    place = f"src/{package}/{name}.py"
    with student_code(place):
        try:
            _check_text(importlib.util.find_spec(f"{package}.{name}"), place)
            return importlib.import_module(f"{package}.{name}")
        except ModuleNotFoundError as error:
            if error.name not in (package, f"{package}.{name}"):
                raise
            raise CapstoneError(
                f"{place} can't be found: is the project installed "
                '(uv sync, or pip install -e ".[dev]")?'
            ) from error


def load_attribute(root: Path, module: str, name: str) -> Any:
    """A function or class of the student's package, e.g. `clean` of features.py."""
    loaded, place = load_module(root, module), f"src/{package_name(root)}/{module}.py"
    with student_code(place):
        attribute = getattr(loaded, name, None)
        names = [other for other, value in vars(loaded).items() if callable(value)]
    if attribute is None:
        near = did_you_mean(name, names) if name not in names else ""
        hint = near if near.startswith("; did") else ": put it back."
        raise CapstoneError(f"{place} has no {name}(){hint}")
    if not callable(attribute):
        raise CapstoneError(f"{place}: {name} is {described(attribute)}, not a function.")
    if iscoroutinefunction(attribute):
        raise CapstoneError(
            f"{place}: {name}() is an `async def`, which nobody waits for: write `def`."
        )
    return attribute


def features_sha256(root: Path) -> str:
    """SHA-256 of the student's features.py, whatever its line ends: a service tells when it has changed."""
    content = Path(str(load_module(root, "features").__file__)).read_bytes()
    return hashlib.sha256(content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).hexdigest()


def call_student(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a student's function; an error in it becomes one sentence with its file and line."""
    with student_code(f"{getattr(function, '__name__', type(function).__name__)}()", function):
        return function(*args, **kwargs)


@contextmanager
def student_code(place: str = "", function: object = None) -> Iterator[None]:
    """The door: run a block that is the student's code, or that calls it somewhere within.

    Every error in it, and `sys.exit()`, becomes one sentence. What the block changed for the whole process, such as the
    working directory, is put back.

    Parameters
    ----------
    place : str
        What is named where no line of the student's is to blame. "" means that the block is ours, and calls the
        student's code somewhere: then only what passes through a line of the student's becomes a sentence.
    function : object
        The function or class of the student's that is called, if it is one: where it begins is the line to blame for
        an error before its first line, such as of a parameter too few.

    Raises
    ------
    CapstoneError
        For any error but Ctrl-C.
    """
    surroundings = _surroundings() if place else []
    try:
        yield
    except (CapstoneError, KeyboardInterrupt):
        raise
    except BaseException as error:
        line = _line_to_blame(error) or _beginning(function)
        # Memory that is too small is a matter for whoever took the step, but for a line that asks for too much.
        if not (line and place) and (not (line or place) or is_out_of_memory(error)):
            raise
        raise CapstoneError(_sentence(error, line or place, place)) from error
    finally:
        _put_back(surroundings)


def described(value: object) -> str:
    """What somebody's function returned, in words: "nothing", "a list", 'the text "red"'."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f'the text "{value[:40]}"'
    kind = type(value)
    package = kind.__module__.partition(".")[0]
    name = kind.__name__ if package in ("builtins", "pandas") else f"{package}.{kind.__name__}"
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _check_text(spec: importlib.machinery.ModuleSpec | None, place: str) -> None:
    """Python may read a file in another encoding, or find no line to blame; nobody else could read it."""
    if spec is None or spec.origin is None or spec.name in sys.modules:
        return
    content = Path(spec.origin).read_bytes()
    try:
        wrong = content.index(b"\0") if b"\0" in content else -1
        content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wrong = error.start
    if wrong >= 0:
        line = content.count(b"\n", 0, wrong) + 1
        raise CapstoneError(
            f"{place}, line {line}: the file is no text in UTF-8 (byte 0x{content[wrong]:02x}): save it again, "
            'with the encoding "UTF-8".'
        )


def _sentence(error: BaseException, line: str, place: str) -> str:
    """What went wrong, where, and as far as it can be known what to do."""
    if isinstance(error, SystemExit):
        return (
            f"{line}: ends the program with sys.exit(), exit() or quit(): take it out, or `raise "
            'ValueError("...")` with a reason.'
        )
    if isinstance(error, RecursionError):
        return (
            f"{line}: calls itself without end (RecursionError): give it a case in which it stops."
        )
    try:
        message = " ".join(str(error).split())[:LONGEST_MESSAGE]
    except Exception:  # an error class of the student's own
        message = ""
    name = type(error).__name__
    told = f"{line}: {name}: {message}" if message else f"{line}: {name}"
    where = f"in {place}; " if place and place not in line else ""
    return f"{told} ({where}--traceback shows the whole story)."


def _line_to_blame(error: BaseException) -> str:
    """The deepest line of the student's that the error passed through; "" when there is none."""
    if isinstance(error, SyntaxError) and (file := _students_file(error.filename or "")):
        return f"{file}, line {error.lineno or 1}"
    lines = [
        f"{file}, line {number}"
        for frame, number in walk_tb(error.__traceback__)
        if (file := _students_file(frame.f_code.co_filename))
    ]
    return lines[-1] if lines else ""


def _beginning(function: object) -> str:
    """The line on which a student's function begins, or the __init__ of a class; "" where it is not known."""
    code = getattr(function, "__code__", None) or getattr(
        getattr(function, "__init__", None), "__code__", None
    )
    if code is None or not (file := _students_file(code.co_filename)):
        return ""
    return f"{file}, line {code.co_firstlineno}"


def _students_file(name: str) -> str:
    """The path of a student's file within its project; "" for any other."""
    path = Path(name)
    for folder in path.parents:
        if folder.name == "src" and (folder.parent / FILE_NAME).is_file():
            return path.relative_to(folder.parent).as_posix()
    return ""


def _surroundings() -> list[tuple[Get, Put, Any]]:
    """What belongs to the whole process: how to look at it, how to change it, and how it is now."""
    both: list[tuple[Get, Put]] = [
        (_folder, os.chdir),
        (sys.getrecursionlimit, sys.setrecursionlimit),
        (lambda: warnings.filters[:], _set_filters),
        (lambda: (sys.stdout, sys.stderr), _set_streams),
    ]
    # Where one of these has not been imported, nothing of ours depends on it. (This room does without torch.)
    if numpy := sys.modules.get("numpy"):
        both.append((numpy.geterr, lambda how: numpy.seterr(**how)))
    if torch := sys.modules.get("torch"):
        both += [
            (torch.is_grad_enabled, torch.set_grad_enabled),
            (torch.get_default_dtype, torch.set_default_dtype),
            (torch.get_default_device, torch.set_default_device),
        ]
    return [(get, put, get()) for get, put in both]


def _put_back(surroundings: list[tuple[Get, Put, Any]]) -> None:
    for get, put, before in surroundings:
        if get() != before:
            put(before)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it is gone
        return os.curdir


def _set_filters(filters: list[Any]) -> None:
    warnings.resetwarnings()
    warnings.filters[:] = filters  # type: ignore[index]


def _set_streams(streams: tuple[TextIO, TextIO]) -> None:
    sys.stdout, sys.stderr = streams
