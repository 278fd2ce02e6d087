"""Columns as plain NumPy arrays, made ready for the graph in model.onnx."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from capstone.core.errors import CapstoneError
from capstone.core.text import MISSING

EPOCH = datetime(1970, 1, 1)
YEAR_OR_MONTH = re.compile(r"\d{4}(-\d\d)?")  # "2026" and "2026-03" are dates too

Arrays = dict[str, np.ndarray]


def for_graph(table: Mapping[str, Any], columns: Mapping[str, Any], rows: int) -> Arrays:
    """What the graph takes: numbers and dates (as seconds) of shape (rows, 1), categories of shape (rows,).

    table    columns after engineer(): arrays, or single values that count for every row
    columns  kind, and for dates the format, of each column that the model was trained on
    """
    ready = {}
    for name, about in columns.items():
        if name not in table:
            raise CapstoneError(
                f'Column "{name}" is not in the table, but the model was trained on it.'
            )
        column = np.asarray(table[name])
        if column.ndim != 1:
            column = np.broadcast_to(column, rows)
        if about["kind"] == "category":
            ready[name] = categories(column)
        elif about["kind"] == "date":
            ready[name] = seconds(column, about["format"]).reshape(-1, 1)
        else:
            ready[name] = numbers(column).reshape(-1, 1)
    return ready


def numbers(column: np.ndarray) -> np.ndarray:
    """A column as float64; what is no number becomes missing (NaN)."""
    if column.dtype.kind in "fiub":
        return column.astype(np.float64, copy=False)
    return np.array([_number(value) for value in column.tolist()], dtype=np.float64)


def categories(column: np.ndarray) -> np.ndarray:
    """A column as text, a word of its own where nothing is known."""
    values = column.tolist()
    types = set(map(type, values))
    if types == {str} and column.dtype.kind == "O":  # as it mostly is
        return column
    if types <= {str, type(None)}:
        words = [MISSING if value is None else value for value in values]
    else:
        words = [MISSING if is_missing(value) else str(value) for value in values]
    return np.array(words, dtype=object)


def seconds(column: np.ndarray, shape: str | None) -> np.ndarray:
    """Dates as whole seconds since 1970, in universal time; what can't be read becomes missing (NaN).

    shape  how the dates are written, as find_date_format() names it
    """
    if column.dtype.kind == "M":
        whole = column.astype("datetime64[s]")
        return np.where(np.isnat(whole), np.nan, whole.astype(np.int64).astype(np.float64))
    # The same date comes often; it is read once.
    texts = column.tolist()
    read = {
        value: np.nan if is_missing(value) else _moment(str(value), shape) for value in set(texts)
    }
    return np.fromiter(map(read.__getitem__, texts), np.float64, len(texts))


def is_missing(value: object) -> bool:
    """Whether a cell is empty: None, NaN or NaT, which alone are not equal to themselves."""
    return value is None or value != value


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def _moment(text: str, shape: str | None) -> float:
    try:
        if shape in (None, "ISO8601"):
            if len(text) < 8 and YEAR_OR_MONTH.fullmatch(text):
                text += "-01-01" if len(text) == 4 else "-01"
            moment = datetime.fromisoformat(text.strip())
        else:
            moment = datetime.strptime(text, shape or "")
    except ValueError:
        return np.nan
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    since = moment - EPOCH
    return float(since.days * 86_400 + since.seconds)
