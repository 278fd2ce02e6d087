"""The student's clean() and engineer(): called, and what comes back checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.project import package_name
from capstone.core.settings import Data
from capstone.core.student_code import call_student, described, load_attribute
from capstone.core.text import quoted
from capstone.data.plain_columns import plain_table
from capstone.data.spellings import changed_meaning


def apply_step(
    name: str,
    table: pd.DataFrame,
    root: Path,
    target: str = "",
    function: Callable[..., Any] | None = None,
    may_be_empty: bool = False,
) -> tuple[pd.DataFrame, list[str]]:
    """Run the student's `clean` or `engineer` and check what comes back.

    Parameters
    ----------
    name : str
        "clean" or "engineer".
    table : DataFrame
        Its index is called "row". The student's function is given a copy.
    root : Path
        The project's folder.
    target : str
        The target's column, where the table has one: it must not get lost.
    function : callable, optional
        The step as it was imported, where a later change of the file must not count.
    may_be_empty : bool
        Whether the step may drop every row, as it may of a block of a large table.

    Returns
    -------
    tuple of DataFrame and list of str
        The new table, and what changed: rows lost, columns gone or new, a target that changed.

    Raises
    ------
    CapstoneError
        For an error in the student's code, and for a result that can't be used.
    """
    place = f"{name}() in src/{package_name(root)}/features.py"
    function = function or load_attribute(root, "features", name)
    result = call_student(function, table.copy())
    _check_result(result, table, place)
    plain, notes = plain_table(result, place)
    if target in plain and isinstance(plain[target].dtype, pd.CategoricalDtype):
        plain = plain.assign(**{target: plain[target].astype(plain[target].cat.categories.dtype)})
    if target and target not in result:
        raise CapstoneError(
            f'{place} lost the target column "{target}": return it with the others.'
        )
    if result.empty and not may_be_empty:
        raise CapstoneError(f"{place} returned no rows.")
    return plain, _changes(table, result, target) + notes


def clean_table(
    raw: pd.DataFrame, root: Path, data: Data, may_be_empty: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """The table after the student's clean(), without rows that repeat an earlier one if [data] drop_copies says so.

    Returns and raises as `apply_step` does.
    """
    table, changes = apply_step("clean", raw, root, data.target, may_be_empty=may_be_empty)
    copies = table.duplicated() if data.drop_copies else table.index < 0
    if copies.any():
        changes.append(f"{copies.sum():,} of {len(table):,} rows dropped as copies of others")
    return table[~copies], changes


def _check_result(result: object, table: pd.DataFrame, place: str) -> None:
    """What a step returns must be a table of the same rows, or some of them, and of different columns."""
    if not isinstance(result, pd.DataFrame):
        hint = ": did you forget `return table`?" if result is None else "."
        raise CapstoneError(f"{place} returned {described(result)}, not a table{hint}")
    same_kind = result.index.dtype == table.index.dtype
    if result.index.name != "row" or not same_kind or not result.index.isin(table.index).all():
        raise CapstoneError(
            f"{place} changed the row numbers: leave the index as it is "
            "(no reset_index; use table.join instead of merge)."
        )
    if not result.index.is_unique:
        raise CapstoneError(f"{place} made rows appear twice: it may drop rows but not add any.")
    if not result.columns.is_unique:
        repeated = result.columns[result.columns.duplicated()][0]
        raise CapstoneError(f'{place} returned two columns called "{repeated}".')


def _changes(before: pd.DataFrame, after: pd.DataFrame, target: str) -> list[str]:
    lost = len(before) - len(after)
    gone = [str(name) for name in before if name not in after]
    new = [str(name) for name in after if name not in before]
    changes = [f"{lost:,} of {len(before):,} rows dropped"] if lost else []
    changes += [f"columns gone: {', '.join(gone)}"] if gone else []
    changes += [f"new columns: {', '.join(new)}"] if new else []
    if target and not before.loc[after.index, target].equals(after[target]):
        changes += _target_changes(before.loc[after.index, target], after[target])
    return changes


def _target_changes(before: pd.Series, after: pd.Series) -> list[str]:
    """An alarm where the answer itself is another now; else what was mended about the way it is written."""
    changed = changed_meaning(before, after)
    if changed.any():
        row = changed.idxmax()
        example = f"such as {quoted(before[row])} to {quoted(after[row])} in row {row}"
        return [
            f'TARGET "{after.name}" CHANGED, {example} (predictions will be of the changed one)'
        ]
    spellings, values = before.nunique(), after.nunique()
    mended = []
    if pd.api.types.is_numeric_dtype(after) and not pd.api.types.is_numeric_dtype(before):
        mended.append(f'target "{after.name}" read as numbers')
    elif values < spellings:
        mended.append(f'target "{after.name}": {spellings:,} spellings are {values:,} values now')
    if lost := int((after.isna() & before.notna()).sum()):
        are = "value" if lost == 1 else "values"
        mended.append(f'{lost:,} {are} of "{after.name}" made missing')
    return mended
