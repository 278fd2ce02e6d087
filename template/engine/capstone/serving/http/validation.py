"""The body of a request into columns, checked against schema.json column by column, not row by row.

A value that training did not see is answered with a warning; one that can't belong to its column is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import orjson

from capstone.core.errors import did_you_mean
from capstone.serving.http.middleware import LARGE_BODY
from capstone.serving.http.outline import count_names, refuse_excess
from capstone.serving.http.problem_details import ErrorList, Problem
from capstone.serving.http.values import TYPES, ColumnRules, Values, as_objects
from capstone.serving.inference.deadline import check_deadline

ARRAY_ROWS = 500  # from so many values on, checking an array is quicker than checking a list
MAX_NAME = 100  # letters of a name in a message
MAX_UNKNOWN = 100  # names in a row, beyond those of the columns, that are refused one by one
MAX_NAMES = 200  # of columns, among which the nearest is looked for
NUMBER_TYPES = {*TYPES["number"][0], type(None)}


class InputSchema:
    """The columns that a request may hold. Made once, when a model is loaded.

    schema        schema.json
    date_formats  how dates are written, of each date column that the model takes
    """

    def __init__(
        self, schema: dict[str, Any], date_formats: Mapping[str, str | None], max_rows: int
    ) -> None:
        self.schema, self.max_rows = schema, max_rows
        self.rules = {
            name: ColumnRules(name, info, name in date_formats, date_formats.get(name))
            for name, info in schema.items()
        }
        features = [name for name, info in schema.items() if info["role"] == "feature"]
        self.required = [name for name in features if schema[name]["kind"] != "empty"]
        self.optional = [name for name in schema if name not in self.required]

    def parse(self, body: bytes) -> tuple[dict[str, Values], list[dict[str, Any]]]:
        """The columns of a body, and warnings. Raises Problem. Columns are lists; long ones of numbers are arrays."""
        if len(body) > LARGE_BODY:
            refuse_excess(body, self.max_rows, len(self.schema) + MAX_UNKNOWN)
        try:
            # orjson refuses NaN, Infinity, 1e400, half surrogates, deep nesting and wrong UTF-8.
            content = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Problem(400, f"The body is no valid JSON: {error}.") from None
        if isinstance(content, dict) and len(content) == 1:
            form, value = next(iter(content.items()))
            if form == "rows" and isinstance(value, list):
                columns, names = self._from_rows(value)
                return self._check(body, columns, names + 1)
            if form == "columns" and isinstance(value, dict):
                columns = self._from_columns(value)
                return self._check(body, columns, len(columns) + 1)
        message = 'The body must be {"rows": [{"column": value, ...}, ...]} or {"columns": {"column": [...], ...}}.'
        raise Problem(422, message)

    def _from_rows(self, rows: list[Any]) -> tuple[dict[str, Values], int]:
        """Rows turned into columns, and how many names they hold."""
        self._check_count(len(rows))
        first = rows[0]
        if isinstance(first, dict):
            names = [*self.required, *(name for name in self.optional if name in first)]
            try:
                columns: dict[str, Values] = {name: [row[name] for row in rows] for name in names}
                if set(map(len, rows)) == {len(names)}:
                    return columns, len(names) * len(rows)
            except (KeyError, TypeError, IndexError):
                pass  # some row is not like the first one: find out which
        return self._from_mixed_rows(rows)

    def _from_mixed_rows(self, rows: list[Any]) -> tuple[dict[str, Values], int]:
        errors = ErrorList()
        present: set[str] = set()
        for number, row in enumerate(rows):
            place = f"rows[{number}]"
            if not isinstance(row, dict):
                errors.add(place, "must be an object with a value for each column")
                continue
            present |= row.keys()
            self._check_names(row, place, errors)
        errors.raise_if_any()
        names = [*self.required, *(name for name in self.optional if name in present)]
        columns: dict[str, Values] = {name: [row.get(name) for row in rows] for name in names}
        return columns, sum(map(len, rows))

    def _from_columns(self, columns: dict[str, Any]) -> dict[str, Values]:
        errors = ErrorList()
        self._check_names(columns, "columns", errors)
        errors.raise_if_any()
        for name, values in columns.items():
            if not isinstance(values, list):
                errors.add(f"columns.{name}", "must be a list with a value for each row")
        errors.raise_if_any()
        first = self.required[0]
        rows = len(columns[first])
        for name, values in columns.items():
            if len(values) != rows:
                message = f'has {len(values):,} values, but "{first}" has {rows:,}'
                errors.add(f"columns.{name}", message)
        errors.raise_if_any()
        self._check_count(rows)
        return {name: columns[name] for name in self.schema if name in columns}

    def _check_count(self, rows: int) -> None:
        if rows == 0:
            raise Problem(422, "The body holds no rows: send at least one.")
        if rows > self.max_rows:
            message = f"{rows:,} rows are too many: send at most {self.max_rows:,} at once."
            raise Problem(413, message)

    def _check_names(self, content: dict[str, Any], place: str, errors: ErrorList) -> None:
        for name in self.required:
            if name not in content:
                errors.add(f"{place}.{name}", "is missing: null stands for a value not known")
        for name in content:
            if name not in self.schema:
                short = name[:MAX_NAME]
                # Looking for the nearest name takes longer than all the rest.
                looks = errors.keeps and len(self.schema) <= MAX_NAMES
                hint = did_you_mean(short, self.schema) if looks else ""
                errors.add(f"{place}.{short}", f"is not known{hint}")

    def _check(
        self, body: bytes, columns: dict[str, Values], names: int
    ) -> tuple[dict[str, Values], list[dict[str, Any]]]:
        """The columns, and warnings of values that training did not see. Raises Problem for keys, types and ranges.

        names  how many the parsed objects hold
        """
        types = {name: set(map(type, values)) for name, values in columns.items()}
        _refuse_repeated_names(body, names)
        errors, warnings = ErrorList(), []
        for name, values in columns.items():
            rules = self.rules[name]
            if len(values) > ARRAY_ROWS and rules.kind == "number" and types[name] <= NUMBER_TYPES:
                columns[name] = values = np.array(values, dtype=np.float64)  # null becomes NaN
            warnings.append(rules.check(values, types[name], errors))
        errors.raise_if_any()
        return columns, [warning for warning in warnings if warning]


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


def _refuse_repeated_names(body: bytes, names: int) -> None:
    """Refuse a name that stands twice in an object: the parser silently keeps the last one.

    Only where the body holds more names than the parsed objects is it read again, by a slower parser that can tell.
    """
    if count_names(body) == names:
        return
    try:
        json.loads(body, object_pairs_hook=_named_once)
    except (RecursionError, ValueError):
        raise Problem(400, "The body holds more than rows of plain values.") from None


def _named_once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    check_deadline()
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise Problem(400, f'The body holds "{name[:100]}" twice in one object: give it once.')
        content[name] = value
    return content
