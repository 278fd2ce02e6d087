"""The values of one column of a request: what is refused, and what is answered with a warning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from capstone.serving.http.problem_details import ErrorList
from capstone.serving.inference.arrays import MAX_DATE, to_seconds

MAX_ROWS_IN_WARNING = 20
MAX_NUMBER = 3e38  # the model calculates with float32
MAX_CATEGORY_LENGTH = 1000
# The types of each kind of column as JSON is parsed, and how a message names them.
TYPES: dict[str, tuple[set[type], str]] = {
    "number": ({int, float}, "a number or null"),
    "boolean": ({bool}, "true, false or null"),
    "category": ({str}, "a text or null"),
    "text": ({str}, "a text or null"),
    "date": ({str}, "a date as text, or null"),
    "empty": ({bool, int, float, str}, "null, a number or a text"),
}
Values = Sequence[Any] | np.ndarray  # lists as parsed, or long columns of numbers as arrays


class ColumnRules:
    """What the values of one column may be. Made once, when a model is loaded.

    column_info   the column's part of schema.json
    is_date       whether the model takes the column as a date, and
    date_format   how its dates are written then
    """

    def __init__(
        self, name: str, column_info: dict[str, Any], is_date: bool, date_format: str | None
    ) -> None:
        self.name, self.kind, self.column_info = name, column_info["kind"], column_info
        self.types, self.type_names = TYPES[self.kind]
        self.date_format, self.is_date = date_format, is_date
        if is_date:
            limits = as_objects([column_info["low"], column_info["high"]])
            self.earliest, self.latest = to_seconds(limits, None)
        elif self.kind == "number":
            self.low, self.high = number_range(column_info)
        elif self.kind == "category":
            self.seen = {normalized(category) for category in column_info["categories"]}

    def check(self, values: Values, types: set[type], errors: ErrorList) -> dict[str, Any] | None:
        """Add what can't be used to the errors; return a warning of values that training did not see.

        types  the types of the values, as they were sent
        """
        if wrong := types - self.types - {type(None)}:
            for row, value in enumerate(values):
                if type(value) in wrong:
                    errors.add(f"rows[{row}].{self.name}", f"must be {self.type_names}")
        elif self.kind == "number":
            return self._check_numbers(values, errors)
        elif self.kind == "category":
            warning = self._check_categories(values, errors)
            return warning if self.column_info["complete"] else None
        elif self.is_date:
            return self._check_dates(values, errors)
        elif self.kind == "date":  # the student's own steps read it
            for row, value in enumerate(values):
                if value is not None and len(value) > MAX_DATE:
                    errors.add(f"rows[{row}].{self.name}", f"is longer than {MAX_DATE} letters")
        return None

    def _check_numbers(self, values: Values, errors: ErrorList) -> dict[str, Any] | None:
        low, high = self.low, self.high
        if isinstance(values, np.ndarray):  # a missing value, NaN, is neither below nor above
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
            if abs(values[row]) > MAX_NUMBER:
                errors.add(f"rows[{row}].{self.name}", "is too large a number")
        return self._warning(outside, f"lies outside what training saw, {low:g} to {high:g}")

    def _check_categories(self, values: Values, errors: ErrorList) -> dict[str, Any] | None:
        unseen = {value for value in set(values) if value and normalized(value) not in self.seen}
        if not unseen:
            return None
        rows = [row for row, value in enumerate(values) if value in unseen]
        for row in rows:
            if len(values[row]) > MAX_CATEGORY_LENGTH:
                message = f"is longer than {MAX_CATEGORY_LENGTH:,} letters"
                errors.add(f"rows[{row}].{self.name}", message)
        return self._warning(rows, "holds a category that training did not")

    def _check_dates(self, values: Values, errors: ErrorList) -> dict[str, Any] | None:
        dates = [value for value in set(values) if value is not None]
        seconds = to_seconds(as_objects(dates), self.date_format).tolist()
        unseen = {
            date: second
            for date, second in zip(dates, seconds, strict=True)
            if not self.earliest <= second <= self.latest
        }
        if not unseen:
            return None
        rows = [row for row, value in enumerate(values) if value in unseen]
        for row in rows:
            if np.isnan(unseen[values[row]]):  # no date at all
                message = f'must be a date such as "{self.column_info["example"]}"'
                errors.add(f"rows[{row}].{self.name}", message)
        low, high = self.column_info["low"][:10], self.column_info["high"][:10]
        return self._warning(rows, f"lies outside what training saw, {low} to {high}")

    def _warning(self, rows: list[int], message: str) -> dict[str, Any]:
        shown = rows[:MAX_ROWS_IN_WARNING]
        return {"column": self.name, "message": message, "rows": shown, "count": len(rows)}


def number_range(column_info: dict[str, Any]) -> tuple[float, float]:
    """The lowest and the highest number that training saw; JSON has null for one that is infinite."""
    low, high = column_info["low"], column_info["high"]
    return -math.inf if low is None else low, math.inf if high is None else high


def normalized(category: str) -> str:
    """A category without the spaces and capital letters that a student's clean() mostly unifies."""
    return category.strip().casefold()


def as_objects(values: Values) -> np.ndarray:
    """An array that holds Python's own values."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
