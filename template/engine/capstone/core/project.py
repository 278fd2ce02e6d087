"""Where the project is, and what the student's package is called."""

from __future__ import annotations

import os
from pathlib import Path

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
