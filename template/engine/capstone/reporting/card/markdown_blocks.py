"""Markdown that a person and a run write together: a run fills the marked blocks, and nothing else.

A block begins with the line `<!-- capstone: NAME -->` and ends with `<!-- /capstone: NAME -->`. In YAML
the same lines begin with `#`. Every byte outside the blocks is the student's and stays as it is.
"""

from __future__ import annotations

import re
from pathlib import Path

from capstone.core.errors import CapstoneError, did_you_mean
from capstone.core.text import cell_text, cut, printable

LONGEST_CELL = 200  # characters of a name or value
TODO = "[More Information Needed]"
MARKER = re.compile(
    r"^[ \t]*(?:<!--|#)[ \t]*(?P<end>/?)capstone:[ \t]*(?P<name>[\w-]+)[ \t]*(?:-->)?[ \t]*\r?$",
    re.MULTILINE,
)
FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1`*~*[ \t]*\r?$", re.MULTILINE | re.DOTALL)


def read_document(path: Path) -> str:
    """The text of a document, its line ends as they are."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise CapstoneError(
            f"{path} does not exist: bring it back with `git checkout HEAD -- {path.as_posix()}`, "
            "or `copier update`."
        ) from None
    except UnicodeDecodeError:
        raise CapstoneError(f"{path} is not UTF-8 text: save it as UTF-8.") from None
    except OSError as error:
        raise CapstoneError(f"{path} can't be read: {error.strerror}.") from None


def blocks(text: str, path: Path) -> dict[str, tuple[int, int]]:
    """Where each block's contents begin and end in the text.

    Raises CapstoneError when a marker was deleted, doubled or moved into another block.
    """
    places: dict[str, tuple[int, int]] = {}
    opened: re.Match[str] | None = None
    for marker in MARKER.finditer(text):
        name, line = marker["name"], _line(text, marker.start())
        if not marker["end"] and opened:
            raise CapstoneError(f"{path}, {_unclosed(text, opened)} before line {line}.")
        if not marker["end"] and name in places:
            raise CapstoneError(
                f'{path}, line {line}: the block "{name}" is there twice: delete one of the two, '
                "with both of its markers."
            )
        if not marker["end"]:
            opened = marker
            continue
        if not opened or opened["name"] != name:
            raise CapstoneError(
                f'{path}, line {line}: the block "{name}" ends but does not begin: put the line '
                f"`<!-- capstone: {name} -->` back above it, or delete this one."
            )
        places[name] = (opened.end() + 1, marker.start())
        opened = None
    if opened:
        raise CapstoneError(f"{path}, {_unclosed(text, opened)} where the block ends.")
    return places


def contents(text: str, path: Path) -> dict[str, str]:
    """What each block holds.

    Parameters
    ----------
    text : str
        A document.
    path : Path
        Where it lies, for errors.

    Returns
    -------
    dict
        The text of each block by its name, without blanks around and with plain line ends.

    Raises
    ------
    CapstoneError
        When a marker was deleted, doubled or moved into another block.
    """
    return {
        name: text[start:end].replace("\r\n", "\n").strip()
        for name, (start, end) in blocks(text, path).items()
    }


def fill(text: str, new: dict[str, str], path: Path) -> str:
    """Replace the contents of all blocks.

    Parameters
    ----------
    text : str
        A document.
    new : dict
        What each block is to hold, by its name.
    path : Path
        Where the document lies, for errors.

    Returns
    -------
    str
        The document. Every byte outside the blocks is as it was.

    Raises
    ------
    CapstoneError
        When a block is missing or unknown, or when a marker was deleted, doubled or moved into another block.
    """
    places = blocks(text, path)
    for name in new:
        if name not in places:
            raise CapstoneError(
                f'{path} has no block "{name}": put the lines `<!-- capstone: {name} -->` and '
                f"`<!-- /capstone: {name} -->` back where `capstone card` shall write it."
            )
    for name in places:
        if name not in new:
            raise CapstoneError(f'{path} has an unknown block "{name}"{did_you_mean(name, new)}')
    line_end = "\r\n" if "\r\n" in text else "\n"
    for name, (start, end) in sorted(places.items(), key=lambda item: item[1], reverse=True):
        body = f"{new[name]}\n".replace("\n", line_end)
        text = text[:start] + body + text[end:]
    return text


def open_points(text: str) -> list[int]:
    """The lines (from 1) that still say [More Information Needed]; `quoted` it is only spoken of."""
    lines = enumerate(text.replace(f"`{TODO}`", "").splitlines(), start=1)
    return [number for number, line in lines if TODO in line]


def headings(text: str) -> list[str]:
    """The headings of a document, without their numbers; nothing inside a code block is one."""
    lines = re.findall(r"^#{1,6}[ \t]+(.*?)[ \t#]*\r?$", FENCED.sub("", text), re.MULTILINE)
    return [re.sub(r"^[\dA-Z]+\.[ \t]*", "", heading) for heading in lines]


def cell(value: object) -> str:
    """Any text as plain words in a Markdown table: on one line, and nothing in it is a sign."""
    words = _words(value)
    return re.sub(r"([\\`*_\[\]<>&~|$#])", r"\\\1", words)


def code(name: object) -> str:
    """A column's name as code, `like this`, safe in a table."""
    words = _words(name)
    plain = words and "`" not in words and "\\" not in words and "<!--" not in words
    return f"`{words.replace('|', chr(92) + '|')}`" if plain else cell(name)


def _words(value: object) -> str:
    return " ".join(cut(printable(cell_text(value)), LONGEST_CELL).split())


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table of cells that are safe already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _unclosed(text: str, opened: re.Match[str]) -> str:
    name = opened["name"]
    return (
        f'line {_line(text, opened.start())}: the block "{name}" begins but does not end: put the line '
        f"`<!-- /capstone: {name} -->` back"
    )
