"""How closely columns go together, two by two, from 0 (not at all) to 1 (one gives the other)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capstone.data.kinds import column_kind, find_date_format, to_dates

MOST_COLUMNS = 16
MOST_ROWS = 5000
MOST_CLASSES = 50
SEED = 0


def associations(table: pd.DataFrame, first: str = "", date_format: str = "auto") -> pd.DataFrame:
    """A square table of associations between the columns.

    Two columns of numbers or dates are compared by the size of Spearman's rank correlation, two of categories by
    Cramér's V (with Bergsma's correction, so that chance alone makes no association), one of each by the correlation
    ratio of the ranks.

    Parameters
    ----------
    table : DataFrame
        Of more than 5,000 rows a sample is taken. Free text and columns with one value are left out.
    first : str
        The column to put first, such as the target; the 15 that go with it most closely follow.
    date_format : str
        How dates are written, as in [data] date_format.

    Returns
    -------
    DataFrame of float, shape (columns, columns)
        Symmetric, 1 on the diagonal, nan where too few rows have both values.
    """
    if len(table) > MOST_ROWS:
        table = table.sample(MOST_ROWS, random_state=SEED)
    columns = {}
    for name in table:
        if (ready := _ready(table[name], date_format)) is not None:
            columns[str(name)] = ready
    names = list(columns)
    if first in columns:
        strength = {name: _pair(columns[first], columns[name]) for name in names if name != first}
        by_strength = sorted(strength, key=lambda name: -np.nan_to_num(strength[name]))
        names = [first, *by_strength]
    names = names[:MOST_COLUMNS]
    values = np.eye(len(names))
    for row, one in enumerate(names):
        for column, other in enumerate(names[:row]):
            values[row, column] = values[column, row] = _pair(columns[one], columns[other])
    return pd.DataFrame(values, index=names, columns=names)


def _ready(column: pd.Series, date_format: str) -> pd.Series | None:
    """Ranks of numbers and dates, or a Categorical; None for what can't be compared."""
    kind = column_kind(column, date_format)
    if kind in ("text", "empty") or column.nunique() < 2:
        return None
    if kind == "number":
        return column.astype("float64").rank()
    if kind == "date":
        return to_dates(column, find_date_format(column, date_format)).rank()
    return (
        column.astype(str).where(column.notna()).astype("category")
        if column.nunique() <= MOST_CLASSES
        else None
    )


def _pair(one: pd.Series, other: pd.Series) -> float:
    both = one.notna() & other.notna()
    if both.sum() < 10:
        return float("nan")
    one, other = one[both], other[both]
    classes = [isinstance(column.dtype, pd.CategoricalDtype) for column in (one, other)]
    if all(classes):
        return cramers_v(one, other)
    if any(classes):
        return correlation_ratio(*((one, other) if classes[0] else (other, one)))
    spread = one.std() * other.std()
    return float(abs(np.cov(one, other)[0, 1]) / spread) if spread > 0 else float("nan")


def cramers_v(one: pd.Series, other: pd.Series) -> float:
    """Cramér's V of two Categoricals, with Bergsma's correction for chance."""
    counts = pd.crosstab(one, other).to_numpy(dtype="float64")
    rows, width = counts.shape
    total = counts.sum()
    if min(rows, width) < 2:
        return float("nan")
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / total
    squared = max(
        ((counts - expected) ** 2 / expected).sum() / total
        - (rows - 1) * (width - 1) / (total - 1),
        0,
    )
    rows = rows - (rows - 1) ** 2 / (total - 1)
    width = width - (width - 1) ** 2 / (total - 1)
    return float(min(np.sqrt(squared / max(min(rows, width) - 1, 1e-12)), 1))


def correlation_ratio(classes: pd.Series, ranks: pd.Series) -> float:
    """The share of the ranks' variance that lies between the classes, as its root; corrected for chance as V is."""
    groups = ranks.groupby(classes.cat.remove_unused_categories(), observed=True)
    total = float(((ranks - ranks.mean()) ** 2).sum())
    many, rows = groups.ngroups, len(ranks)
    if many < 2 or total == 0 or rows <= many:
        return float("nan")
    within = float(((ranks - groups.transform("mean")) ** 2).sum())
    explained = 1 - (within / (rows - many)) / (total / (rows - 1))
    return float(np.sqrt(max(explained, 0)))
