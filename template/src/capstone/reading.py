"""Files into tables: CSV, Parquet, Excel, or a folder of several files of one shape."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections import Counter
from pathlib import Path

import pandas as pd

from capstone.errors import CapstoneError
from capstone.settings import Data

CSV, PARQUET, EXCEL = (".csv", ".tsv", ".txt"), (".parquet", ".pq"), (".xlsx", ".xlsm")
KINDS = CSV + PARQUET + EXCEL
PREDICTIONS = "_predictions.csv"  # what `capstone predict` writes beside a table is no data
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


def read_table(path: Path, data: Data) -> tuple[pd.DataFrame, str]:
    """The table at `path`, and a few words on how it was read.

    The index is called "row" and counts from 1, so that a row can be found again in the file.
    Raises CapstoneError when there is no table to be read.
    """
    try:
        if path.is_dir():
            table, how = _read_folder(path, data)
        else:
            table, how = _read_file(path, data)
    except FileNotFoundError:
        raise CapstoneError(_missing(path)) from None
    except PermissionError:
        raise CapstoneError(f"{path} can't be opened: you have no permission to read it.") from None
    except OSError as error:
        raise CapstoneError(f"{path} can't be read: {error.strerror or error}.") from None
    table.index = pd.RangeIndex(1, len(table) + 1, name="row")
    return table, how


def table_files(path: Path) -> list[Path]:
    """The file itself, or the tables in a folder in the order of their names."""
    if not path.is_dir():
        return [path]
    tables = (file for file in path.iterdir() if file.suffix.lower() in KINDS)
    return sorted(file for file in tables if not file.name.endswith(PREDICTIONS))


def fingerprint(path: Path) -> str:
    """SHA-256 of the bytes of a file; for a folder, of its files' names and SHA-256s."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    lines = [f"{file.name} {fingerprint(file)}\n" for file in table_files(path)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _missing(path: Path) -> str:
    """What to say when there is no such file: name the tables that are near."""
    sentence = f"{path} does not exist: put your table there, or set [data] path in capstone.toml"
    near = [file.name for file in table_files(path.parent)] if path.parent.is_dir() else []
    return f"{sentence}; {path.parent} holds {', '.join(near[:5])}." if near else f"{sentence}."


def _read_folder(path: Path, data: Data) -> tuple[pd.DataFrame, str]:
    files = table_files(path)
    if not files:
        raise CapstoneError(f"{path} is a folder without a table ({', '.join(KINDS)}) in it.")
    tables = [_read_file(file, data)[0] for file in files]
    for file, table in zip(files, tables, strict=True):
        if list(table.columns) != list(tables[0].columns):
            odd = set(table.columns) ^ set(tables[0].columns) or {"the order"}
            raise CapstoneError(
                f"{file} has other columns than {files[0].name} ({', '.join(sorted(odd)[:5])}): "
                "all files of a folder must have the same columns."
            )
    return pd.concat(tables, ignore_index=True), f"{len(files)} files"


def _read_file(path: Path, data: Data) -> tuple[pd.DataFrame, str]:
    suffix = path.suffix.lower()
    if path.stat().st_size == 0:
        raise CapstoneError(f"{path} is empty: it holds no bytes at all.")
    if suffix in CSV:
        table, how = _read_csv(path, data)
    elif suffix in PARQUET:
        table, how = _read_with(pd.read_parquet, path, "Parquet"), "Parquet"
    elif suffix in EXCEL:
        table, how = _read_with(pd.read_excel, path, "Excel"), "Excel, first sheet"
    else:
        raise CapstoneError(f"{path} is no kind of table known here; use {', '.join(KINDS)}.")
    table.columns = [str(name) for name in table.columns]
    _refuse_repeated(list(table.columns), path)
    if table.empty:
        raise CapstoneError(f"{path} has column names but no rows: add the data below the header.")
    return table, how


def _read_with(reader, path: Path, kind: str) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    try:
        return reader(path)
    except OSError:
        raise
    except Exception as error:  # each library has its own errors for a damaged file
        raise CapstoneError(
            f"{path} is not a readable {kind} file: {_first_line(error)}."
        ) from None


def _read_csv(path: Path, data: Data) -> tuple[pd.DataFrame, str]:
    raw = path.read_bytes()
    for start, meaning in SIGNATURES.items():
        if raw.startswith(start):
            raise CapstoneError(f"{path} is not text but {meaning}.")
    text, encoding = _decode(raw, data.encoding, path)
    delimiter = data.delimiter if data.delimiter != "auto" else detect_delimiter(text)
    _check_shape(text, delimiter, path)

    def read(decimal: str) -> pd.DataFrame:
        return pd.read_csv(
            io.StringIO(text), sep=delimiter, decimal=decimal, index_col=False, low_memory=False
        )

    decimal = "." if data.decimal == "auto" else data.decimal
    try:
        table = read(decimal)
        if data.decimal == "auto" and delimiter != "," and _has_decimal_commas(table):
            decimal = ","
            table = read(decimal)
    except (pd.errors.ParserError, ValueError) as error:
        raise CapstoneError(f"{path} can't be read as CSV: {_first_line(error)}.") from None
    shown = {"\t": "tab"}.get(delimiter, f'"{delimiter}"')
    comma = ", decimal comma" if decimal == "," else ""
    return table, f"CSV, {encoding}, separated by {shown}{comma}"


def _decode(raw: bytes, encoding: str, path: Path) -> tuple[str, str]:
    """Text and the encoding used: the one set, a byte-order mark's, UTF-8, or Windows' cp1252."""
    marked = [name for mark, name in BYTE_ORDER_MARKS.items() if raw.startswith(mark)]
    if encoding != "auto":
        candidates = [encoding]
    elif marked:
        candidates = marked
    elif b"\0" in raw[:4000]:  # text with zero bytes is UTF-16 without a mark, or no text at all
        candidates = ["utf-16-le" if raw[1:2] == b"\0" else "utf-16-be"]
    else:
        candidates = ["utf-8", "cp1252"]
    for name in candidates:
        try:
            text = raw.decode(name)
        except LookupError:
            raise CapstoneError(f'[data] encoding "{name}" is unknown; try "utf-8".') from None
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text, name.removesuffix("-sig")
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


def _check_shape(text: str, delimiter: str, path: Path) -> None:
    """Refuse what pandas would mend in silence: ragged rows, repeated names, a quote never closed."""
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        header = next((fields for fields in reader if fields), [])
        _refuse_repeated([name for name in header if name], path)
        for fields in reader:
            if fields and len(fields) != len(header):
                quote = " (a quote may never be closed)" if any("\n" in f for f in fields) else ""
                raise CapstoneError(
                    f"{path}, line {reader.line_num}: {len(fields)} fields where the header has "
                    f"{len(header)}; mend that line{quote}."
                )
    except csv.Error as error:
        raise CapstoneError(
            f"{path}, line {reader.line_num}: {error}; a quote may never be closed, "
            "or a cell holds a whole document: shorten or mend it."
        ) from None
    except TypeError:
        raise CapstoneError(f'[data] delimiter "{delimiter}" must be one character.') from None
    if not header:
        raise CapstoneError(f"{path} is empty: it holds blank lines only.")


def _refuse_repeated(names: list[str], path: Path) -> None:
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


def _first_line(error: Exception) -> str:
    return (
        str(error).strip().splitlines()[0].rstrip(".")
        if str(error).strip()
        else type(error).__name__
    )
