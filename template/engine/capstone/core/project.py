"""Where the project is, and what the student's package is called."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from capstone.core.errors import CapstoneError

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
