"""CSV files as they come: their encoding, separator and decimal sign, and what is wrong in them."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import IO

import pandas as pd

from capstone.columns import QUOTES, SPACES, number_pattern, to_number
from capstone.core.errors import CapstoneError, first_line
from capstone.core.settings import Data
from capstone.core.text import setting_text
from capstone.data.spellings import number_format

BLOCK = 1 << 20  # characters that are looked at at once
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before that of UTF-16, which it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
GLANCE = 100  # cells that tell whether a column may hold numbers
BARE = rf"\s*[+\-\u2212]?[\d.,{SPACES}{QUOTES}]*\d[\d.,{SPACES}{QUOTES}]*"  # nothing but a number's signs
SURROGATES = re.compile("[\ud800-\udfff]")  # halves of characters, which nothing can write


def read_csv(file: IO[bytes], path: Path, data: Data) -> tuple[pd.DataFrame, str]:
    """The whole table, and a few words on how it was read."""
    encoding = find_encoding(file, path, data.encoding)
    text = file.read().decode(encoding)
    delimiter = data.delimiter if data.delimiter != "auto" else detect_delimiter(text)
    for _ in fields_of(io.StringIO(text, newline=""), delimiter, path):
        pass

    table, decimal = parse_csv(text, delimiter, data, path)
    shown = {"\t": "tab"}.get(delimiter, f'"{delimiter}"')
    sign = ", decimal comma" if decimal == "," else ""
    if data.decimal == "auto" and delimiter != "," and decimal == ".":
        sign = _either_way(table, text, delimiter)
    name = encoding.removesuffix("-sig")
    return table, f"CSV, {name}, separated by {shown}{sign}"


def parse_csv(
    text: str, delimiter: str, data: Data, path: Path, words: Collection[str] = ()
) -> tuple[pd.DataFrame, str]:
    """Text as a table, and the decimal sign that was found.

    words  columns that are text even where all values look like numbers
    """

    def read(decimal: str) -> pd.DataFrame:
        return pd.read_csv(
            io.StringIO(text),
            sep=delimiter,
            decimal=decimal,
            index_col=False,
            low_memory=False,
            dtype=dict.fromkeys(words, "str"),
        )

    decimal = "." if data.decimal == "auto" else data.decimal
    try:
        table = read(decimal)
        if data.decimal == "auto" and delimiter != "," and _has_decimal_commas(table):
            decimal = ","
            table = read(decimal)
    except (pd.errors.ParserError, ValueError) as error:
        raise CapstoneError(f"{path} can't be read as CSV: {first_line(error)}.") from None
    certain = decimal if data.decimal != "auto" or decimal == "," else None
    for name in table:
        if name not in words and (sign := _decimal_sign(table[name], certain)):
            table[name] = to_number(table[name], sign)
    return table, decimal


def find_encoding(file: IO[bytes], path: Path, encoding: str) -> str:
    """The encoding of a text file: the one set, a byte-order mark's, UTF-8, or Windows' cp1252.

    The file is left at its beginning.
    """
    raw = file.read(4000)
    marked = next((name for mark, name in BYTE_ORDER_MARKS.items() if raw.startswith(mark)), "")
    if encoding != "auto":
        # With a mark, UTF-8 is UTF-8 with a mark: else the mark would become part of the first column's name.
        same = marked and _codec(encoding).startswith(marked.removesuffix("-sig"))
        candidates = [marked if same else _codec(encoding)]
    elif marked:
        candidates = [marked]
    elif b"\0" in raw:
        candidates = _wide_encodings(raw)
    else:
        candidates = ["utf-8", "cp1252"]
    found = next((name for name in candidates if _is_text(file, name)), None)
    file.seek(0)
    if found is None:
        tried = ", ".join(candidates)
        raise CapstoneError(
            f"{path} is not text in {tried}: save it as UTF-8, or set [data] encoding."
        )
    return found


def _wide_encodings(raw: bytes) -> list[str]:
    """What text without a mark may be that holds zero bytes: they are the upper half of each plain letter."""
    if raw.count(0) < 0.1 * len(raw):
        return ["utf-8"]  # which has none: it is refused
    order = "le" if raw[1::2].count(0) > raw[::2].count(0) else "be"
    return [f"utf-32-{order}", f"utf-16-{order}"]


def _codec(encoding: str) -> str:
    """The name of an encoding as Python knows it."""
    try:
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise CapstoneError(f'[data] encoding "{encoding}" is unknown; try "utf-8".') from None


def _is_text(file: IO[bytes], encoding: str) -> bool:
    """Whether all of it can be read so, and holds nothing that no text holds."""
    file.seek(0)
    try:
        text = io.TextIOWrapper(file, encoding, newline="")
    except LookupError:  # known, but not for text, such as "base64"
        raise CapstoneError(f'[data] encoding "{encoding}" is unknown; try "utf-8".') from None
    try:
        return not any(
            "\0" in block or (not block.isascii() and SURROGATES.search(block))
            for block in iter(lambda: text.read(BLOCK), "")
        )
    except UnicodeError:
        return False
    finally:
        text.detach()


def detect_delimiter(text: str) -> str:
    """The separator that cuts the first lines into the same number of fields, more than one."""
    lines = text[:100_000].splitlines()[:50]

    def agreement(delimiter: str) -> tuple[float, int]:
        try:
            widths = [len(fields) for fields in csv.reader(lines, delimiter=delimiter) if fields]
        except csv.Error:
            return (0, 0)
        width, times = Counter(widths).most_common(1)[0] if widths else (1, 1)
        return (times / len(widths), width) if width > 1 else (0, 0)

    return max([",", ";", "\t", "|"], key=agreement)


def fields_of(lines: Iterable[str], delimiter: str, path: Path) -> Iterator[list[str]]:
    """The header's fields, then those of each row that is not blank.

    Refuses what pandas would mend in silence: ragged rows, repeated names, a quote never closed.
    """
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
        raise CapstoneError(
            f"[data] delimiter {setting_text(delimiter)} must be one character of ASCII, and no quotation mark or "
            "line break."
        )
    try:
        reader = csv.reader(lines, delimiter=delimiter)
        header = next((fields for fields in reader if fields), [])
        if not header:
            raise CapstoneError(f"{path} is empty: it holds blank lines only.")
        refuse_repeated([name for name in header if name], path)
        yield header
        is_first = True
        for fields in reader:
            if fields and len(fields) != len(header):
                raise CapstoneError(
                    f"{path}, line {reader.line_num}: {len(fields)} fields where the header has "
                    f"{len(header)}; {_remedy(fields, header, is_first)}."
                )
            is_first = False
            if fields:
                yield fields
    except csv.Error as error:
        raise CapstoneError(
            f"{path}, line {reader.line_num}: {error}; a quote may never be closed, "
            "or a cell holds a whole document: shorten or mend it."
        ) from None


def _remedy(fields: list[str], header: list[str], is_first: bool) -> str:
    """What to do about a row that has another number of fields than the header."""
    if any("\n" in field for field in fields):
        return "mend that line (a quote may never be closed)"
    if len(fields) > len(header) and (is_first or len(header) == 1):
        return (
            "delete what stands above the column names, or what follows the last column in each row"
        )
    return "mend that line"


def refuse_repeated(names: list[str], path: Path) -> None:
    """Two columns of one name can't be told apart."""
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise CapstoneError(
            f'{path} has {names.count(repeated[0])} columns called "{repeated[0]}": '
            "give every column a name of its own."
        )


