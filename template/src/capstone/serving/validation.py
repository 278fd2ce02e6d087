"""The body of a request into columns, checked against schema.json column by column, not row by row.

What training never saw is answered with a warning; what can't be a value of the column is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from capstone.errors import did_you_mean
from capstone.serving.arrays import seconds
from capstone.serving.problems import Errors, Problem

MOST_SHOWN = 20  # rows named in a warning
LARGEST = 3e38  # the model calculates with float32
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
Values = Sequence[Any]


class Fields:
    """The columns that a request may hold. Made once, when a model is loaded.

    shapes  how the dates are written, of each date column that the model takes
    """

    def __init__(
        self, schema: dict[str, Any], shapes: Mapping[str, str | None], most_rows: int
    ) -> None:
        self.schema, self.shapes, self.most_rows = schema, shapes, most_rows
        self.needed = [name for name, about in schema.items() if _is_needed(about)]
        self.optional = [name for name in schema if name not in self.needed]
        self.seen = {
            name: {_plain(value) for value in about["categories"]}
            for name, about in schema.items()
            if about["kind"] == "category" and about["complete"]
        }

    def read(self, body: bytes) -> tuple[dict[str, Values], list[dict[str, Any]]]:
        """The columns of a body as Python lists, and warnings. Raises Problem."""
        try:
            # orjson refuses NaN, Infinity, 1e400, half surrogates, deep nesting and wrong UTF-8.
            content = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Problem(400, f"The body is no valid JSON: {error}.") from None
        if isinstance(content, dict) and len(content) == 1:
            form, value = next(iter(content.items()))
            if form == "rows" and isinstance(value, list):
                columns, entries = self._from_rows(value)
                self._check_keys(body, columns, entries + 1, rows=len(value))
                return columns, self._check(columns)
            if form == "columns" and isinstance(value, dict):
                columns = self._from_columns(value)
                self._check_keys(body, columns, len(columns) + 1, rows=1)
                return columns, self._check(columns)
        message = 'The body must be {"rows": [{"column": value, ...}, ...]} or {"columns": {"column": [...], ...}}.'
        raise Problem(422, message)

    def _from_rows(self, rows: list[Any]) -> tuple[dict[str, Values], int]:
        """Rows turned into columns, and how many values they held in all."""
        self._check_count(len(rows))
        first = rows[0]
        if isinstance(first, dict):
            names = [*self.needed, *(name for name in self.optional if name in first)]
            try:
                columns: dict[str, Values] = {name: [row[name] for row in rows] for name in names}
                if set(map(len, rows)) == {len(names)}:
                    return columns, len(names) * len(rows)
            except (KeyError, TypeError, IndexError):
                pass  # some row is not like the first: say which
        return self._from_mixed_rows(rows)

    def _from_mixed_rows(self, rows: list[Any]) -> tuple[dict[str, Values], int]:
        errors = Errors()
        held: set[str] = set()
        for number, row in enumerate(rows):
            place = f"rows[{number}]"
            if not isinstance(row, dict):
                errors.add(place, "must be an object with a value for each column")
                continue
            held |= row.keys()
            self._check_names(row, place, errors)
        errors.check()
        names = [*self.needed, *(name for name in self.optional if name in held)]
        found: dict[str, Values] = {name: [row.get(name) for row in rows] for name in names}
        return found, sum(map(len, rows))

    def _from_columns(self, columns: dict[str, Any]) -> dict[str, Values]:
        errors = Errors()
        self._check_names(columns, "columns", errors)
        errors.check()
        for name, values in columns.items():
            if not isinstance(values, list):
                errors.add(f"columns.{name}", "must be a list with a value for each row")
        errors.check()
        rows = len(columns[self.needed[0]])
        for name, values in columns.items():
            if len(values) != rows:
                errors.add(
                    f"columns.{name}",
                    f'has {len(values):,} values, but "{self.needed[0]}" has {rows:,}',
                )
        errors.check()
        self._check_count(rows)
        return {name: columns[name] for name in self.schema if name in columns}

    def _check_count(self, rows: int) -> None:
        if rows == 0:
            raise Problem(422, "The body holds no rows: send at least one.")
        if rows > self.most_rows:
            raise Problem(
                413, f"{rows:,} rows are too many: send at most {self.most_rows:,} at once."
            )

    def _check_names(self, held: dict[str, Any], place: str, errors: Errors) -> None:
        for name in self.needed:
            if name not in held:
                errors.add(f"{place}.{name}", "is missing: null stands for a value not known")
        for name in held:
            if name not in self.schema:
                errors.add(
                    f"{place}.{name[:100]}", f"is not known{did_you_mean(name, self.schema)}"
                )

    def _check_keys(self, body: bytes, columns: dict[str, Values], entries: int, rows: int) -> None:
        """Refuse a key that is given twice. The parser keeps the last one without a word.

        Each key has one colon. So where the colons of the body are as many as the values kept, and those in texts,
        no key came twice; only where they are not is the body read again, by a slower parser that can tell.
        """
        colons = sum(name.count(":") for name in columns) * rows
        for name, values in columns.items():
            if str in TYPES[self.schema[name]["kind"]]:
                kinds = set(map(type, values))
                words = values if kinds == {str} else [v for v in values if type(v) is str]
                colons += "".join(words).count(":")
        if body.count(b":") == entries + colons and b"\\u003" not in body:
            return
        try:
            json.loads(body, object_pairs_hook=_each_key_once)
        except (RecursionError, ValueError):
            raise Problem(400, "The body holds more than rows of plain values.") from None

    def _check(self, columns: dict[str, Values]) -> list[dict[str, Any]]:
        """Types and ranges of all values; returns warnings of what training did not see."""
        errors = Errors()
        warnings: list[dict[str, Any] | None] = []
        for name, values in columns.items():
            about = self.schema[name]
            kind = about["kind"]
            types = set(map(type, values))
            if odd := types - TYPES[kind] - {type(None)}:
                for row, value in enumerate(values):
                    if type(value) in odd:
                        errors.add(f"rows[{row}].{name}", f"must be {WORDS[kind]}")
            elif kind == "number":
                warnings.append(_check_numbers(name, values, about, errors))
            elif kind == "category" and name in self.seen:
                warnings.append(_check_categories(name, values, self.seen[name]))
            elif kind == "date" and name in self.shapes:
                warnings.append(_check_dates(name, values, about, self.shapes[name], errors))
        errors.check()
        return [warning for warning in warnings if warning]


def _check_numbers(
    name: str, values: Values, about: dict[str, Any], errors: Errors
) -> dict[str, Any] | None:
    present = [value for value in values if value is not None] if None in values else values
    low, high = about["low"], about["high"]
    if not present or (low <= min(present) and max(present) <= high):
        return None
    outside = []
    for row, value in enumerate(values):
        if value is not None and not low <= value <= high:
            outside.append(row)
            if abs(value) > LARGEST:
                errors.add(f"rows[{row}].{name}", "is too large a number")
    return _warning(name, outside, f"lies outside what training saw, {low:g} to {high:g}")


def _check_categories(name: str, values: Values, seen: set[str]) -> dict[str, Any] | None:
    new = {value for value in set(values) if value and _plain(value) not in seen}
    rows = [row for row, value in enumerate(values) if value in new] if new else []
    return _warning(name, rows, "holds a category that training did not") if new else None


def _check_dates(
    name: str, values: Values, about: dict[str, Any], shape: str | None, errors: Errors
) -> dict[str, Any] | None:
    different = [value for value in set(values) if value is not None]
    moments = dict(zip(different, seconds(as_objects(different), shape).tolist(), strict=True))
    low, high = seconds(as_objects([about["low"], about["high"]]), None).tolist()
    odd = {text for text, moment in moments.items() if not low <= moment <= high}
    outside = [row for row, value in enumerate(values) if value in odd] if odd else []
    for row in outside:
        if moments[values[row]] != moments[values[row]]:  # NaN: no date at all
            errors.add(f"rows[{row}].{name}", f'must be a date such as "{about["example"]}"')
    between = f"{about['low'][:10]} to {about['high'][:10]}"
    return _warning(name, outside, f"lies outside what training saw, {between}") if odd else None


def as_arrays(columns: dict[str, Values], schema: dict[str, Any]) -> dict[str, np.ndarray]:
    """Columns as the student's steps get them: numbers with NaN, booleans, all else as objects with None."""
    arrays = {}
    for name, values in columns.items():
        kind = schema[name]["kind"]
        if kind == "number":
            arrays[name] = np.array(values, dtype=np.float64)
        elif kind == "boolean" and None not in values:
            arrays[name] = np.array(values, dtype=np.bool_)
        else:
            arrays[name] = as_objects(values)
    return arrays


def as_objects(values: Values) -> np.ndarray:
    """An array that holds Python's own values."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _is_needed(about: dict[str, Any]) -> bool:
    return about["role"] == "feature" and about["kind"] != "empty"


def _plain(category: str) -> str:
    """A category without the spaces and capital letters that a student's clean() mostly unifies."""
    return category.strip().casefold()


def _warning(name: str, rows: list[int], message: str) -> dict[str, Any]:
    return {"column": name, "message": message, "rows": rows[:MOST_SHOWN], "count": len(rows)}


def _each_key_once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise Problem(400, f'The body holds "{name[:100]}" twice in one object: give it once.')
        content[name] = value
    return content
