"""What features.py needs to work on a pandas table and on plain arrays alike.

A table of either kind gives a column by its name, takes a new one, and names its columns when you go through it.
Arithmetic, comparisons and NumPy functions (np.where, np.log) are the same on both. What is not, is here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, Self

SPACES = " \u00a0\u2009\u202f"  # the usual one, and those that programs put between thousands
QUOTES = "'\u2019"
# What may stand before a number, a currency ("€", "EUR", "R$"), and after it: one of these, a unit, a percent sign,
# or an abbreviation such as "p.m.".
BEFORE = r"(?:(?:[A-Z]{3}|S?[Ff]r|[Kk]r|zł|Rs|Kč)\.?|[A-Z]{0,2}[$€£¥₹₽₺₩₪₫฿₴₦₱])?\s?"
AFTER = r"(?:\s?[^\d.,;:/\\+\-\u2212()#]{0,12}|\s(?:[A-Za-z]\.){1,4})"


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
    return _text_for_text(column, lambda text: (text.lower() if lower else text).strip() or None)


def unify_text(
    column: Any, spellings: Mapping[str, Sequence[str]], missing: Sequence[str] = ()
) -> Any:
    """A column of text in which each word has one spelling; placeholders become missing.

    Any other column, such as one of numbers, stays as it is, and so does every text that is not named.

    Parameters
    ----------
    column : Series or ndarray, shape (rows,)
        A column of a `Table`.
    spellings : dict of str to list of str
        The spelling to keep, and the others that mean the same: {"yes": ["Yes", "y"]}.
    missing : list of str
        What stands where nothing is known, such as "k.A." or "-".

    Returns
    -------
    Series or ndarray, shape (rows,)
        Of the same kind as the column that was given.
    """
    kept: dict[str, str | None] = dict.fromkeys(_texts(missing))
    kept |= {other: word for word, others in spellings.items() for other in _texts(others)}
    return _text_for_text(column, lambda text: kept.get(text, text))


def to_number(column: Any, decimal: str = ".") -> Any:
    """Numbers out of a column of text; what is no number becomes missing.

    Marks between thousands, signs, currencies, units and percent signs are understood: "1.986,90" with a decimal
    comma, "€ 5.00", "17 %" (17.0), "(3,20)" (-3.2). A column of numbers stays as it is.

    Parameters
    ----------
    column : Series or ndarray, shape (rows,)
        A column of a `Table`.
    decimal : {".", ","}
        What stands before the decimals; the other one then stands between thousands.

    Returns
    -------
    Series or ndarray of float, shape (rows,)
        Of the same kind as the column that was given.
    """
    import numpy as np

    return _text_for(column, lambda text: parse_number(text, decimal), np.nan, "float64")


def to_date(column: Any, formats: Sequence[str]) -> Any:
    """Dates out of a column of text that is written in several ways; what fits none becomes missing.

    A column of dates stays as it is.

    Parameters
    ----------
    column : Series or ndarray, shape (rows,)
        A column of a `Table`.
    formats : list of str
        The ways, as `datetime.strptime` spells them: ["%d.%m.%Y", "%Y-%m-%d"]. The first that fits counts. A time
        with a zone (%z) becomes that of UTC.

    Returns
    -------
    Series or ndarray of datetime64, shape (rows,)
        Of the same kind as the column that was given.
    """
    import numpy as np

    forms = _texts(formats)
    for form in forms:
        # Raises ValueError for a letter that stands for no part of a date; else every cell would become missing.
        datetime.strptime(datetime(2000, 1, 1, tzinfo=UTC).strftime(form), form)
    return _text_for(
        column, lambda text: _parse_date(text, forms), np.datetime64("NaT"), "datetime64[s]"
    )


def parse_number(text: str, decimal: str = ".") -> float | None:
    """The number that a text says, or None: see `to_number`."""
    found = number_pattern(decimal).fullmatch(text.strip())
    if found is None:
        return None
    other = "," if decimal == "." else "."
    digits = re.sub(rf"[{SPACES}{QUOTES}{other}]", "", found["digits"]).replace(decimal, ".")
    negative = (found["sign"] or found["late"] or "+") != "+" or bool(found["bracket"])
    return -float(digits) if negative else float(digits)


def number_pattern(decimal: str) -> re.Pattern[str]:
    """How numbers are written with this decimal sign: its groups are the parts of a cell."""
    if decimal not in PATTERNS:
        raise ValueError(f'decimal is "{decimal}", but numbers are written with "." or ","')
    return PATTERNS[decimal]


def _pattern(decimal: str, other: str) -> re.Pattern[str]:
    point = re.escape(decimal)
    mark = f"[{re.escape(other)}{SPACES}{QUOTES}]"
    whole = rf"[1-9]\d{{0,2}}(?P<mark>{mark})\d{{3}}(?:(?P=mark)\d{{3}})*"  # 1,234,567
    if decimal == ".":
        whole = rf"(?:{whole}|[1-9]\d?(?:,\d{{2}})+,\d{{3}})"  # 12,34,567, as in India
    digits = rf"{whole}(?:{point}\d+)?|\d+(?:{point}\d*)?(?:[eE][+-]?\d+)?|{point}\d+"
    sign = r"(?P<sign>[+\-\u2212]?)"
    return re.compile(
        rf"(?P<bracket>\()?(?:{sign}\s?)?(?P<before>{BEFORE})(?P<late>[+\-\u2212]?)"
        rf"(?P<digits>{digits})(?P<after>{AFTER})(?(bracket)\))"
    )


PATTERNS = {decimal: _pattern(decimal, other) for decimal, other in ((".", ","), (",", "."))}


def _texts(texts: Sequence[str]) -> Sequence[str]:
    """Several texts; a single one is itself, not its letters."""
    return [texts] if isinstance(texts, str) else texts


def _parse_date(text: str, formats: Sequence[str]) -> datetime | None:
    for form in formats:
        try:
            moment = datetime.strptime(text.strip(), form)
        except ValueError:
            continue
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return None


def _text_for_text(column: Any, convert: Callable[[str], str | None]) -> Any:
    return _text_for(column, convert, None, "object")


def _text_for(column: Any, convert: Callable[[str], Any], missing: Any, dtype: str) -> Any:
    """A column of text, converted; any other as it is. Each text is looked at once, for texts repeat."""
    import numpy as np

    if isinstance(column, np.ndarray):
        values = column.tolist()
        kinds = set(map(type, values)) - {type(None)}
        if column.dtype != object or not all(issubclass(kind, str) for kind in kinds):
            return column
        if not kinds and dtype == "object":
            return column
        new = {text: convert(text) for text in set(values) - {None}} | {None: None}
        found = [missing if new[value] is None else new[value] for value in values]
        return np.array(found, dtype=dtype)
    import pandas as pd  # not above: a service that is given arrays needs no pandas

    if not pd.api.types.is_string_dtype(column):
        return column
    new = {text: convert(text) for text in column.dropna().unique()}
    converted = column.map(new)
    return converted.astype(column.dtype if dtype == "object" else dtype)
