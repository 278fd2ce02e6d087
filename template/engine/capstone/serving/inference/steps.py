"""The student's clean() and engineer() on the rows of a request: on arrays, or on a pandas table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from capstone.core.errors import CapstoneError
from capstone.core.project import call_student, load_attribute, package_name
from capstone.serving.inference.arrays import Arrays, for_graph

STEPS = ("clean", "engineer")


class Steps:
    """From the columns of a request to what the graph takes.

    raw      how each column lies in memory: see frames.raw_kinds
    columns  what the graph takes: see arrays.for_graph
    tables   "arrays" or "pandas"
    """

    def __init__(
        self, root: Path, raw: dict[str, str], columns: dict[str, Any], tables: str
    ) -> None:
        self.root, self.raw, self.columns, self.tables = root, raw, columns, tables
        self.functions: list[Callable[..., Any]] = [
            load_attribute(root, "features", name) for name in STEPS
        ]

    def apply(self, given: Arrays) -> Arrays:
        """Clean and engineer the rows. Raises CapstoneError where the steps don't keep them all.

        A column that is not given, such as the id, is missing in every row.
        """
        rows = len(next(iter(given.values())))
        given = {
            name: given[name] if name in given else nothing(kind, rows)
            for name, kind in self.raw.items()
        }
        return self._on_arrays(given, rows) if self.tables == "arrays" else self._on_pandas(given)

    def _on_arrays(self, given: Arrays, rows: int) -> Arrays:
        table: Any = {name: self._typed(name, column.copy()) for name, column in given.items()}
        with np.errstate(all="ignore"):  # as pandas does: 1 / 0 is infinite, without a warning
            for name, function in zip(STEPS, self.functions, strict=True):
                table = call_student(function, self.root, table)
                if not isinstance(table, dict):
                    raise CapstoneError(
                        f"{name}() in {self._place()} returned {type(table).__name__}, not a table."
                    )
        ready = for_graph(table, self.columns, rows)
        if any(len(column) != rows for column in ready.values()):
            raise CapstoneError(f"{self._place()} drops or adds rows.")
        return ready

    def _on_pandas(self, given: Arrays) -> Arrays:
        from capstone.serving.inference.frames import apply_steps, frame_for_graph, to_frame

        table = to_frame(given, self.raw)
        functions = dict(zip(STEPS, self.functions, strict=True))
        ready = apply_steps(table, functions, self.root)
        if len(ready) < len(table):
            if len(table) == 1:  # apply_step has said so already, for no row was left
                raise CapstoneError(f"{self._place()} dropped the row.")
            return self._one_by_one(given, len(table))
        return frame_for_graph(ready.loc[table.index], self.columns)

    def _one_by_one(self, given: Arrays, rows: int) -> Arrays:
        """Each row alone: a step that drops copies of a row in a request drops none then."""
        each = []
        for row in range(rows):
            try:
                one = {name: column[row : row + 1] for name, column in given.items()}
                each.append(self._on_pandas(one))
            except CapstoneError as error:
                raise CapstoneError(f"Row {row + 1} has no prediction: {error}") from None
        return {name: np.concatenate([its[name] for its in each]) for name in self.columns}

    def _typed(self, name: str, column: np.ndarray) -> np.ndarray:
        """Moments that came as text become what they were in training."""
        if self.raw.get(name) == "moment" and column.dtype.kind == "O":
            from capstone.serving.inference.arrays import seconds

            known = seconds(column, None)
            moments = np.where(np.isnan(known), 0, known).astype("datetime64[s]")
            moments[np.isnan(known)] = np.datetime64("NaT")
            return moments
        return column

    def _place(self) -> str:
        return f"src/{package_name(self.root)}/features.py"


def nothing(kind: str, rows: int) -> np.ndarray:
    """A column in which every value is missing."""
    if kind in ("integer", "number"):
        return np.full(rows, np.nan)
    if kind == "moment":
        return np.full(rows, "NaT", dtype="datetime64[s]")
    return np.full(rows, None, dtype=object)
