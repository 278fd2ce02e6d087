"""Where the project is, and the student's own functions in it."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from capstone.core.errors import CapstoneError
from capstone.core.toml import read_toml

FILE_NAME = "capstone.toml"


def find_root(start: Path | None = None) -> Path:
    """The project's folder: the nearest one upwards that holds capstone.toml.

    Parameters
    ----------
    start : Path, optional
        Where to begin; the current folder when it is None.

    Returns
    -------
    Path
        Relative to the current folder, so that messages name short paths.

    Raises
    ------
    CapstoneError
        When there is no capstone.toml.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).exists():  # that it is a readable file is asked where it is read
            return Path(os.path.relpath(folder))
    raise CapstoneError(
        f"No {FILE_NAME} in {start} or above it: change into your project's folder first."
    )


def package_name(root: Path) -> str:
    """The student's package, as pyproject.toml names it: `[tool.capstone] package = "..."`."""
    path = root / "pyproject.toml"
    values, _ = read_toml(path, "put it back, for it names your package")
    try:
        package = values["tool"]["capstone"]["package"]
    except (KeyError, TypeError):
        package = None
    if not isinstance(package, str) or not package.isidentifier():
        raise CapstoneError(f'{path} names no package: add [tool.capstone] package = "...".')
    return package


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
        When it can't be found, or fails while it is imported: with its file and line.
    """
    package = package_name(root)
    try:
        return importlib.import_module(f"{package}.{name}")
    except ModuleNotFoundError as error:
        if error.name in (package, f"{package}.{name}"):
            raise CapstoneError(
                f"src/{package}/{name}.py can't be found: is the project installed "
                '(uv sync, or pip install -e ".[dev]")?'
            ) from None
        raise _student_error(error, root, f"src/{package}/{name}.py") from error
    except Exception as error:  # a student's file may fail in any way while it is imported
        raise _student_error(error, root, f"src/{package}/{name}.py") from error


def features_sha256(root: Path) -> str:
    """SHA-256 of the student's features.py, whatever its line ends: a service tells when it has changed."""
    path = Path(str(load_module(root, "features").__file__))
    return hashlib.sha256(path.read_text(encoding="utf-8").encode()).hexdigest()


def load_attribute(root: Path, module: str, name: str) -> Any:
    """A function or class of the student's package, e.g. `clean` of features.py."""
    attribute = getattr(load_module(root, module), name, None)
    if not callable(attribute):
        raise CapstoneError(f"src/{package_name(root)}/{module}.py has no {name}(): put it back.")
    return attribute


def call_student(function: Callable[..., Any], root: Path, *args: Any, **kwargs: Any) -> Any:
    """Call a student's function; an error in it becomes one sentence with its file and line."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        name = getattr(function, "__name__", type(function).__name__)
        raise _student_error(error, root, f"{name}()") from error


def _student_error(error: Exception, root: Path, where: str) -> CapstoneError:
    """One sentence for an error in the student's code, with the deepest line that is the student's."""
    root = root.resolve()
    source = root / "src" / package_name(root)
    lines = [
        f"{Path(frame.filename).relative_to(root).as_posix()}, line {frame.lineno}"
        for frame in traceback.extract_tb(sys.exc_info()[2])
        if Path(frame.filename).is_relative_to(source)
    ]
    if isinstance(error, SyntaxError) and error.filename:
        lines = [f"{Path(error.filename).name}, line {error.lineno}"]
    place = lines[-1] if lines else where
    message = " ".join(str(error).split())[:300]
    return CapstoneError(
        f"{place}: {type(error).__name__}: {message} (in {where}; --traceback shows the whole story)."
    )
