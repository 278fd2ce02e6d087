"""Rows into training, validation and test parts that share nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import train_test_split

from capstone.core.errors import CapstoneError
from capstone.core.settings import Settings
from capstone.data.kinds import column_kind, find_date_format, to_dates
from capstone.data.validation import check_named_columns, check_parts

Parts = dict[str, pd.Index]


def split_rows(table: pd.DataFrame, target: pd.Series, settings: Settings) -> Parts:
    """Divide the rows. Rows that are equal in every column but the id stay in one part, so that no test row was seen.

    Parameters
    ----------
    table : DataFrame, shape (rows, columns)
        After engineer(), the target among its columns.
    target : Series, shape (rows,)
        Of the same rows, without missing values.
    settings : Settings
        How to split; several members hold out validation rows of their own, so there is no validation part then.

    Returns
    -------
    dict of str to Index
        Row numbers of "train", "test" and, for a single member, "validation".

    Raises
    ------
    CapstoneError
        When a part would have no rows, or not every class.
    """
    used = {"group": settings.split.group_column, "time": settings.split.time_column}
    if name := used.get(settings.split.method):
        key = f"[split] {settings.split.method}_column"
        check_named_columns(table, {key: [name]}, "the table after engineer()")
    if settings.split.method == "time":
        parts = _split_by_time(table, settings)
    else:
        parts = _split_at_random(table, target, settings)
    if settings.network.members > 1:  # each of them holds out rows of its own instead
        keeps = table.index.isin(parts["train"].union(parts.pop("validation")))
        parts["train"] = table.index[keeps]
    check_parts(parts, target, settings.data.problem)
    return parts


def assign_folds(
    table: pd.DataFrame, target: pd.Series, rows: pd.Index, settings: Settings
) -> np.ndarray | None:
    """A fold for each of these training rows, from 0, one for each member; None for a single member.

    What must stay in one part (copies, a group) stays in one fold. Classes are spread evenly over the
    folds; in a split by time, a fold is a stretch of time.
    """
    table, target = table.loc[rows], target[rows]
    units = _units(table, settings)
    first_rows, unit_of_row = np.unique(units, return_index=True, return_inverse=True)[1:]
    count = len(first_rows)
    members = max(2, min(settings.network.members, count // 2))
    if settings.network.members == 1:
        return None
    if settings.split.method == "time":
        order = np.argsort(times_of(table, settings).to_numpy()[first_rows], kind="stable")
        dealt = np.arange(count) * members // count
    else:
        order = np.random.default_rng(settings.seed).permutation(count)
        if settings.data.problem != "regression":
            labels = pd.factorize(target.iloc[first_rows])[0]
            order = order[np.argsort(labels[order], kind="stable")]
        dealt = np.arange(count) % members
    fold_of_unit = np.empty(count, dtype=np.int64)
    fold_of_unit[order] = dealt
    return fold_of_unit[unit_of_row]


def duplicate_groups(table: pd.DataFrame, id_column: str = "") -> np.ndarray:
    """A number per row, shape (rows,): equal rows (the id apart) have the same number."""
    columns = table.drop(columns=[id_column], errors="ignore")
    return pd.factorize(pd.util.hash_pandas_object(columns, index=False))[0]


def _units(table: pd.DataFrame, settings: Settings) -> np.ndarray:
    """A number per row; rows of one number stay together: copies and, if asked, a whole group."""
    copies, split = duplicate_groups(table, settings.data.id), settings.split
    if split.method != "group":
        return copies
    groups = table[split.group_column]
    if groups.isna().any():
        raise CapstoneError(
            f'[split] group_column "{split.group_column}" is missing in row '
            f"{groups.isna().idxmax()}: fill it in clean()."
        )
    return _linked(copies, pd.factorize(groups)[0])


def _split_at_random(table: pd.DataFrame, target: pd.Series, settings: Settings) -> Parts:
    """Divide units, not rows."""
    split, units = settings.split, _units(table, settings)
    first_rows = np.unique(units, return_index=True)[1]
    if len(first_rows) < 5:
        what = "groups" if split.method == "group" else "different rows"
        raise CapstoneError(
            f"The table has only {len(first_rows)} {what} ({len(table)} rows): too few to give "
            "training, validation and test their own."
        )
    labels = target.to_numpy()[first_rows] if split.method == "stratified" else None
    numbers = np.arange(len(first_rows))
    try:
        rest, test = train_test_split(
            numbers, test_size=split.test, random_state=settings.seed, stratify=labels
        )
        train, validation = train_test_split(
            rest,
            test_size=split.validation / (1 - split.test),
            random_state=settings.seed,
            stratify=None if labels is None else labels[rest],
        )
    except ValueError as error:
        raise CapstoneError(
            f"The rows can't be split ({error}): give [split] test and validation larger "
            "shares, or merge rare classes in clean()."
        ) from None
    unit_of_row = np.unique(units, return_inverse=True)[1]
    chosen = {"train": train, "validation": validation, "test": test}
    return {part: table.index[np.isin(unit_of_row, those)] for part, those in chosen.items()}


def _linked(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One number per row such that rows that share a number in either input share it here too."""
    rows = len(first)
    second = second + first.max() + 1
    size = int(second.max()) + 1
    graph = coo_array((np.ones(rows), (first, second)), shape=(size, size))
    return connected_components(graph, directed=False)[1][first]


def times_of(table: pd.DataFrame, settings: Settings) -> pd.Series:
    """The column that orders the rows, as dates or numbers."""
    split = settings.split
    column = table[split.time_column]
    if column_kind(column, settings.data.date_format) == "date":
        column = to_dates(column, find_date_format(column, settings.data.date_format))
    elif not pd.api.types.is_numeric_dtype(column):
        raise CapstoneError(f'[split] time_column "{split.time_column}" holds no dates or numbers.')
    if column.isna().any():
        raise CapstoneError(
            f'[split] time_column "{split.time_column}" is missing in row {column.isna().idxmax()}: '
            "drop or fill such rows in clean()."
        )
    return column


def _split_by_time(table: pd.DataFrame, settings: Settings) -> Parts:
    """The oldest rows train, the newest test; equal times stay together, later copies are left out."""
    split, column = settings.split, times_of(table, settings)
    copies = duplicate_groups(table, settings.data.id)
    times = np.sort(column.to_numpy())
    first_test = times[round(len(times) * (1 - split.test))]
    first_validation = times[round(len(times) * (1 - split.test - split.validation))]
    order = np.argsort(column.to_numpy(), kind="stable")
    earliest = pd.Series(order, index=copies[order]).groupby(level=0).first()
    original = earliest.loc[copies].to_numpy() == np.arange(len(copies))
    in_test = (column >= first_test).to_numpy()
    in_validation = (column >= first_validation).to_numpy() & ~in_test
    return {
        "train": table.index[~in_test & ~in_validation],
        "validation": table.index[in_validation & original],
        "test": table.index[in_test & original],
    }
