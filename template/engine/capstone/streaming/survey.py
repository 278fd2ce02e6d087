"""What the training rows are like, found in one pass over them: means, medians, categories, the target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.settings import Settings
from capstone.core.text import quoted
from capstone.data.kinds import column_kind, find_date_format, read_as_dates
from capstone.data.preprocessing import Preprocessor
from capstone.data.validation import (
    FEWEST_PER_CLASS,
    LARGEST,
    check_columns,
    check_spread,
    check_target,
)
from capstone.streaming.sketches import Numbers, add_counts
from capstone.training.target import Target


class Survey:
    """Collects, block by block, what the preprocessing and the target need to know.

    glance  some rows of the table as engineer() returns it: they tell what kind of column each is
    """

    def __init__(self, glance: pd.DataFrame, settings: Settings, place: str) -> None:
        data = settings.data
        self.settings, self.place = settings, place
        self.preprocessor = Preprocessor(settings.preprocessing.max_categories, data.date_format)
        self.not_used: dict[str, str] = {}
        for name in glance:
            kind = column_kind(glance[name], data.date_format)
            if kind == "text":
                self.not_used[name] = "free text: too many different values"
                continue
            if kind == "empty":  # as far as we looked
                kind = "number" if pd.api.types.is_numeric_dtype(glance[name]) else "category"
            self.preprocessor.kinds[name] = kind
            if kind == "date" and not pd.api.types.is_datetime64_any_dtype(glance[name]):
                self.preprocessor.date_formats[name] = find_date_format(
                    glance[name], data.date_format
                )
        self.numbers: dict[str, Numbers] = {}
        self.counts: dict[str, pd.Series] = {}  # of categories and booleans
        self.target = Numbers()
        self.classes = pd.Series(dtype="float64")

    def add(self, features: pd.DataFrame, target: pd.Series) -> None:
        """More training rows."""
        self._refuse_other_kinds(features)
        plain = self.preprocessor._plain(features)
        for name in plain:
            if self.preprocessor.kinds.get(name) in ("category", "boolean"):
                seen = self.counts.get(name, pd.Series(dtype="float64"))
                self.counts[name] = add_counts(seen, plain[name].dropna())
                if self.preprocessor.kinds[name] == "category":
                    continue
            its = self.numbers.setdefault(name, Numbers())
            its.add(plain[name].to_numpy(dtype=np.float64))
            if max(-its.low, its.high) > LARGEST:
                check_columns(features, self.settings.data, self.place)  # names the row
        if self.settings.data.problem == "regression":
            self.target.add(target.to_numpy(dtype=np.float64))

    def add_classes(self, target: pd.Series) -> None:
        """The classes of more rows, of any part."""
        if self.settings.data.problem != "regression":
            self.classes = add_counts(self.classes, target)

    def learnt(self, target: pd.Series) -> pd.Series:
        """The target of a block with its classes written as in `known_target`: 1 rather than 1.0."""
        if self.settings.data.problem == "regression":
            return target
        whole = pd.api.types.is_integer_dtype(self.known_target())
        return target.astype("int64") if whole else target

    def known_target(self) -> pd.Series:
        """Every class a few times, to be checked as a table's target is: are there enough, and few enough?"""
        times = np.minimum(self.classes, FEWEST_PER_CLASS).astype(int)
        values = self.classes.index.repeat(times)
        return check_target(pd.Series(values, name=self.settings.data.target), self.settings.data)

    def fitted_target(self) -> Target:
        """Mean and spread of the training rows, or the classes."""
        data = self.settings.data
        if data.problem != "regression":
            return Target.fit(self.known_target(), data.problem, data.positive)
        scale = self.target.variance**0.5
        if self.target.low == self.target.high:
            raise CapstoneError(
                f'Target "{data.target}" is {self.target.low:g} in every row: nothing to learn.'
            )
        check_spread(data.target, self.target.low, self.target.high)
        return Target(data.target, data.problem, mean=self.target.mean, scale=scale)

    def fitted_preprocessor(self) -> Preprocessor:
        """What `Preprocessor.fit` would have learnt from all rows at once, but for medians, which are near."""
        fitted = self.preprocessor
        for name in [*fitted.kinds]:
            if reason := self._useless(name):
                self.not_used[name] = reason
                del fitted.kinds[name]
        fitted.left_out = self.not_used
        fitted.fit_plain(self._typical())
        for step, transformer, columns in fitted.transformer.transformers_:
            if step == "number":
                its = [self.numbers[name] for name in columns]
                imputer, scaler = transformer[0], transformer[1]
                imputer.statistics_ = np.array([numbers.median for numbers in its])
                full = [numbers.filled() for numbers in its]
                scaler.mean_ = np.array([numbers.mean for numbers in full])
                scaler.var_ = np.array([numbers.variance for numbers in full])
                scaler.scale_ = np.sqrt(scaler.var_)
                scaler.scale_[scaler.scale_ <= 1e-12 * np.abs(scaler.mean_)] = 1.0
                scaler.n_samples_seen_ = full[0].count
        return fitted

    def _useless(self, name: str) -> str:
        """Why a column can't be used; "" when it can."""
        if self.preprocessor.kinds[name] == "category":
            return "" if len(self.counts[name]) > 1 else "the same value in every training row"
        parts = [its for part, its in self.numbers.items() if part == name] or [
            its for part, its in self.numbers.items() if part.rpartition(" ")[0] == name
        ]
        if not any(its.count for its in parts):
            return "no value at all"
        alike = all(its.low == its.high and not its.missing for its in parts)
        return "the same value in every training row" if alike else ""

    def _typical(self) -> pd.DataFrame:
        """A small table with the gaps and categories of the large one, for scikit-learn to be fitted on.

        A category is in it twice when it is frequent, else once: so those that get an input of their own
        are the same as if all rows were counted.
        """
        most = self.settings.preprocessing.max_categories
        columns: dict[str, Any] = {}
        for name, kind in self.preprocessor.kinds.items():
            if kind == "category":
                counts = self.counts[name].sort_index()
                order = counts.argsort(kind="stable").to_numpy()
                frequent = counts.index[np.sort(order[-(most - 1) :])]
                columns[name] = [*counts.index, *frequent]
        rows = max([2, *map(len, columns.values())])
        for name, values in columns.items():
            frequent_one = self.counts[name].idxmax()
            columns[name] = values + [frequent_one] * (rows - len(values))
        for name, its in self.numbers.items():
            if name not in self.preprocessor.kinds and name.rpartition(" ")[0] not in (
                self.preprocessor.kinds
            ):
                continue
            usual = float(self.counts[name].idxmax()) if name in self.counts else its.median
            columns[name] = np.full(rows, usual)
            if its.missing:
                columns[name][0] = np.nan
        return pd.DataFrame(columns)

    def _refuse_other_kinds(self, features: pd.DataFrame) -> None:
        """A column must hold the same kind of value in every block."""
        data, texts = self.settings.data, []
        for name, kind in self.preprocessor.kinds.items():
            column = features[name]
            if pd.api.types.is_numeric_dtype(column) or column.isna().all():
                continue
            texts.append(name)
            is_now = column_kind(column, data.date_format)
            shape = self.preprocessor.date_formats.get(name)
            if shape and not read_as_dates(column.dropna(), shape).all():
                is_now = "category"
            if kind in ("number", "boolean", "date") and is_now not in (kind, "boolean"):
                raise CapstoneError(
                    f'Column "{name}" holds values such as {quoted(column.dropna().iloc[-1])} in the rows from '
                    f"{column.index[0]} to {column.index[-1]}, which are no {kind}s as in the rows looked at "
                    f"first: mend it in clean() ({self.place})."
                )
        check_columns(features[texts], data, self.place)
