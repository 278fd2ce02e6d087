"""TOML read from a file that people edit: whatever is wrong with it is one sentence."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from capstone.core.errors import CapstoneError, first_line

LARGEST = 1_000_000  # bytes: what is larger is no settings file
KEY_PART, MOST_PARTS = re.compile(r"""\.\s*[\w"'-]"""), 500
DEEP = "its lists or tables lie too deep in one another"


def read_toml(path: Path, missing: str) -> tuple[dict[str, Any], str]:
    """A TOML file's values, and its text.

    Parameters
    ----------
    path : Path
        The file: UTF-8, with a byte-order mark or without.
    missing : str
        How to go on with "does not exist: ".

    Raises
    ------
    CapstoneError
        When there is no such file, or it is not valid TOML: with the place where reading stopped.
    """
    try:
        if path.exists() and not path.is_file():
            raise CapstoneError(f"{path} is no file: put the file of that name back.")
        if path.stat().st_size > LARGEST:
            raise CapstoneError(f"{path} is larger than 1 MB: put the file that it was back.")
        text = path.read_text(encoding="utf-8-sig")  # Windows editors may write a byte-order mark
    except FileNotFoundError:
        raise CapstoneError(f"{path} does not exist: {missing}.") from None
    except UnicodeDecodeError as error:
        raise CapstoneError(
            f"{path} is not UTF-8 text ({error.reason}): save it as UTF-8."
        ) from None
    except OSError as error:
        raise CapstoneError(f"{path} can't be read: {error.strerror}.") from None
    try:
        return parse_toml(text), text
    except ValueError as error:
        raise CapstoneError(f"{path} is not valid TOML: {error}.") from None


def parse_toml(text: str) -> dict[str, Any]:
    """The values in TOML text. Raises ValueError, with one line that says why, when it is not valid."""
    # For a key of thousands of parts Python's own parser takes minutes.
    if any(len(KEY_PART.findall(piece)) > MOST_PARTS for piece in re.split("[,=\n]", text)):
        raise ValueError(DEEP)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(DEEP) from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(first_line(error)) from None
    except (ValueError, OverflowError):  # a number with more digits than Python turns into one
        raise ValueError("it holds a number or a date that is far too large") from None
