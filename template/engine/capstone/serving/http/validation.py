"""The body of a request into columns, checked against schema.json column by column, not row by row.

What training never saw is answered with a warning; what can't be a value of the column is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import orjson

from capstone.core.errors import did_you_mean
from capstone.serving.http.problem_details import Errors, Problem
from capstone.serving.http.values import TYPES, Dates, Values, as_objects, check_values, plain
from capstone.serving.inference.arrays import seconds

MANY = 500  # values from which on checking an array is quicker than checking a list
NUMBERS = {*TYPES["number"], type(None)}


class Fields:
    """The columns that a request may hold. Made once, when a model is loaded.

    shapes  how the dates are written, of each date column that the model takes
    """

    def __init__(
        self, schema: dict[str, Any], shapes: Mapping[str, str | None], most_rows: int
    ) -> None:
        self.schema, self.most_rows = schema, most_rows
        self.dates = {
            name: Dates(
                shape, *seconds(as_objects([schema[name]["low"], schema[name]["high"]]), None)
            )
            for name, shape in shapes.items()
        }
        self.needed = [name for name, about in schema.items() if _is_needed(about)]
        self.optional = [name for name in schema if name not in self.needed]
        self.seen = {
            name: {plain(value) for value in about["categories"]}
            for name, about in schema.items()
            if about["kind"] == "category"
        }

    def read(self, body: bytes) -> tuple[dict[str, Values], list[dict[str, Any]]]:
        """The columns of a body, and warnings. Raises Problem. Columns are lists; long ones of numbers are arrays."""
        try:
            # orjson refuses NaN, Infinity, 1e400, half surrogates, deep nesting and wrong UTF-8.
            content = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Problem(400, f"The body is no valid JSON: {error}.") from None
        if isinstance(content, dict) and len(content) == 1:
            form, value = next(iter(content.items()))
            if form == "rows" and isinstance(value, list):
                columns, colons = self._from_rows(value)
                return self._checked(body, columns, colons + 1)
            if form == "columns" and isinstance(value, dict):
                columns = self._from_columns(value)
                return self._checked(body, columns, _colons(columns) + 1)
        message = 'The body must be {"rows": [{"column": value, ...}, ...]} or {"columns": {"column": [...], ...}}.'
        raise Problem(422, message)

    def _from_rows(self, rows: list[Any]) -> tuple[dict[str, Values], int]:
        """Rows turned into columns, and how many colons their keys make."""
        self._check_count(len(rows))
        first = rows[0]
        if isinstance(first, dict):
            names = [*self.needed, *(name for name in self.optional if name in first)]
            try:
                columns: dict[str, Values] = {name: [row[name] for row in rows] for name in names}
                if set(map(len, rows)) == {len(names)}:
                    return columns, _colons(names) * len(rows)
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
        return found, sum(map(_colons, rows))

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

    def _checked(
        self, body: bytes, columns: dict[str, Values], colons: int
    ) -> tuple[dict[str, Values], list[dict[str, Any]]]:
        """The columns, and warnings of what training did not see. Raises Problem for keys, types and ranges.

        colons  that the keys which were read make in the body
        """
        types = {name: set(map(type, values)) for name, values in columns.items()}
        self._check_keys(body, columns, types, colons)
        errors, warnings = Errors(), []
        for name, values in columns.items():
            about = self.schema[name]
            if len(values) > MANY and about["kind"] == "number" and types[name] <= NUMBERS:
                columns[name] = values = np.array(values, dtype=np.float64)  # null becomes NaN
            warnings.append(
                check_values(name, values, types[name], about, self.dates, self.seen, errors)
            )
        errors.check()
        return columns, [warning for warning in warnings if warning]

    def _check_keys(
        self, body: bytes, columns: dict[str, Values], types: dict[str, set[type]], colons: int
    ) -> None:
        """Refuse a key that is given twice. The parser keeps the last one without a word.

        Each key has one colon. So where the colons of the body are as many as those of the keys kept, and those in
        texts, no key came twice; only where they are not is the body read again, by a slower parser that can tell.
        """
        found = body.count(b":")
        spelled = b"\\" in body and b"\\u003" in body  # a colon written as its number
        if found == colons and not spelled:
            return  # and none in the texts
        for name, values in columns.items():
            if str in TYPES[self.schema[name]["kind"]]:
                words = values if types[name] == {str} else [v for v in values if type(v) is str]
                colons += "".join(words).count(":")
        if found == colons and not spelled:
            return
        try:
            json.loads(body, object_pairs_hook=_each_key_once)
        except (RecursionError, ValueError):
            raise Problem(400, "The body holds more than rows of plain values.") from None


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


def _is_needed(about: dict[str, Any]) -> bool:
    return about["role"] == "feature" and about["kind"] != "empty"


def _colons(names: Iterable[str]) -> int:
    """How many colons these keys make in the body: the one behind each, and those in it."""
    return sum(1 + name.count(":") for name in names)


def _each_key_once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise Problem(400, f'The body holds "{name[:100]}" twice in one object: give it once.')
        content[name] = value
    return content
