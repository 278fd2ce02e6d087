"""Tables of pandas for the student's steps that need one: imported only for those."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from capstone.data.kinds import floats, texts, to_dates
from capstone.data.user_steps import apply_step
from capstone.serving.inference.arrays import Arrays, absent_column


def raw_kinds(raw: pd.DataFrame) -> dict[str, str]:
    """The type of each column in memory, from which a service builds the same table out of a request."""
    return {str(name): _raw_kind(raw[name]) for name in raw}


def to_arrays(table: pd.DataFrame, kinds: Mapping[str, str]) -> Arrays:
    """A raw table as a service has it: numbers, booleans, datetimes, and text with None where it is missing."""
    return {name: _to_array(table[name], kind) for name, kind in kinds.items() if name in table}


def to_frame(columns: Arrays, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Arrays as the table that read_table() would have made of them; rows count from 1."""
    table = pd.DataFrame(
        {name: _to_series(column, kinds.get(name, "str")) for name, column in columns.items()}
    )
    table.index = pd.RangeIndex(1, len(table) + 1, name="row")
    return table


def apply_steps(
    table: pd.DataFrame, functions: Mapping[str, Callable[..., Any]], root: Path
) -> pd.DataFrame:
    """The table after the student's clean() and engineer()."""
    for name, function in functions.items():
        table = apply_step(name, table, root, function=function)[0]
    return table


def frame_for_graph(table: pd.DataFrame, columns: Mapping[str, Any]) -> Arrays:
    """Turn a table, as engineer() returns it, into the inputs of the graph.

    Parameters
    ----------
    table : DataFrame
        Its columns are found by name; others are left out.
    columns : mapping of str to dict
        The inputs of the graph, as arrays.arrays_for_graph() takes them.

    Returns
    -------
    dict of str to ndarray
        Categories as text of shape (rows,); all else as float64 of shape (rows, 1), dates as seconds since 1970.
    """
    inputs: Arrays = {}
    for name, column_info in columns.items():
        if name not in table:
            raise absent_column(name)
        column = table[name]
        if column_info["kind"] == "category":
            inputs[name] = texts(column).to_numpy(dtype=object)
        elif column_info["kind"] == "date":
            dates = to_dates(column, column_info["format"]).to_numpy().astype("datetime64[s]")
            seconds = dates.astype(np.int64).astype(np.float64)
            inputs[name] = np.where(np.isnat(dates), np.nan, seconds).reshape(-1, 1)
        else:
            inputs[name] = floats(column).to_numpy().reshape(-1, 1)
    return inputs


def _raw_kind(column: pd.Series) -> str:
    types = pd.api.types
    if types.is_bool_dtype(column) or set(column.dropna().map(type)) == {bool}:
        return "boolean"
    if types.is_integer_dtype(column):
        return "integer"
    if types.is_numeric_dtype(column):
        return "number"
    if types.is_datetime64_any_dtype(column):
        return "moment"
    return "object" if types.is_object_dtype(column) else "text"


def _to_array(column: pd.Series, kind: str) -> np.ndarray:
    if kind in ("integer", "number"):
        return floats(column).to_numpy(copy=True)
    if kind == "moment":
        return to_dates(column, None).to_numpy().astype("datetime64[s]")
    if kind == "boolean" and column.notna().all():
        return column.to_numpy(dtype=bool, copy=True)
    return np.asarray(column.astype(object).where(column.notna(), None), dtype=object)


def _to_series(column: np.ndarray, kind: str) -> pd.Series:
    series = pd.Series(column)
    if kind == "integer" and column.dtype.kind == "f":
        integral = bool(np.isfinite(column).all() and (column % 1 == 0).all())
        return series.astype("int64") if integral else series
    if kind == "moment":
        return to_dates(series, None)
    return series.astype("str") if kind == "text" else series
