"""What the columns of a table are, and what is wrong with them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from capstone.errors import CapstoneError, did_you_mean
from capstone.settings import Data

Kind = Literal["number", "boolean", "date", "category", "text", "empty"]
# Shapes in which dates are written. The first that fits every value of a column is taken.
DATE_FORMATS = (
    "ISO8601",
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y"),
    *("%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y"),
    *("%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"),
)
MOST_CLASSES = 100
FEWEST_ROWS = 20
LARGEST = 1e100  # beyond it, squares overflow; infinite values are larger too
FEWEST_PER_CLASS = 5


def column_kind(column: pd.Series, date_format: str = "auto") -> Kind:
    """What a column holds. "text" is free text: so many different values that they are no categories."""
    present = column.dropna()
    if present.empty:
        return "empty"
    types = pd.api.types
    if types.is_bool_dtype(present) or set(present.map(type)) <= {bool, np.bool_}:
        return "boolean"
    if types.is_numeric_dtype(present):
        return "number"
    if types.is_datetime64_any_dtype(present) or find_date_format(present, date_format):
        return "date"
    different = present.astype(str).nunique()
    return "text" if different > 50 and different > len(present) / 2 else "category"


def find_date_format(column: pd.Series, date_format: str = "auto") -> str | None:
    """The shape in which every value of a text column can be read as a date, or None."""
    present = column.dropna().astype(str)
    formats = DATE_FORMATS if date_format == "auto" else (date_format,)
    for shape in formats:
        # A few values decide for most columns; only what may be dates is read in full.
        if _read_as(present.head(20), shape).all() and _read_as(present, shape).all():
            return shape
    return None


def to_dates(column: pd.Series, date_format: str | None) -> pd.Series:
    """The column as dates without time zone; what can't be read becomes missing (NaT)."""
    if not pd.api.types.is_datetime64_any_dtype(column):
        column = pd.to_datetime(column.astype("str"), format=date_format, errors="coerce", utc=True)
    return column.dt.tz_localize(None) if column.dt.tz is not None else column


def check_columns(table: pd.DataFrame, data: Data, place: str) -> None:
    """Refuse the features that no step could use rightly; `place` says where to mend them."""
    for name in table:
        column = table[name]
        kind = column_kind(column, data.date_format)
        if kind == "number":
            _refuse_infinite(column, place)
        elif kind in ("category", "text"):
            _refuse_mixed(column, place)


def check_target(target: pd.Series, data: Data) -> pd.Series:
    """The target without its missing rows, as numbers (regression) or as classes.

    Raises CapstoneError when the column doesn't suit the problem.
    """
    name, problem = target.name, data.problem
    target = target.dropna()
    if target.empty:
        raise CapstoneError(
            f'Target "{name}" is missing in every row: name another in [data] target.'
        )
    if problem == "regression":
        return _check_number_target(target)
    if pd.api.types.is_float_dtype(target) and (target % 1 == 0).all():
        target = target.astype("int64")  # 0.0 and 1.0 are the classes 0 and 1
    counts = target.value_counts()
    if len(counts) == 1:
        raise CapstoneError(
            f'Target "{name}" is {counts.index[0]!r} in every row: nothing to learn.'
        )
    if len(counts) > MOST_CLASSES:
        raise CapstoneError(
            f'Target "{name}" has {len(counts)} different values, too many for classes: '
            'set [data] problem = "regression", or name another target.'
        )
    if problem == "binary" and len(counts) > 2:
        raise CapstoneError(
            f'Target "{name}" has {len(counts)} classes, but a binary problem has two: '
            'set [data] problem = "multiclass".'
        )
    if counts.iloc[-1] < FEWEST_PER_CLASS:
        raise CapstoneError(
            f'Target "{name}": class {counts.index[-1]!r} has {counts.iloc[-1]} row(s), but each class '
            f"needs {FEWEST_PER_CLASS} or more: merge it with another or drop it in clean()."
        )
    if data.positive != "" and str(data.positive) not in map(str, counts.index):
        raise CapstoneError(
            f'[data] positive is "{data.positive}", but the classes of "{name}" are '
            f"{', '.join(map(str, counts.index))}."
        )
    return target


