"""Whether a service can do what clean() and engineer() did: row by row, in a batch, and without pandas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.project import package_name
from capstone.data.user_steps import apply_step
from capstone.serving.inference.arrays import Arrays
from capstone.serving.inference.frames import to_arrays
from capstone.serving.inference.steps import Steps, nothing

ALONE = 10  # rows that are tried one by one
TWICE = 10  # rows that are tried with each of them given twice
CLOSE = 1e-9  # how far apart two numbers may be, as a share


def judge_steps(
    root: Path,
    raw: pd.DataFrame,
    kinds: dict[str, str],
    expected: Arrays,
    rows: pd.Index,
    lost: pd.Index,
    columns: dict[str, Any],
) -> dict[str, Any]:
    """Which tables the steps can be given ("arrays" or "pandas"), notes, and why they can't be served, if so.

    raw       the table as loaded, without the target
    expected  what the graph takes of `rows`, as the run had it
    lost      rows that are not among the run's, for clean() or engineer() dropped them
    """
    given = to_arrays(raw.loc[rows], kinds)
    steps = {tables: Steps(root, kinds, columns, tables) for tables in ("arrays", "pandas")}
    place = f"src/{package_name(root)}/features.py"
    notes = []
    on_arrays = _difference(steps["arrays"], given, expected, rows)
    if not on_arrays:
        chosen = "arrays"
    else:
        chosen = "pandas"
        why = _difference(steps["pandas"], given, expected, rows)
        if why:
            refused = (
                f"{place} can't be applied to new rows ({why}): make every value from the row's own values "
                "alone, and run again."
            )
            return {"tables": chosen, "notes": [], "refused": refused}
        notes.append(f"{place} needs pandas, also when the model is served: on arrays {on_arrays}")
        if _drops_copies(root, raw.loc[rows[:TWICE]]):
            notes.append(
                f"{place} drops copies, so that a service computes such rows one by one: take drop_duplicates() "
                "out of clean(), and set [data] drop_copies = true"
            )
    notes += _dropped(steps[chosen], to_arrays(raw.loc[lost[:ALONE]], kinds), lost, place)
    notes += _empty(steps[chosen])
    return {"tables": chosen, "notes": notes, "refused": ""}


def _difference(steps: Steps, given: Arrays, expected: Arrays, rows: pd.Index) -> str:
    """Where the steps give something else than in the run, in words; "" when they don't."""
    size = len(rows)
    every = np.arange(size)
    trials = [("in a batch", every), ("when it comes twice", np.repeat(every[:TWICE], 2))]
    alone = np.unique(np.linspace(0, size - 1, ALONE).astype(int))
    trials += [("alone", np.array([row])) for row in alone]
    for how, places in trials:
        try:
            got = steps.apply({name: column[places] for name, column in given.items()})
        except CapstoneError as error:
            return f"row {rows[places[0]]} {how} fails: {str(error).rstrip('.')}"
        for name, column in got.items():
            same = _same(column, expected[name][places])
            if not same.all():
                first = rows[places[int(np.argmin(same))]]
                return f'"{name}" of row {first} is another {how}'
    return ""


def _same(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which rows are equal, numbers up to rounding."""
    if one.dtype == object:
        return one == other
    with np.errstate(invalid="ignore"):  # infinite minus infinite
        return np.isclose(one, other, rtol=CLOSE, atol=0, equal_nan=True).ravel()


def _drops_copies(root: Path, table: pd.DataFrame) -> bool:
    """Whether of two equal rows one is lost."""
    twice = pd.concat([table, table])
    twice.index = pd.RangeIndex(1, len(twice) + 1, name="row")
    for name in ("clean", "engineer"):
        twice = apply_step(name, twice, root)[0]
    return len(twice) < 2 * len(table)


def _dropped(steps: Steps, given: Arrays, lost: pd.Index, place: str) -> list[str]:
    """A row that was lost, and is lost alone too, can't be answered for."""
    for number, row in enumerate(lost[:ALONE]):
        try:
            steps.apply({name: column[number : number + 1] for name, column in given.items()})
        except CapstoneError as error:
            return [
                f"a service can't answer for rows such as row {row} ({str(error).rstrip('.')}): let clean() in "
                f"{place} make a value missing rather than drop the row"
            ]
    return []


def _empty(steps: Steps) -> list[str]:
    """Whether the steps can stand a row of which nothing is known."""
    try:
        steps.apply({name: nothing(kind, 1) for name, kind in steps.raw.items()})
    except CapstoneError as error:
        return [f"a row of missing values alone can't be served: {str(error).rstrip('.')}"]
    return []
