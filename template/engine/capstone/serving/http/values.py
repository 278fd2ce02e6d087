"""The values of one column: what is refused, and what is answered with a warning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from capstone.serving.http.problem_details import Errors
from capstone.serving.inference.arrays import seconds

MOST_SHOWN = 20  # rows named in a warning
LARGEST = 3e38  # the model calculates with float32
LONGEST = 1000  # letters of a category
TYPES: dict[str, set[type]] = {
    "number": {int, float},
    "boolean": {bool},
    "category": {str},
    "text": {str},
    "date": {str},
    "empty": {bool, int, float, str},
}
WORDS = {
    "number": "a number or null",
    "boolean": "true, false or null",
    "category": "a text or null",
    "text": "a text or null",
    "date": "a date as text, or null",
    "empty": "null, a number or a text",
}
Values = Sequence[Any] | np.ndarray  # as they came, or long ones of numbers


@dataclass(frozen=True)
class Dates:
    """How the dates of a column are written, and from when to when training saw them, in seconds since 1970."""

    shape: str | None
    low: float
    high: float


def check_values(
    name: str,
    values: Values,
    types: set[type],
    about: dict[str, Any],
    dates: Mapping[str, Dates],
    seen: Mapping[str, set[str]],
    errors: Errors,
) -> dict[str, Any] | None:
    """Add to the errors what can't be used; returns a warning of what training did not see.

    types   of the values, as they were sent
    about   the column's part of schema.json
    dates   how dates are written, by column
    seen    the categories of training, by column, as plain() makes them
    """
    kind = about["kind"]
    if odd := types - TYPES[kind] - {type(None)}:
        for row, value in enumerate(values):
            if type(value) in odd:
                errors.add(f"rows[{row}].{name}", f"must be {WORDS[kind]}")
    elif kind == "number":
        return _check_numbers(name, values, about, errors)
    elif kind == "category":
        found = _check_categories(name, values, seen[name], errors)
        return found if about["complete"] else None
    elif kind == "date" and name in dates:
        return _check_dates(name, values, about, dates[name], errors)
    return None


def plain(category: str) -> str:
    """A category without the spaces and capital letters that a student's clean() mostly unifies."""
    return category.strip().casefold()


def as_objects(values: Values) -> np.ndarray:
    """An array that holds Python's own values."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _check_numbers(
    name: str, values: Values, about: dict[str, Any], errors: Errors
) -> dict[str, Any] | None:
    low, high = about["low"], about["high"]
    if isinstance(values, np.ndarray):  # what is missing, NaN, is neither below nor above
        outside = np.flatnonzero((values < low) | (values > high)).tolist()
    else:
        outside = [
            row
            for row, value in enumerate(values)
            if value is not None and not low <= value <= high
        ]
    if not outside:
        return None
    for row in outside:
        if abs(values[row]) > LARGEST:
            errors.add(f"rows[{row}].{name}", "is too large a number")
    return _warning(name, outside, f"lies outside what training saw, {low:g} to {high:g}")


def _check_categories(
    name: str, values: Values, seen: set[str], errors: Errors
) -> dict[str, Any] | None:
    new = {value for value in set(values) if value and plain(value) not in seen}
    rows = [row for row, value in enumerate(values) if value in new] if new else []
    for row in rows:
        if len(values[row]) > LONGEST:
            errors.add(f"rows[{row}].{name}", f"is longer than {LONGEST:,} letters")
    return _warning(name, rows, "holds a category that training did not") if new else None


def _check_dates(
    name: str, values: Values, about: dict[str, Any], dates: Dates, errors: Errors
) -> dict[str, Any] | None:
    different = [value for value in set(values) if value is not None]
    moments = dict(zip(different, seconds(as_objects(different), dates.shape), strict=True))
    odd = {text for text, moment in moments.items() if not dates.low <= moment <= dates.high}
    outside = [row for row, value in enumerate(values) if value in odd] if odd else []
    for row in outside:
        if moments[values[row]] != moments[values[row]]:  # NaN: no date at all
            errors.add(f"rows[{row}].{name}", f'must be a date such as "{about["example"]}"')
    between = f"{about['low'][:10]} to {about['high'][:10]}"
    return _warning(name, outside, f"lies outside what training saw, {between}") if odd else None


def _warning(name: str, rows: list[int], message: str) -> dict[str, Any]:
    return {"column": name, "message": message, "rows": rows[:MOST_SHOWN], "count": len(rows)}
