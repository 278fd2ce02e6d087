"""Where the project is, and the student's own functions in it."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import tomllib
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from capstone.core.errors import CapstoneError
from capstone.core.settings_file import FILE_NAME

if TYPE_CHECKING:  # a service that needs no pandas imports this room too
    import pandas as pd

    from capstone.core.settings import Data


def find_root(start: Path | None = None) -> Path:
    """The project's folder: the nearest one upwards that holds capstone.toml.

    It is given relative to the current folder, so that messages name short paths.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return Path(os.path.relpath(folder))
    raise CapstoneError(
        f"No {FILE_NAME} in {start} or above it: change into your project's folder first."
    )


def package_name(root: Path) -> str:
    """The student's package, as pyproject.toml names it: `[tool.capstone] package = "..."`."""
    path = root / "pyproject.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))["tool"]["capstone"]["package"]
    except OSError as error:
        raise CapstoneError(f"{path} can't be read: {error.strerror}.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CapstoneError(f"{path} is not valid TOML: {error}.") from None
    except (KeyError, TypeError):
        raise CapstoneError(
            f'{path} names no package: add [tool.capstone] package = "...".'
        ) from None


def load_module(root: Path, name: str) -> ModuleType:
    """Import a file of the student's package, e.g. "features"."""
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
    found = getattr(load_module(root, module), name, None)
    if not callable(found):
        raise CapstoneError(f"src/{package_name(root)}/{module}.py has no {name}(): put it back.")
    return found


def call_student(function: Callable[..., Any], root: Path, *args: Any, **kwargs: Any) -> Any:
    """Call a student's function; an error in it becomes one sentence with its file and line."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        name = getattr(function, "__name__", type(function).__name__)
        raise _student_error(error, root, f"{name}()") from error


def apply_step(
    name: str,
    table: pd.DataFrame,
    root: Path,
    target: str = "",
    function: Callable[..., Any] | None = None,
    may_be_empty: bool = False,
) -> tuple[pd.DataFrame, list[str]]:
    """Run the student's `clean` or `engineer` and check what comes back.

    function  that step as it was imported, where a later change of the file must not count

    Returns the new table, and what changed: rows lost, columns gone or new, a target that changed.
    Raises CapstoneError for what can't be used.
    """
    import pandas as pd

    place = f"{name}() in src/{package_name(root)}/features.py"
    function = function or load_attribute(root, "features", name)
    result = call_student(function, root, table.copy())
    if not isinstance(result, pd.DataFrame):
        hint = ": did you forget `return table`?" if result is None else "."
        raise CapstoneError(f"{place} returned {type(result).__name__}, not a table{hint}")
    if result.index.name != "row" or not result.index.isin(table.index).all():
        raise CapstoneError(
            f"{place} changed the row numbers: leave the index as it is "
            "(no reset_index; use table.join instead of merge)."
        )
    if not result.index.is_unique:
        raise CapstoneError(f"{place} made rows appear twice: it may drop rows but not add any.")
    if not result.columns.is_unique:
        repeated = result.columns[result.columns.duplicated()][0]
        raise CapstoneError(f'{place} returned two columns called "{repeated}".')
    if target and target not in result:
        raise CapstoneError(
            f'{place} lost the target column "{target}": return it with the others.'
        )
    if result.empty and not may_be_empty:
        raise CapstoneError(f"{place} returned no rows.")
    return result, _changes(table, result, target)


def clean_table(
    raw: pd.DataFrame, root: Path, data: Data, may_be_empty: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """The table after the student's clean(), without rows that repeat an earlier one if [data] drop_copies says so."""
    table, changes = apply_step("clean", raw, root, data.target, may_be_empty=may_be_empty)
    copies = table.duplicated() if data.drop_copies else table.index < 0
    if copies.any():
        changes.append(f"{copies.sum():,} of {len(table):,} rows dropped as copies of others")
    return table[~copies], changes


def _changes(before: pd.DataFrame, after: pd.DataFrame, target: str) -> list[str]:
    lost = len(before) - len(after)
    gone = [str(name) for name in before if name not in after]
    new = [str(name) for name in after if name not in before]
    said = [f"{lost:,} of {len(before):,} rows dropped"] if lost else []
    said += [f"columns gone: {', '.join(gone)}"] if gone else []
    said += [f"new columns: {', '.join(new)}"] if new else []
    if target and not before.loc[after.index, target].equals(after[target]):
        said.append(f'TARGET "{target}" CHANGED (predictions will be of the changed one)')
    return said


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