def _has_decimal_commas(table: pd.DataFrame) -> bool:
    """Whether some text column holds nothing but numbers such as 3,14 or 1.986,90."""
    return any(_decimal_sign(table[name], None) == "," for name in table)


def _decimal_sign(column: pd.Series, certain: str | None) -> str | None:
    """The decimal sign of a text column that holds nothing but bare numbers; None where there may be two, or none.

    certain  the sign that the file's numbers are known to have
    """
    present = column.dropna()
    if present.empty or not pd.api.types.is_string_dtype(column):
        return None
    if not all(some.str.fullmatch(BARE).all() for some in (present.head(GLANCE), present)):
        return None  # the first decide for most columns
    found = number_format(present.str.strip())
    if found is None or found.share < 1:
        return None
    if certain is None:
        has_decimals = present.str.contains(rf"[{found.decimal}]\d+\s*$").any()
        return found.decimal if has_decimals and not found.unclear else None
    fits = present.str.strip().str.fullmatch(number_pattern(certain)).all()
    return certain if fits else None


def _either_way(table: pd.DataFrame, text: str, delimiter: str) -> str:
    """What to say of numbers such as 1.234 in a file that is not separated by commas: the point may mark thousands."""
    able = [
        name
        for name in table.select_dtypes("float64")
        if table[name].dropna().abs().between(1, 1000, "left").all()
        and (table[name].dropna() % 1 != 0).any()
    ]
    if not able:
        return ""
    cells = pd.read_csv(io.StringIO(text), sep=delimiter, usecols=able, dtype="str")
    for name in able:
        present = cells[name].dropna().str.strip()
        if present.str.fullmatch(r"-?[1-9]\d{0,2}(\.\d{3})?").all():
            example = present[present.str.contains(".", regex=False)].iloc[0]
            return (
                f', "{name}" with a decimal point, such as {example} (if that is {example.replace(".", "")}, '
                'set [data] decimal = ",")'
            )
    return ""
