"""Files into tables: CSV, Parquet, Excel, or a folder of several files of one shape."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.settings import Data
from capstone.data.csv_files import first_line, read_csv, refuse_repeated

CSV, PARQUET, EXCEL = (".csv", ".tsv", ".txt"), (".parquet", ".pq"), (".xlsx", ".xlsm")
KINDS = CSV + PARQUET + EXCEL
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


def table_files(path: Path) -> list[Path]:
    """The file itself, or the tables in a folder in the order of their names."""
    if not path.is_dir():
        return [path]
    tables = (file for file in path.iterdir() if file.suffix.lower() in KINDS)
    return sorted(file for file in tables if not file.name.endswith(PREDICTIONS))


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
    return pd.concat(tables, ignore_index=True), f"{len(files)} files"


def _read_file(path: Path, data: Data) -> tuple[pd.DataFrame, str]:
    suffix = path.suffix.lower()
    if path.stat().st_size == 0:
        raise CapstoneError(f"{path} is empty: it holds no bytes at all.")
    if suffix in CSV:
        table, how = read_csv(path, data)
    elif suffix in PARQUET:
        table, how = _read_with(pd.read_parquet, path, "Parquet"), "Parquet"
    elif suffix in EXCEL:
        table, how = _read_with(pd.read_excel, path, "Excel"), "Excel, first sheet"
    else:
        raise CapstoneError(f"{path} is no kind of table known here; use {', '.join(KINDS)}.")
    table.columns = [str(name) for name in table.columns]
    refuse_repeated(list(table.columns), path)
    if table.empty:
        raise CapstoneError(f"{path} has column names but no rows: add the data below the header.")
    return table, how


def _read_with(reader, path: Path, kind: str) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    try:
        return reader(path)
    except OSError:
        raise
    except Exception as error:  # each library has its own errors for a damaged file
        raise CapstoneError(f"{path} is not a readable {kind} file: {first_line(error)}.") from None
