"""Distributions and counts that grow block by block and stay small."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

POINTS = 256  # of a block that a sketch keeps, evenly spread over its sorted values
MOST_POINTS = 65_536  # that a sketch keeps in all; beyond, it keeps
FEWER_POINTS = 8_192
MOST_CATEGORIES = 10_000  # of a column that are counted; of more, the rarest are forgotten


@dataclass
class Sketch:
    """A distribution in a few thousand numbers, each standing for as many rows as its weight says."""

    points: list[np.ndarray] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list)

    def add(self, ordered: np.ndarray) -> None:
        """More numbers, sorted, none missing."""
        count = len(ordered)
        if not count:
            return
        kept = min(count, POINTS)
        places = ((np.arange(kept) + 0.5) * count / kept).astype(int)
        self.points.append(ordered[places].astype(np.float64))
        self.weights.append(np.full(kept, count / kept))
        if sum(map(len, self.points)) > MOST_POINTS:
            total = sum(its.sum() for its in self.weights)
            shares = (np.arange(FEWER_POINTS) + 0.5) / FEWER_POINTS
            self.points = [self.quantiles(shares)]
            self.weights = [np.full(FEWER_POINTS, total / FEWER_POINTS)]

    def quantiles(self, shares: np.ndarray | list[float]) -> np.ndarray:
        """The numbers below which about these shares of the rows lie."""
        points, weights = np.concatenate(self.points), np.concatenate(self.weights)
        order = np.argsort(points, kind="stable")
        reached = np.cumsum(weights[order])
        places = np.searchsorted(reached, np.asarray(shares) * reached[-1])
        return points[order][np.minimum(places, len(points) - 1)]


@dataclass
class Numbers:
    """Count, mean and spread of a column's numbers, by Chan's formula for sums of parts."""

    count: int = 0
    missing: int = 0
    mean: float = 0.0
    squares: float = 0.0  # sum of the squared distances from the mean
    low: float = np.inf
    high: float = -np.inf
    sketch: Sketch = field(default_factory=Sketch)

    def add(self, values: np.ndarray) -> None:
        """More numbers, nan where one is missing."""
        ordered = np.sort(values)  # nan comes last
        count = len(values) - int(np.isnan(values).sum())
        self.missing += len(values) - count
        ordered = ordered[:count]
        if not count:
            return
        mean = float(ordered.mean())
        self._merge(count, mean, float(((ordered - mean) ** 2).sum()))
        self.low, self.high = min(self.low, ordered[0]), max(self.high, ordered[-1])
        self.sketch.add(ordered)

    def filled(self) -> Numbers:
        """The same with the median in the gaps, as the imputer fills them."""
        full = Numbers(self.count, 0, self.mean, self.squares, self.low, self.high, self.sketch)
        if self.missing:
            full._merge(self.missing, self.median, 0.0)
        return full

    @property
    def median(self) -> float:
        """The middle one, about."""
        return float(self.sketch.quantiles([0.5])[0])

    @property
    def variance(self) -> float:
        """The mean squared distance from the mean."""
        return self.squares / max(self.count, 1)

    def _merge(self, count: int, mean: float, squares: float) -> None:
        total, apart = self.count + count, mean - self.mean
        self.mean += apart * count / total
        self.squares += squares + apart**2 * self.count * count / total
        self.count = total


def add_counts(counts: pd.Series, values: pd.Series, most: int = MOST_CATEGORIES) -> pd.Series:
    """How often each value was seen, with these ones; of too many different ones, the rarest are forgotten."""
    counts = counts.add(values.value_counts(), fill_value=0)
    if len(counts) > 2 * most:
        counts = counts.sort_values(ascending=False, kind="stable").head(most)
    return counts
