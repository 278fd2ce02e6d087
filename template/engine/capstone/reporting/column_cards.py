"""A card for each column of the data page: what it holds, how it is spread, and what the target does along it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.settings import Data
from capstone.core.text import cell_text, cut, number
from capstone.data.kinds import class_names, column_role
from capstone.data.schema import describe_column
from capstone.data.validation import check_target
from capstone.profiling.distributions import Bar, Distribution, distribution

MOST_CARDS = 60
FEW = 5  # rows below which a bar's share or mean of the target is not drawn


@dataclass(frozen=True)
class Trend:
    """What the target does along a column's bars.

    Parameters
    ----------
    label : str
        What is drawn: the share of a class, or the mean of the target.
    points : list of float or None
        For each bar a height between 0 and 1; None where there are too few rows.
    words : list of str
        The same as people read it.
    lowest, highest : str
        The ends of what is drawn.
    """

    label: str
    points: list[float | None]
    words: list[str]
    lowest: str
    highest: str


@dataclass(frozen=True)
class Card:
    """What the page shows of one column."""

    name: str
    kind: str
    role: str
    missing: float
    different: int
    values: str
    spread: Distribution
    trend: Trend | None


@dataclass(frozen=True)
class KnownTarget:
    """The target as the charts take it: numbers, or a Categorical of classes; and the class to detect."""

    values: pd.Series
    positive: str = ""

    @classmethod
    def of(cls, table: pd.DataFrame, data: Data) -> KnownTarget:
        """The target of a table; as it is, where it can't be used for a run yet."""
        column = table[data.target]
        try:
            target = check_target(column, data)
        except CapstoneError:
            if data.problem == "regression":
                numbers = pd.to_numeric(
                    column, errors="coerce"
                )  # of yes and no they are no numbers yet
                return cls(numbers.dropna().astype(float))
            return cls(column.dropna().astype(str).astype("category"))
        if data.problem == "regression":
            return cls(target)
        names = class_names(target, data.positive)
        positive = names[-1] if data.problem == "binary" else ""
        return cls(target.astype(str).astype(pd.CategoricalDtype(names)), positive)


def column_cards(table: pd.DataFrame, data: Data) -> list[Card]:
    """A card for each of the first 60 columns, in their order."""
    target = KnownTarget.of(table, data)
    return [_card(table[name], target, data) for name in table.columns[:MOST_CARDS]]


def column_values(column: pd.Series, date_format: str = "auto") -> str:
    """A range, or the most frequent values with their shares, in a few words."""
    about = describe_column(column, date_format)
    if about["kind"] == "number":
        low, middle, high = map(any_number, (about["low"], column.median(), about["high"]))
        return f"{low} to {high}, median {middle}"
    if about["kind"] == "date":
        return f"{about['low'][:10]} to {about['high'][:10]}"
    if about["kind"] in ("text", "empty"):
        return ", ".join(cut(cell_text(value), 30) for value in column.dropna().unique()[:3])
    shares = column.astype(str).value_counts(normalize=True).head(3)
    return ", ".join(f"{cut(value, 30)} ({share:.0%})" for value, share in shares.items())


# A number of the table; below 10,000 it may be a year, which has no comma.
any_number = partial(number, form=".4g", commas_from=10_000)


def _card(column: pd.Series, target: KnownTarget, data: Data) -> Card:
    spread = distribution(column, target.values, data.date_format)
    is_target = column.name == data.target
    return Card(
        name=str(column.name),
        kind=spread.kind,
        role=column_role(str(column.name), data),
        missing=float(column.isna().mean()),
        different=int(column.nunique()),
        values=column_values(column, data.date_format),
        spread=spread,
        trend=None if is_target or not spread.bars else _trend(spread.bars, target),
    )


def _trend(bars: list[Bar], target: KnownTarget) -> Trend | None:
    """The target along the bars; of several classes the shares are drawn in the bars themselves."""
    if target.positive:
        place = list(target.values.cat.categories).index(target.positive)
        shares = [
            bar.parts[place] / sum(bar.parts) if sum(bar.parts) >= FEW else None for bar in bars
        ]
        return _drawn(f'share of "{target.positive}"', shares, (0.0, 1.0), "{:.0%}".format)
    if isinstance(target.values.dtype, pd.CategoricalDtype):
        return None
    means = [bar.mean if bar.rows >= FEW else None for bar in bars]
    if target.values.empty:
        return None
    # Between the tenths at both ends: a line that filled its chart would make a mountain of every molehill.
    ends = tuple(map(float, target.values.quantile([0.1, 0.9])))
    return _drawn(f"mean of {target.values.name}", means, ends, any_number)


def _drawn(
    label: str,
    values: list[float | None],
    ends: tuple[float, ...],
    in_words: Callable[[float], str],
) -> Trend | None:
    """Heights between 0 for the lower end and 1 for the upper one, or beyond where a value is."""
    known = [value for value in values if value is not None and np.isfinite(value)]
    if not known:
        return None
    low, high = min(known), max(known)
    bottom, top = min(low, *ends), max(high, *ends)
    width = (top - bottom) or 1.0
    points = [None if value is None else (value - bottom) / width for value in values]
    words = ["" if value is None else in_words(value) for value in values]
    return Trend(label, points, words, in_words(low), in_words(high))
