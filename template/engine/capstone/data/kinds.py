"""What the columns of a table hold: numbers, booleans, dates, categories or free text."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.settings import Data
from capstone.core.text import MISSING
from capstone.data.spellings import class_to_detect

Kind = Literal["number", "boolean", "date", "category", "text", "empty"]
ID_LIKE = 0.98  # share of different values
# Shapes in which dates are written. The first that fits every value of a column is taken.
DATE_FORMATS = (
    "ISO8601",
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y"),
    *("%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y"),
    *("%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"),
)


def column_kind(column: pd.Series, date_format: str = "auto") -> Kind:
    """What a column holds. "text" is free text: so many different values that they are no categories."""
    present = column.dropna()
    if present.empty:
        return "empty"
    types = pd.api.types
    if types.is_bool_dtype(present):
        return "boolean"
    if types.is_numeric_dtype(present):
        return "number"
    if set(present.map(type)) <= {bool, np.bool_}:
        return "boolean"
    if types.is_datetime64_any_dtype(present) or find_date_format(present, date_format):
        return "date"
    different = present.astype(str).nunique()
    return "text" if different > 50 and different > len(present) / 2 else "category"


def find_date_format(column: pd.Series, date_format: str = "auto") -> str | None:
    """The shape in which every value of a text column can be read as a date, or None."""
    present = column.dropna()
    if present.empty:
        return None
    formats = possible_formats(str(present.iloc[0])) if date_format == "auto" else (date_format,)
    present = present.astype(str) if formats else present
    for shape in formats:
        # A few values decide for most columns; only what may be dates is read in full.
        if read_as_dates(present.head(20), shape).all() and read_as_dates(present, shape).all():
            return shape
    return None


def possible_formats(value: str) -> tuple[str, ...]:
    """Those of DATE_FORMATS that a value may have, at a glance: trying all of them takes a thousand times as long."""
    if value.strip()[:1].isdigit():
        return DATE_FORMATS
    return tuple(shape for shape in DATE_FORMATS if shape.lower().startswith("%b") and "," in value)


def day_and_month_unclear(column: pd.Series, shape: str) -> bool:
    """Whether dates read as day/month could as well be month/day: no day is beyond the twelfth."""
    swapped = shape.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
    if swapped == shape or swapped not in DATE_FORMATS:
        return False
    return bool(read_as_dates(column.dropna().astype(str), swapped).all())


def to_dates(column: pd.Series, date_format: str | None) -> pd.Series:
    """The column as dates without time zone; what can't be read becomes missing (NaT)."""
    if not pd.api.types.is_datetime64_any_dtype(column):
        column = pd.to_datetime(column.astype("str"), format=date_format, errors="coerce", utc=True)
    return column.dt.tz_localize(None) if column.dt.tz is not None else column


def class_names(target: pd.Series, positive: object = "") -> list[str]:
    """The classes as text, in order; of two, the one to detect goes last: the one named, or the likely one."""
    names = [str(value) for value in sorted(target.unique())]
    if len(names) == 2 and positive == "":
        positive = class_to_detect(target)[0]
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


def column_role(name: str, data: Data) -> str:
    """What capstone.toml says a column is for: "target", "id", "left out", "sensitive" or "feature"."""
    roles = {data.target: "target", data.id: "id"}
    roles |= dict.fromkeys(data.leave_out, "left out") | dict.fromkeys(data.sensitive, "sensitive")
    return roles.get(name, "feature")


def looks_like_id(column: pd.Series, kind: Kind) -> bool:
    """Whether nearly every value is another one, as in a column of ids or free text."""
    may_be_id = kind in ("text", "category") or pd.api.types.is_integer_dtype(column)
    return may_be_id and len(column) > 50 and column.nunique() >= ID_LIKE * len(column)


def read_as_dates(values: pd.Series, shape: str) -> pd.Series:
    """Which values can be read as dates of that shape (strptime codes, or "ISO8601")."""
    try:
        if "%" not in shape and shape not in ("ISO8601", "mixed"):
            raise ValueError("a format without a part of a date")
        return pd.to_datetime(values, format=shape, errors="coerce", utc=True).notna()
    except (ValueError, re.error):  # re.error: a part that comes twice
        raise CapstoneError(
            f'[data] date_format "{shape}" is no date format such as "%d.%m.%Y".'
        ) from None


def floats(column: pd.Series) -> pd.Series:
    """A column of numbers or booleans as float64; what is no number becomes missing."""
    if not pd.api.types.is_numeric_dtype(column):
        column = pd.to_numeric(column.astype(object), errors="coerce")
    return column.astype("float64")


def texts(column: pd.Series) -> pd.Series:
    """A column of categories as text, a word of its own where nothing is known."""
    return column.astype(object).where(column.notna(), MISSING).astype(str)
