"""Columns as plain NumPy arrays, and as the inputs of the graph in model.onnx."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from capstone.core.errors import CapstoneError
from capstone.core.text import MISSING

EPOCH = datetime(1970, 1, 1)
MAX_DATE = 100  # letters
YEAR_OR_MONTH = re.compile(r"\d{4}(-\d\d)?")  # "2026" and "2026-03" are dates too

Arrays = dict[str, np.ndarray]


def arrays_for_graph(table: Mapping[str, Any], columns: Mapping[str, Any], rows: int) -> Arrays:
    """Turn columns, as engineer() returns them, into the inputs of the graph.

    Parameters
    ----------
    table : mapping of str to array or scalar
        Arrays of shape (rows,); a single value counts for every row.
    columns : mapping of str to dict
        The columns that the model was trained on, as serving.json has them: "kind", and "format" for dates.
    rows : int
        Number of rows.

    Returns
    -------
    dict of str to ndarray
        Categories as text of shape (rows,); all else as float64 of shape (rows, 1), dates as seconds since 1970.

    Raises
    ------
    CapstoneError
        If a column is missing.
    """
    inputs = {}
    for name, column_info in columns.items():
        if name not in table:
            raise absent_column(name)
        column = np.asarray(table[name])
        if column.ndim != 1:
            column = np.broadcast_to(column, rows)
        if column_info["kind"] == "category":
            inputs[name] = to_categories(column)
        elif column_info["kind"] == "date":
            inputs[name] = to_seconds(column, column_info["format"]).reshape(-1, 1)
        else:
            inputs[name] = to_numbers(column).reshape(-1, 1)
    return inputs


def absent_column(name: str) -> CapstoneError:
    """What clean() and engineer() made of the training rows, they have to make of every row."""
    return CapstoneError(f'Column "{name}" is not in the table, but the model was trained on it.')


def to_numbers(column: np.ndarray) -> np.ndarray:
    """A column as float64; what is no number becomes missing (NaN)."""
    if column.dtype.kind in "fiub":
        return column.astype(np.float64, copy=False)
    return np.array([_to_number(value) for value in column.tolist()], dtype=np.float64)


def to_categories(column: np.ndarray) -> np.ndarray:
    """A column as text, with one word for every missing value."""
    values = column.tolist()
    types = set(map(type, values))
    if types == {str} and column.dtype.kind == "O":  # the usual case
        return column
    if types <= {str, type(None)}:
        words = [MISSING if value is None else value for value in values]
    else:
        words = [MISSING if is_missing(value) else str(value) for value in values]
    return np.array(words, dtype=object)


def to_seconds(column: np.ndarray, date_format: str | None) -> np.ndarray:
    """Dates as seconds since 1970 in UTC, without fractions; what can't be read becomes missing (NaN).

    date_format  as find_date_format() names it
    """
    if column.dtype.kind == "M":
        moments = column.astype("datetime64[s]")
        return np.where(np.isnat(moments), np.nan, moments.astype(np.int64).astype(np.float64))
    # A table repeats its dates: each one is parsed once.
    texts = column.tolist()
    parsed = {
        value: np.nan if is_missing(value) else _parse_date(str(value), date_format)
        for value in set(texts)
    }
    return np.fromiter(map(parsed.__getitem__, texts), np.float64, len(texts))


def to_datetimes(column: np.ndarray) -> np.ndarray:
    """Dates written as text (ISO 8601) as datetime64, NaT where one can't be read."""
    seconds = to_seconds(column, None)
    datetimes = np.where(np.isnan(seconds), 0, seconds).astype("datetime64[s]")
    datetimes[np.isnan(seconds)] = np.datetime64("NaT")
    return datetimes


def missing_column(kind: str, rows: int) -> np.ndarray:
    """A column in which every value is missing; kinds are those of frames.raw_kinds()."""
    if kind in ("integer", "number"):
        return np.full(rows, np.nan)
    if kind == "moment":
        return np.full(rows, "NaT", dtype="datetime64[s]")
    return np.full(rows, None, dtype=object)


def is_missing(value: object) -> bool:
    """Whether a cell is empty: None, NaN or NaT, the only values that differ from themselves."""
    return value is None or value != value


def _to_number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def _parse_date(text: str, date_format: str | None) -> float:
    if len(text) > MAX_DATE:
        return np.nan
    try:
        if date_format in (None, "ISO8601"):
            if len(text) < 8 and YEAR_OR_MONTH.fullmatch(text):
                text += "-01-01" if len(text) == 4 else "-01"
            moment = datetime.fromisoformat(text.strip())
        else:
            moment = datetime.strptime(text, date_format or "")
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):  # no date, or one that UTC moves out of the years 1 to 9999
        return np.nan
    elapsed = moment - EPOCH
    return float(elapsed.days * 86_400 + elapsed.seconds)
