"""What clean(), engineer() and Excel put into a column, as the plain kinds of column that all else here works on."""

from __future__ import annotations

import datetime
from collections.abc import Hashable
from decimal import Decimal

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.student_code import described

NUMBERS = (int, float, np.integer, np.floating, Decimal)
PLAIN = (str, bool, np.bool_, *NUMBERS, datetime.date, datetime.time)


def plain_table(table: pd.DataFrame, place: str) -> tuple[pd.DataFrame, list[str]]:
    """The table with plain columns alone, and what to say of those that were not.

    Parameters
    ----------
    table : DataFrame
        As the student's function returned it.
    place : str
        The function, and the file that it is in.

    Returns
    -------
    table : DataFrame
        Numbers, booleans, dates and text. Intervals (`pd.cut`) and categories are text, periods are the date on
        which they begin, durations are seconds.
    notes : list of str
        What was converted into something that looks different.

    Raises
    ------
    CapstoneError
        For a column's name that is no text, and a column that can't be one of these, such as one of lists.
    """
    if table.columns.nlevels > 1:
        raise CapstoneError(
            f"{place} returned a table with {table.columns.nlevels} rows of column names: make it one, e.g. with "
            'table.columns = ["_".join(map(str, names)) for names in table.columns].'
        )
    for name in table.columns:
        if not isinstance(name, str):
            raise CapstoneError(
                f"{place} returned a column whose name is {described(name)}, not a text: rename it, or all of "
                "them with table.columns = [str(name) for name in table.columns]."
            )
        if not _encodes(name):
            raise CapstoneError(
                f"{place} returned a column whose name holds half a character: rename it."
            )
    returned = {str(name): _column_of(table, name, place) for name in table.columns}
    plain = {name: plain_column(column, place) for name, column in returned.items()}
    if type(table.columns) is pd.Index and all(plain[name] is returned[name] for name in plain):
        return table, []
    notes = [_change(returned[name], column) for name, column in plain.items()]
    return pd.DataFrame(plain, index=table.index), [note for note in notes if note]


def _column_of(table: pd.DataFrame, name: str, place: str) -> pd.Series:
    """A column of the table. pandas takes an array of no columns for one, and fails when it is asked for it."""
    try:
        return table[name]
    except IndexError:
        raise CapstoneError(
            f'Column "{name}" of what {place} returned holds no values: it was made of an array without columns. '
            "Give it one value a row."
        ) from None


def plain_column(column: pd.Series, place: str) -> pd.Series:
    """The column as numbers, booleans, dates or text. Raises CapstoneError where it is none of these."""
    kind = column.dtype
    if isinstance(kind, pd.SparseDtype):
        return plain_column(column.sparse.to_dense(), place)
    if isinstance(kind, pd.ArrowDtype):
        return plain_column(_without_arrow(column), place)
    if isinstance(kind, pd.CategoricalDtype) and pd.api.types.is_numeric_dtype(kind.categories):
        return column  # as text it would look like numbers that somebody failed to read
    if isinstance(kind, pd.CategoricalDtype | pd.IntervalDtype):
        return _as_text(column)
    if isinstance(kind, pd.PeriodDtype):
        return column.dt.to_timestamp()
    if kind.kind == "m":
        return column.dt.total_seconds()
    if kind.kind == "c":
        raise _refusal(
            column, place, "complex numbers", "take their absolute value or their real part"
        )
    if kind.kind == "f" and kind.itemsize not in (4, 8):
        return column.astype("float64")
    return _plain_objects(column, place) if pd.api.types.is_object_dtype(kind) else column


def excel_columns(table: pd.DataFrame) -> pd.DataFrame:
    """The same table, where each column that holds values of several types, or of rare ones, holds text or numbers.

    So does Excel give what is in its cells: numbers beside text, days, times, durations. Nothing is refused.
    """
    return pd.DataFrame({name: _excel_column(table[name]) for name in table}, index=table.index)


def _excel_column(column: pd.Series) -> pd.Series:
    if pd.api.types.is_timedelta64_dtype(column):
        return column.dt.total_seconds()
    if column.dtype != object:
        return column
    held = set(column.dropna().map(type))
    if held <= {bool} or held <= {str}:
        return column
    if held <= {bool, int, float}:
        return column.astype("float64")
    if held <= {datetime.datetime, datetime.date, pd.Timestamp}:
        return pd.to_datetime(column)
    if held <= {datetime.timedelta, pd.Timedelta}:
        return pd.to_timedelta(column).dt.total_seconds()
    return column.map(str, na_action="ignore").astype("str")


def _plain_objects(column: pd.Series, place: str) -> pd.Series:
    """A column of Python's own objects: each one has to be a number, a boolean, a date or a text."""
    present = column[column.notna().to_numpy()]
    types = set(map(type, present))
    inferred = column if str in types else column.infer_objects()
    if inferred.dtype != column.dtype:
        return plain_column(inferred, place)
    if pd.Interval in types and types <= {pd.Interval, str}:
        return _as_text(column)
    for value in present if not all(issubclass(kind, PLAIN) for kind in types) else ():
        if not isinstance(value, PLAIN):
            row = present.index[[type(other) is type(value) for other in present]][0]
            raise _refusal(
                column,
                place,
                f"{described(value)} in row {row}",
                "make it a number, a text or a date, e.g. with len() or str()",
            )
    if str in types and not present.map(_is_text).all():
        row = present.index[~present.map(_is_text).to_numpy(dtype=bool)][0]
        raise _refusal(column, place, f"half a character in row {row}", "mend that text")
    if Decimal in types and all(issubclass(kind, NUMBERS) for kind in types):
        return present.astype("float64").reindex(column.index)
    return column


def _as_text(column: pd.Series) -> pd.Series:
    text = column.astype(object).where(column.notna(), None)
    return text.map(str, na_action="ignore").astype("str")


def _without_arrow(column: pd.Series) -> pd.Series:
    """A column of Arrow's own types in those of pandas and NumPy."""
    return column.astype(object).where(column.notna(), None).infer_objects()


def _is_text(value: Hashable) -> bool:
    return not isinstance(value, str) or value.isascii() or value.isprintable() or _encodes(value)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _change(before: pd.Series, after: pd.Series) -> str:
    """What to say of a column that looks different now; "" where nothing is lost."""
    name, kind = before.name, before.dtype
    intervals = isinstance(kind, pd.CategoricalDtype) and isinstance(
        kind.categories.dtype, pd.IntervalDtype
    )
    if intervals or isinstance(kind, pd.IntervalDtype):
        return f'"{name}" holds intervals: each is a category'
    if isinstance(kind, pd.PeriodDtype):
        return f'"{name}" holds periods: each counts as the date on which it begins'
    return f'"{name}" holds durations: taken in seconds' if kind.kind == "m" else ""


def _refusal(column: pd.Series, place: str, holds: str, remedy: str) -> CapstoneError:
    return CapstoneError(f'Column "{column.name}", as {place} returns it, holds {holds}: {remedy}.')
