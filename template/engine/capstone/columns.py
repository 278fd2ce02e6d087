"""What features.py needs to work on a pandas table and on plain arrays alike.

A table of either kind gives a column by its name, takes a new one, and names its columns when you go through it.
Arithmetic, comparisons and NumPy functions (np.where, np.log) are the same on both. What is not, is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:  # `capstone --help` imports this file too
    import numpy as np


class Table(Protocol):
    """What `clean` and `engineer` get: a pandas table, or a dictionary of NumPy arrays.

    In training it is a pandas table; a service that needs no pandas gives plain arrays, one of shape (rows,) for
    each column. Either gives a column by its name, takes a new one, names its columns when you go through it, and
    has `copy()`.
    """

    def __getitem__(self, name: Any, /) -> Any: ...
    def __setitem__(self, name: Any, column: Any, /) -> None: ...
    def __iter__(self) -> Iterator[Any]: ...
    def copy(self) -> Self: ...


def tidy_text(column: Any, lower: bool = False) -> Any:
    """A column of text without spaces around it; what is blank becomes missing.

    Any other column, such as one of numbers or of missing values alone, stays as it is.

    Parameters
    ----------
    column : Series or ndarray, shape (rows,)
        A column of a `Table`.
    lower : bool
        Whether to turn it into small letters as well.

    Returns
    -------
    Series or ndarray, shape (rows,)
        Of the same kind as the column that was given.
    """
    import numpy as np

    if isinstance(column, np.ndarray):
        return _tidy_array(column, lower)
    import pandas as pd  # not above: a service that is given arrays needs no pandas

    if not pd.api.types.is_string_dtype(column):
        return column
    text = column.str.strip()
    return (text.str.lower() if lower else text).mask(text == "")


def _tidy_array(column: np.ndarray, lower: bool) -> np.ndarray:
    import numpy as np

    values = column.tolist()
    kinds = set(map(type, values)) - {type(None)}
    if column.dtype != object or not all(issubclass(kind, str) for kind in kinds):
        return column
    tidy: dict[Any, Any] = {None: None}  # each text once, for the same ones come again and again
    for text in set(values) - {None}:
        tidy[text] = (text.lower() if lower else text).strip() or None
    return np.array([tidy[value] for value in values], dtype=object)
