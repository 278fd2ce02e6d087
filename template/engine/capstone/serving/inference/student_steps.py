"""The student's clean() and engineer() on the rows of a request: on arrays, or on a pandas table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from capstone.core.errors import CapstoneError
from capstone.core.project import package_name
from capstone.core.student_code import call_student, described, load_attribute, student_code
from capstone.serving.inference.arrays import (
    Arrays,
    arrays_for_graph,
    missing_column,
    to_datetimes,
)
from capstone.serving.inference.deadline import check_deadline


class StudentSteps:
    """clean() and engineer() of features.py: from the columns of a request to the inputs of the graph.

    Parameters
    ----------
    root : Path
        The project's folder.
    kinds : dict of str to str
        The type of each raw column in memory: see frames.raw_kinds().
    columns : dict of str to dict
        The inputs of the graph: see arrays.arrays_for_graph().
    tables : {"arrays", "pandas"}
        What the functions get: a dict of arrays, or a table of pandas.
    """

    def __init__(
        self, root: Path, kinds: dict[str, str], columns: dict[str, Any], tables: str
    ) -> None:
        self.root, self.kinds, self.columns, self.tables = root, kinds, columns, tables
        self.functions: dict[str, Callable[..., Any]] = {
            name: load_attribute(root, "features", name) for name in ("clean", "engineer")
        }

    def apply(self, raw: Arrays) -> Arrays:
        """Clean and engineer rows.

        Parameters
        ----------
        raw : dict of str to ndarray
            Columns of shape (rows,). One that is absent, such as the id, is missing in every row.

        Returns
        -------
        dict of str to ndarray
            The inputs of the graph.

        Raises
        ------
        CapstoneError
            If a step fails, or drops or adds rows.
        """
        rows = len(next(iter(raw.values())))
        raw = {
            name: raw[name] if name in raw else missing_column(kind, rows)
            for name, kind in self.kinds.items()
        }
        return self._on_arrays(raw, rows) if self.tables == "arrays" else self._on_frame(raw)

    def _on_arrays(self, raw: Arrays, rows: int) -> Arrays:
        table: Any = {
            # Datetimes arrive as text: the steps get them as they were in training.
            name: to_datetimes(column)
            if self.kinds[name] == "moment" and column.dtype.kind == "O"
            else column.copy()
            for name, column in raw.items()
        }
        with np.errstate(all="ignore"):  # as pandas does: 1 / 0 is infinite, without a warning
            for name, function in self.functions.items():
                table = call_student(function, table)
                if not isinstance(table, dict):
                    raise CapstoneError(
                        f"{name}() in {self._place()} returned {described(table)}, not a table."
                    )
        with student_code(self._place()):  # columns of any kind may have come back
            inputs = arrays_for_graph(table, self.columns, rows)
        if any(len(column) != rows for column in inputs.values()):
            raise CapstoneError(f"{self._place()} drops or adds rows.")
        return inputs

    def _on_frame(self, raw: Arrays) -> Arrays:
        from capstone.serving.inference.frames import apply_steps, frame_for_graph, to_frame

        table = to_frame(raw, self.kinds)
        result = apply_steps(table, self.functions, self.root)
        if len(result) == len(table):
            return frame_for_graph(result.loc[table.index], self.columns)
        return self._row_by_row(raw, len(table))

    def _row_by_row(self, raw: Arrays, rows: int) -> Arrays:
        """Each row alone: a step that drops repeated rows then drops none of a request."""
        results = []
        for row in range(rows):
            check_deadline()
            try:
                one = {name: column[row : row + 1] for name, column in raw.items()}
                results.append(self._on_frame(one))
            except CapstoneError as error:
                raise CapstoneError(f"Row {row + 1} has no prediction: {error}") from None
        return {name: np.concatenate([result[name] for result in results]) for name in self.columns}

    def _place(self) -> str:
        return f"src/{package_name(self.root)}/features.py"
