"""Files into tables: CSV, Parquet, Excel, or a folder of several files of one shape."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO

import pandas as pd

from capstone.core.errors import CapstoneError, first_line, short_list
from capstone.core.settings import Data
from capstone.data.csv_files import read_csv, refuse_repeated
from capstone.data.packed_files import (
    ARCHIVE,
    HEAD,
    PACKED,
    form_of,
    is_leaving,
    open_table,
)
from capstone.data.plain_columns import excel_columns

CSV, PARQUET, EXCEL = (".csv", ".tsv", ".txt"), (".parquet", ".pq"), (".xlsx", ".xlsm")
KINDS = CSV + PARQUET + EXCEL
ENDINGS = {"CSV": CSV, "Parquet": PARQUET, "Excel": EXCEL}
MANY_COLUMNS = 1000  # beyond it, a run takes minutes rather than seconds
PREDICTIONS = "_predictions.csv"  # what `capstone predict` writes beside a table is no data


def read_table(path: Path, data: Data) -> tuple[pd.DataFrame, str]:
    """Read a CSV, Parquet or Excel file, or all of them in a folder.

    Parameters
    ----------
    path : Path
        The file, or a folder of files with the same columns.
    data : Data
        Section [data] of the settings: separator, encoding and decimal sign.

    Returns
    -------
    tuple of DataFrame and str
        The table, and a few words on how it was read. The index is called "row" and counts from 1, so that a row can
        be found again in the file.

    Raises
    ------
    CapstoneError
        When there is no table to be read.
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


def patience(columns: int) -> str:
    """What is said of a table with so many columns that each step takes long; "" of others."""
    return "; so many columns make every step slow" if columns > MANY_COLUMNS else ""


def table_files(path: Path) -> list[Path]:
    """The file itself, or the tables in a folder in the order of their names."""
    if not path.is_dir():
        return [path]
    tables = (file for file in path.iterdir() if table_suffix(file) in KINDS and file.is_file())
    return sorted(
        file for file in tables if not file.name.endswith(PREDICTIONS) and not is_leaving(file.name)
    )


def table_suffix(path: Path) -> str:
    """The ending that says which kind of table it is, in small letters: that before .gz, .xz, .bz2 and .zip."""
    name = path.name.lower()
    for ending in PACKED:
        name = name.removesuffix(ending)
    return Path(name).suffix


def skipped_files(path: Path) -> str:
    """What is said of files in a folder of tables that look like tables and are none, such as lock files."""
    names = (
        sorted(file.name for file in path.iterdir() if is_leaving(file.name))
        if path.is_dir()
        else []
    )
    return f", without {short_list(names, 5)}" if names else ""


def fingerprint(path: Path) -> str:
    """What tells whether data have changed.

    Parameters
    ----------
    path : Path
        A table, or a folder of tables.

    Returns
    -------
    str
        SHA-256 of the file's bytes, in hexadecimal; for a folder, of its files' names and SHA-256s.
    """
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
    return pd.concat(tables, ignore_index=True), f"{len(files)} files{skipped_files(path)}"


def _read_file(path: Path, data: Data) -> tuple[pd.DataFrame, str]:
    if path.exists() and not path.is_file():
        raise CapstoneError(f"{path} is neither a file nor a folder: name one with a table in it.")
    if path.stat().st_size == 0:
        raise CapstoneError(f"{path} is empty: it holds no bytes at all.")
    if is_leaving(path.name):
        raise CapstoneError(
            f"{path} is no table but what a program has left beside one: name the table itself."
        )
    with open_table(path) as file:
        head = file.read(HEAD)
        file.seek(0)
        table, how = READERS[_kind_of_table(path, head)](file, path, data)
    table.columns = [str(name) for name in table.columns]
    refuse_repeated(list(table.columns), path)
    if table.empty:
        raise CapstoneError(f"{path} has column names but no rows: add the data below the header.")
    return table, how


def _kind_of_table(path: Path, head: bytes) -> str:
    """ "CSV", "Parquet" or "Excel": what the first bytes are, as the name says too."""
    suffix = table_suffix(path)
    found = {"Parquet": "Parquet", ARCHIVE: "Excel"}.get(form_of(head), "CSV")
    named = next((kind for kind, endings in ENDINGS.items() if suffix in endings), "")
    if not named and path.suffix.lower() in PACKED:
        return found  # data.zip
    if not named:
        raise CapstoneError(f"{path} is no kind of table known here; use {', '.join(KINDS)}.")
    if found != named:
        meant = {"CSV": "text", "Parquet": "a Parquet file", "Excel": "an Excel file"}[found]
        raise CapstoneError(
            f"{path} is {meant}, not {named}: give it the ending {ENDINGS[found][0]}, also in [data] path."
        )
    return named


def _read_parquet(file: IO[bytes], path: Path, data: Data) -> tuple[pd.DataFrame, str]:
    import pyarrow.parquet

    from capstone.data.parquet_files import odd_columns, readable, to_pandas

    with readable(path), pyarrow.parquet.ParquetFile(file) as opened:
        rows = opened.read()
        odd = odd_columns(rows.schema)
        return to_pandas(rows), f"Parquet{f', as text: {short_list(odd, 5)}' if odd else ''}"


def _read_excel(file: IO[bytes], path: Path, data: Data) -> tuple[pd.DataFrame, str]:
    try:
        table = pd.read_excel(file, engine="openpyxl")
    except Exception as error:  # openpyxl has many errors for a damaged file
        if isinstance(error, OSError) and error.errno:
            raise
        raise CapstoneError(f"{path} is not a readable Excel file: {first_line(error)}.") from None
    return excel_columns(table), "Excel, first sheet"


READERS = {"CSV": read_csv, "Parquet": _read_parquet, "Excel": _read_excel}
