"""What features.py needs to work on a pandas table and on plain arrays alike.

A table of either kind gives a column by its name, takes a new one, and names its columns when you go through it.
Arithmetic, comparisons and NumPy functions (np.where, np.log) are the same on both. What is not, is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, Self

import numpy as np


class Table(Protocol):
    """A pandas table, or a dictionary of NumPy arrays: rows that a service was asked about."""

    def __getitem__(self, name: Any, /) -> Any: ...
    def __setitem__(self, name: Any, column: Any, /) -> None: ...
    def __iter__(self) -> Iterator[Any]: ...
    def copy(self) -> Self: ...


def tidy_text(column: Any, lower: bool = False) -> Any:
    """A column of text without spaces around, in small letters if asked; what is blank becomes missing.

    Any other column, such as one of numbers or of missing values alone, stays as it is.
    """
    if isinstance(column, np.ndarray):
        return _tidy_array(column, lower)
    import pandas as pd  # not above: a service that is given arrays needs no pandas

    if not pd.api.types.is_string_dtype(column):
        return column
    text = column.str.strip()
    return (text.str.lower() if lower else text).mask(text == "")


def _tidy_array(column: np.ndarray, lower: bool) -> np.ndarray:
    values = column.tolist()
    kinds = set(map(type, values)) - {type(None)}
    if column.dtype != object or not all(issubclass(kind, str) for kind in kinds):
        return column
    tidy: dict[Any, Any] = {None: None}  # each text once, for the same ones come again and again
    for text in set(values) - {None}:
        tidy[text] = (text.lower() if lower else text).strip() or None
    return np.array([tidy[value] for value in values], dtype=object)
