"""Whether a service can do what clean() and engineer() did: row by row, in a batch, and without pandas."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.project import package_name
from capstone.serving.inference.arrays import Arrays, missing_column
from capstone.serving.inference.frames import apply_steps, raw_kinds, to_arrays
from capstone.serving.inference.student_steps import StudentSteps

SINGLE_ROWS = 10  # rows that are tried one by one
REPEATED_ROWS = 10  # rows that are tried together with a copy of each
RELATIVE_TOLERANCE = 1e-9  # between two numbers


@dataclass
class StepsResult:
    """How a service applies the steps.

    tables   what it gives to them: "arrays" or "pandas"
    notes    what the student should know
    refused  why the steps can't be served; "" if they can
    """

    tables: str
    notes: list[str] = field(default_factory=list)
    refused: str = ""


class StepsCheck:
    """Applies the steps as a service would, and compares with the run.

    raw      the table as loaded, without the target
    columns  the inputs of the graph, see arrays.arrays_for_graph()
    """

    def __init__(self, root: Path, raw: pd.DataFrame, columns: dict[str, Any]) -> None:
        self.root, self.raw, self.kinds = root, raw, raw_kinds(raw)
        self.place = f"src/{package_name(root)}/features.py"
        self.on_arrays = StudentSteps(root, self.kinds, columns, "arrays")
        self.on_pandas = StudentSteps(root, self.kinds, columns, "pandas")

    def check(self, expected: Arrays, rows: pd.Index, lost: pd.Index) -> StepsResult:
        """Try arrays first, for a service then needs no pandas.

        expected  the inputs of the graph for `rows`, as the run had them
        lost      rows that clean() or engineer() dropped in the run
        """
        raw = to_arrays(self.raw.loc[rows], self.kinds)
        steps, result = self.on_arrays, StepsResult("arrays")
        if difference := _difference(steps, raw, expected, rows):
            steps, result = self.on_pandas, StepsResult("pandas")
            if reason := _difference(steps, raw, expected, rows):
                result.refused = (
                    f"{self.place} can't be applied to new rows ({reason}): make every value from the row's "
                    "own values alone, and run again."
                )
                return result
            result.notes += self._notes_on_pandas(difference, rows)
        result.notes += self._notes_on_lost(steps, lost[:SINGLE_ROWS])
        result.notes += _notes_on_missing(steps)
        return result

    def _notes_on_pandas(self, difference: str, rows: pd.Index) -> list[str]:
        """Why the steps need pandas, and what a service then does about dropped copies."""
        notes = [
            f"{self.place} needs pandas, also when the model is served: on arrays {difference}"
        ]
        table = self.raw.loc[rows[:REPEATED_ROWS]]
        repeated = pd.concat([table, table])
        repeated.index = pd.RangeIndex(1, len(repeated) + 1, name="row")
        if len(apply_steps(repeated, self.on_pandas.functions, self.root)) < len(repeated):
            notes.append(
                f"{self.place} drops copies, so that a service computes such rows one by one: take "
                "drop_duplicates() out of clean(), and set [data] drop_copies = true"
            )
        return notes

    def _notes_on_lost(self, steps: StudentSteps, lost: pd.Index) -> list[str]:
        """A row that was dropped in the run, and is dropped alone too, gets no answer."""
        raw = to_arrays(self.raw.loc[lost], self.kinds)
        for number, row in enumerate(lost):
            try:
                steps.apply({name: column[number : number + 1] for name, column in raw.items()})
            except CapstoneError as error:
                return [
                    f"a service can't answer for rows such as row {row} ({str(error).rstrip('.')}): let clean() in "
                    f"{self.place} make a value missing rather than drop the row"
                ]
        return []


def _notes_on_missing(steps: StudentSteps) -> list[str]:
    """Whether the steps can process a row in which every value is missing."""
    try:
        steps.apply({name: missing_column(kind, 1) for name, kind in steps.kinds.items()})
    except CapstoneError as error:
        return [f"a row of missing values alone can't be served: {str(error).rstrip('.')}"]
    return []


def _difference(steps: StudentSteps, raw: Arrays, expected: Arrays, rows: pd.Index) -> str:
    """How the result of the steps differs from the run's, in words; "" if it does not."""
    size = len(rows)
    every = np.arange(size)
    trials = [("in a batch", every), ("when it comes twice", np.repeat(every[:REPEATED_ROWS], 2))]
    singles = np.unique(np.linspace(0, size - 1, SINGLE_ROWS).astype(int))
    trials += [("alone", np.array([row])) for row in singles]
    for how, places in trials:
        try:
            inputs = steps.apply({name: column[places] for name, column in raw.items()})
        except CapstoneError as error:
            return f"row {rows[places[0]]} {how} fails: {str(error).rstrip('.')}"
        for name, column in inputs.items():
            same = _same(column, expected[name][places])
            if not same.all():
                row = rows[places[int(np.argmin(same))]]
                return f'"{name}" of row {row} is another {how}'
    return ""


def _same(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Which rows are equal, numbers up to rounding."""
    if left.dtype == object:
        return left == right
    with np.errstate(invalid="ignore"):  # infinite minus infinite
        return np.isclose(left, right, rtol=RELATIVE_TOLERANCE, atol=0, equal_nan=True).ravel()
