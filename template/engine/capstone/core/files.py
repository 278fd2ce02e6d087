"""Files written whole or not at all, the same bytes on every system."""

from __future__ import annotations

import json
import math
import os
import secrets
from pathlib import Path
from typing import Any, Protocol

PARTIAL = ".partial-"  # how the name of a file or folder begins that is not finished


class Table(Protocol):
    """What is asked of a pandas table here: a service that needs no pandas imports this file too."""

    def to_csv(self, *, index: bool, lineterminator: str) -> str: ...


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all.

    Parameters
    ----------
    path : Path
        The file; an older one is replaced at once.
    text : str
        Written as UTF-8, with line ends of one byte on every system.
    """
    partial = path.with_name(f"{PARTIAL}{path.name}-{secrets.token_hex(4)}")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


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


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
