"""How the values of a column are spread, and what the target does along them: what a chart of a column shows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from capstone.core.text import number
from capstone.data.kinds import Kind, column_kind, find_date_format, to_dates

MOST_BARS = 20
MOST_CATEGORIES = 8
FAR = 3.0  # times the middle half's width beyond it: such values share the bar at the end


@dataclass(frozen=True)
class Bar:
    """One bar of a column's chart.

    Parameters
    ----------
    label : str
        The value, or the range of values.
    rows : int
        How many rows have it.
    parts : tuple of int
        Of these rows, how many belong to each class of the target; () where it is a number or not known.
    mean : float or None
        The target's mean in these rows, where it is a number.
    """

    label: str
    rows: int
    parts: tuple[int, ...] = ()
    mean: float | None = None


@dataclass(frozen=True)
class Distribution:
    """The bars of one column, in the order in which they are drawn.

    Parameters
    ----------
    kind : str
        What the column holds: see `kinds.column_kind`.
    bars : list of Bar
        None for free text and for a column without values.
    """

    kind: Kind
    bars: list[Bar]

    @property
    def highest(self) -> int:
        """The rows of the longest bar."""
        return max((bar.rows for bar in self.bars), default=0)


def distribution(column: pd.Series, target: pd.Series, date_format: str = "auto") -> Distribution:
    """How a column's values are spread.

    Parameters
    ----------
    column : Series
        Any column of a table.
    target : Series
        The target of the same rows: numbers, or a pandas Categorical of classes.
    date_format : str
        How dates are written, as in [data] date_format.

    Returns
    -------
    Distribution
        At most 20 bars of equal width for numbers and dates, the ends taking what lies far out; a bar for each of the
        eight most frequent categories, and one for the others.
    """
    kind = column_kind(column, date_format)
    present = column.dropna()
    if kind in ("text", "empty"):
        return Distribution(kind, [])
    if kind == "date":
        dates = to_dates(present, find_date_format(present, date_format)).dropna()
        groups, labels = _by_range(dates.astype("datetime64[s]").astype("int64"), as_dates=True)
    elif kind == "number" and present.nunique() > MOST_BARS:
        groups, labels = _by_range(present.astype("float64"))
    else:
        groups, labels = _by_value(present)
    return Distribution(kind, _bars(groups, labels, target))


def _by_value(column: pd.Series) -> tuple[pd.Series, list[str]]:
    """The number of each row's bar, and the bars' labels: a bar for each value, the rare ones together."""
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if numeric:
        values = sorted(column.unique())
        places = {value: place for place, value in enumerate(values)}
        return column.map(places), [f"{value:g}" for value in values]
    words = column.astype(str)
    names = list(words.value_counts().index)
    shown = names[:MOST_CATEGORIES]
    places = {name: min(place, len(shown)) for place, name in enumerate(names)}
    rest = len(names) - len(shown)
    return words.map(places), [*shown, *([f"{rest:,} others"] if rest else [])]


def _by_range(values: pd.Series, as_dates: bool = False) -> tuple[pd.Series, list[str]]:
    """The same for ranges of equal width; what lies far from the middle half shares the ends."""
    numbers = values.to_numpy()
    finite = numbers[np.isfinite(numbers)]
    low, high = np.quantile(finite, [0.25, 0.75])
    reach = FAR * ((high - low) or 1)
    first, last = max(finite.min(), low - reach), min(finite.max(), high + reach)
    edges = np.linspace(first, last, MOST_BARS + 1)
    places = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, MOST_BARS - 1)
    shown = [_edge(edge, as_dates) for edge in edges]
    labels = [f"{start} to {end}" for start, end in pairwise(shown)]
    if finite.min() < first:
        labels[0] = f"below {shown[1]}"
    if finite.max() > last:
        labels[-1] = f"above {shown[-2]}"
    return pd.Series(places, index=values.index), labels


def _edge(value: float, as_date: bool) -> str:
    if as_date:
        return pd.Timestamp(int(value), unit="s").strftime("%Y-%m-%d")
    return number(float(value), ".4g", 10_000)


def _bars(groups: pd.Series, labels: list[str], target: pd.Series) -> list[Bar]:
    truth = target.reindex(groups.index)
    bars = []
    for place, label in enumerate(labels):
        here = groups.index[groups.to_numpy() == place]
        known = truth[here].dropna()
        if isinstance(target.dtype, pd.CategoricalDtype):
            counts = np.bincount(known.cat.codes, minlength=len(target.cat.categories))
            bars.append(Bar(label, len(here), tuple(map(int, counts))))
        else:
            bars.append(Bar(label, len(here), (), float(known.mean()) if len(known) else None))
    return bars