def class_names(target: pd.Series, positive: object = "") -> list[str]:
    """The classes as text, in order; the positive one, when named, goes last."""
    names = [str(value) for value in sorted(target.unique())]
    if positive != "":
        names.sort(key=lambda name: name == str(positive))
    return names


def feature_columns(table: pd.DataFrame, data: Data) -> list[str]:
    """Columns that the network may see: not the target, the id, nor what is sensitive or left out."""
    hidden = {
        data.target,
        data.id,
        *data.leave_out,
        *([] if data.use_sensitive else data.sensitive),
    }
    return [name for name in table if name not in hidden]


def check_named_columns(table: pd.DataFrame, named: dict[str, list[str]], path: str) -> None:
    """Every column that capstone.toml names must be in the table."""
    for key, names in named.items():
        for name in names:
            if name not in table:
                raise CapstoneError(
                    f'{path} has no column "{name}" (capstone.toml, {key})'
                    f"{did_you_mean(name, table.columns)}"
                )


def _read_as(values: pd.Series, shape: str) -> pd.Series:
    """Which values can be read as dates of that shape (strptime codes, or "ISO8601")."""
    try:
        return pd.to_datetime(values, format=shape, errors="coerce", utc=True).notna()
    except ValueError:
        raise CapstoneError(
            f'[data] date_format "{shape}" is no date format such as "%d.%m.%Y".'
        ) from None


def _refuse_infinite(column: pd.Series, place: str) -> None:
    too_large = column.astype("float64").abs() > LARGEST
    if too_large.any():
        row = too_large.idxmax()
        raise CapstoneError(
            f'Column "{column.name}" is {column[row]:g} in row {row}, which no network can use: make it '
            f"smaller or missing in clean() ({place})."
        )


def _refuse_mixed(column: pd.Series, place: str) -> None:
    """A text column that is mostly numbers, or mostly dates, has values that someone should mend."""
    present = column.dropna().astype(str)
    numbers = pd.to_numeric(present, errors="coerce").notna()
    if numbers.all():
        raise CapstoneError(
            f'Column "{column.name}" holds whole numbers too long to keep every digit, such as '
            f"{present.iloc[0][:25]}: if it is an id, add it to [data] leave_out."
        )
    if numbers.mean() >= 0.5:
        odd = numbers.idxmin()
        raise CapstoneError(
            f'Column "{column.name}" mixes numbers with text such as "{present[odd][:25]}" (row {odd}): '
            f"mend it in clean() ({place}), e.g. with pd.to_numeric(..., errors='coerce')."
        )
    if not present.head(50).str.contains(r"\d").all():
        return  # no dates: spare the time of trying
    shapes = pd.DataFrame({shape: _read_as(present, shape) for shape in DATE_FORMATS})
    if shapes.any(axis=1).mean() >= 0.9:
        main = shapes.mean().idxmax()
        odd = shapes[main].idxmin()
        raise CapstoneError(
            f'Column "{column.name}" holds dates in several shapes, such as '
            f'"{present[shapes[main].idxmax()]}" and "{present[odd][:25]}" (row {odd}): '
            f"bring them to one in clean() ({place})."
        )


def _check_number_target(target: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(target, errors="coerce")
    if numbers.isna().any() or pd.api.types.is_bool_dtype(target):
        odd = numbers.isna().idxmax()
        raise CapstoneError(
            f'Target "{target.name}" is "{target[odd]}" in row {odd}, but regression needs numbers: '
            'mend it in clean(), or set [data] problem = "multiclass".'
        )
    numbers = numbers.astype("float64")
    if (numbers.abs() > LARGEST).any():
        row = numbers.abs().idxmax()
        raise CapstoneError(
            f'Target "{target.name}" is {numbers[row]:g} in row {row}: make it smaller in clean(), or drop '
            "the row."
        )
    if numbers.nunique() == 1:
        raise CapstoneError(
            f'Target "{target.name}" is {numbers.iloc[0]:g} in every row: nothing to learn.'
        )
    return numbers
