"""CSV files as they come: their encoding, separator and decimal sign, and what is wrong in them."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.settings import Data

BLOCK = 1 << 20  # characters that are looked at at once
# The first bytes of files that are no text, whatever their name says.
SIGNATURES = {
    b"PK\x03\x04": "a ZIP archive or an Excel file: unpack it, or name it .xlsx",
    b"\x1f\x8b": "a gzip archive: unpack it",
    b"PAR1": "a Parquet file: name it .parquet",
    b"\xd0\xcf\x11\xe0": "an old Excel file: save it as .xlsx",
}
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_csv(path: Path, data: Data) -> tuple[pd.DataFrame, str]:
    """The whole table, and a few words on how it was read."""
    encoding = find_encoding(path, data.encoding)
    text = path.read_bytes().decode(encoding)
    delimiter = data.delimiter if data.delimiter != "auto" else detect_delimiter(text)
    for _ in fields_of(io.StringIO(text, newline=""), delimiter, path):
        pass

    table, decimal = parse_csv(text, delimiter, data, path)
    shown = {"\t": "tab"}.get(delimiter, f'"{delimiter}"')
    comma = ", decimal comma" if decimal == "," else ""
    name = encoding.removesuffix("-sig")
    return table, f"CSV, {name}, separated by {shown}{comma}"


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
    return table, decimal


def find_encoding(path: Path, encoding: str) -> str:
    """The encoding of a text file: the one set, a byte-order mark's, UTF-8, or Windows' cp1252."""
    with path.open("rb") as file:
        raw = file.read(4000)
    for start, meaning in SIGNATURES.items():
        if raw.startswith(start):
            raise CapstoneError(f"{path} is not text but {meaning}.")
    marked = [name for mark, name in BYTE_ORDER_MARKS.items() if raw.startswith(mark)]
    if encoding != "auto":
        candidates = [encoding]
    elif marked:
        candidates = marked
    elif b"\0" in raw:  # text with zero bytes is UTF-16 without a mark, or no text at all
        candidates = ["utf-16-le" if raw[1:2] == b"\0" else "utf-16-be"]
    else:
        candidates = ["utf-8", "cp1252"]
    for name in candidates:
        try:
            with path.open(encoding=name, newline="") as text:
                if not any("\0" in block for block in iter(lambda: text.read(BLOCK), "")):
                    return name
        except LookupError:
            raise CapstoneError(f'[data] encoding "{name}" is unknown; try "utf-8".') from None
        except UnicodeDecodeError:
            continue
    tried = ", ".join(candidates)
    raise CapstoneError(f"{path} is not text in {tried}: save it as UTF-8, or set [data] encoding.")


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
    try:
        reader = csv.reader(lines, delimiter=delimiter)
        header = next((fields for fields in reader if fields), [])
        if not header:
            raise CapstoneError(f"{path} is empty: it holds blank lines only.")
        refuse_repeated([name for name in header if name], path)
        yield header
        for fields in reader:
            if fields and len(fields) != len(header):
                quote = " (a quote may never be closed)" if any("\n" in f for f in fields) else ""
                raise CapstoneError(
                    f"{path}, line {reader.line_num}: {len(fields)} fields where the header has "
                    f"{len(header)}; mend that line{quote}."
                )
            if fields:
                yield fields
    except csv.Error as error:
        raise CapstoneError(
            f"{path}, line {reader.line_num}: {error}; a quote may never be closed, "
            "or a cell holds a whole document: shorten or mend it."
        ) from None
    except TypeError:
        raise CapstoneError(f'[data] delimiter "{delimiter}" must be one character.') from None


def refuse_repeated(names: list[str], path: Path) -> None:
    """Two columns of one name can't be told apart."""
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise CapstoneError(
            f'{path} has {names.count(repeated[0])} columns called "{repeated[0]}": '
            "give every column a name of its own."
        )


def _has_decimal_commas(table: pd.DataFrame) -> bool:
    """Whether some text column holds nothing but numbers such as 3,14."""
    texts = (table[name].dropna() for name in table if pd.api.types.is_string_dtype(table[name]))
    return any(len(t) > 0 and t.astype(str).str.fullmatch(r"\s*-?\d+,\d+\s*").all() for t in texts)


def first_line(error: Exception) -> str:
    """What an error says, without its further lines."""
    return (
        str(error).strip().splitlines()[0].rstrip(".")
        if str(error).strip()
        else type(error).__name__
    )
