"""A table of features into one matrix of numbers, fitted on the training part alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from capstone.core.errors import CapstoneError, short_list
from capstone.core.files import write_bytes
from capstone.data.kinds import column_kind, find_date_format, floats, texts, to_dates

DATE_PARTS = ("year", "month", "day", "day_of_week", "hour")
MANY_INPUTS = 2000  # beyond it, a run takes minutes rather than seconds
# The types, beyond plain ones, that a saved preprocessor may hold: skops loads no other.
TRUSTED = ["numpy.dtype"]


class Preprocessor:
    """Numbers, booleans, categories and dates, each by its own scikit-learn transformers.

    Parameters
    ----------
    max_categories : int
        Inputs of one column of categories, at most; rare ones share an input.
    date_format : str
        How dates are written, or "auto".

    Attributes
    ----------
    kinds : dict of str to str
        Kind of each column that is used.
    left_out : dict of str to str
        Columns that are not used, and why.
    inputs : list of str
        Names of the matrix's columns, such as "area", "area missing", "heating = gas".
    origins : list of str
        For each input, the column that it comes from.
    """

    def __init__(self, max_categories: int = 20, date_format: str = "auto") -> None:
        self.max_categories = max_categories
        self.date_format = date_format
        self.kinds: dict[str, str] = {}
        self.date_formats: dict[str, str | None] = {}
        self.left_out: dict[str, str] = {}
        self.inputs: list[str] = []
        self.origins: list[str] = []

    def fit(self, table: pd.DataFrame) -> Self:
        """Learn medians, means, categories and so on from the training rows."""
        reasons = {"text": "free text: too many different values", "empty": "no value at all"}
        for name in table:
            kind = column_kind(table[name], self.date_format)
            if kind in reasons:
                self.left_out[name] = reasons[kind]
            elif table[name].nunique(dropna=False) == 1:
                self.left_out[name] = "the same value in every training row"
            else:
                self.kinds[name] = kind
            if kind == "date" and not pd.api.types.is_datetime64_any_dtype(table[name]):
                self.date_formats[name] = find_date_format(table[name], self.date_format)
        return self.fit_plain(self._plain(table))

    def fit_plain(self, plain: pd.DataFrame) -> Self:
        """Learn from columns of floats and text, once it is known which kind each column is."""
        if not self.kinds:
            raise CapstoneError(
                "No column is left to learn from: see [data] leave_out and engineer()."
            )
        self.transformer = self._transformer(plain)
        self.transformer.fit(plain)
        self._name_inputs()
        return self

    def transform(self, table: pd.DataFrame) -> np.ndarray:
        """The matrix, float32 of shape (rows, inputs), without missing values."""
        absent = [name for name in self.kinds if name not in table]
        if absent:
            raise CapstoneError(
                f'Column "{absent[0]}" is not in the table, but the model was trained on it.'
            )
        matrix = np.asarray(self.transformer.transform(self._plain(table)), dtype=np.float32)
        if not np.isfinite(matrix).all():
            origin = self.origins[int(np.argmin(np.isfinite(matrix).all(axis=0)))]
            raise CapstoneError(
                f'Column "{origin}" holds numbers too large to scale: divide it or take logarithms in engineer().'
            )
        return matrix

    def notes(self, rows: int) -> list[str]:
        """What someone should know who trains on so many rows: columns left out, too many inputs."""
        notes = []
        for reason in sorted(set(self.left_out.values())):
            names = [name for name, why in self.left_out.items() if why == reason]
            notes.append(f"not used, {reason}: {short_list(names)}")
        inputs = len(self.inputs)
        if inputs > MANY_INPUTS:
            notes.append(
                f"{inputs:,} inputs take long to learn from: leave columns out ([data] leave_out), or let each have "
                f"fewer categories ([preprocessing] max_categories)"
            )
        if inputs > rows:
            notes.append(
                f"{inputs:,} inputs for {rows:,} training rows: expect it to learn by heart"
            )
        return notes

    def save(self, path: Path) -> None:
        """Write what was fitted as a skops file, which holds data and no code."""
        import skops.io

        write_bytes(path, skops.io.dumps(self.__dict__))

    @classmethod
    def load(cls, content: bytes, path: Path) -> Self:
        """Read what `save` wrote: the content of `path`. Refuses any type that is not listed in TRUSTED."""
        import skops.io

        loaded = cls()
        known = {name: type(value) for name, value in vars(loaded).items()}
        known["transformer"] = ColumnTransformer
        try:
            values = skops.io.loads(content, trusted=TRUSTED)
            if {name: type(value) for name, value in values.items()} != known:
                raise TypeError
            loaded.__dict__.update(values)
        except Exception as error:  # zip, JSON and type errors alike: the file is not what we wrote
            raise CapstoneError(
                f"{path} can't be read ({type(error).__name__}): run again."
            ) from None
        return loaded

    def _columns(self, kind: str) -> list[str]:
        return [name for name, known in self.kinds.items() if known == kind]

    def _date_part_columns(self) -> list[str]:
        return [f"{name} {part}" for name in self._columns("date") for part in DATE_PARTS]

    def _plain(self, table: pd.DataFrame) -> pd.DataFrame:
        """Only floats and text: dates become their parts, booleans 0 and 1. Nothing is fitted here."""
        columns: dict[str, Any] = {}
        for name, kind in self.kinds.items():
            column = table[name]
            if kind in ("number", "boolean"):
                columns[name] = floats(column)
            elif kind == "category":
                columns[name] = texts(column)
            else:
                dates = to_dates(column, self.date_formats.get(name))
                for part in DATE_PARTS:
                    columns[f"{name} {part}"] = getattr(dates.dt, part).astype("float64")
        return pd.DataFrame(columns, index=table.index)

    def _transformer(self, plain: pd.DataFrame) -> ColumnTransformer:
        numbers = self._columns("number") + self._date_part_columns()
        booleans, categories = self._columns("boolean"), self._columns("category")
        gaps = [name for name in numbers + booleans if plain[name].isna().any()]
        one_hot = OneHotEncoder(
            handle_unknown="infrequent_if_exist",  # a category never seen counts among the rare ones
            max_categories=self.max_categories,
            sparse_output=False,
        )
        steps = [
            ("number", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            ("boolean", SimpleImputer(strategy="most_frequent"), booleans),
            ("missing", MissingIndicator(features="all"), gaps),
            ("category", one_hot, categories),
        ]
        return ColumnTransformer([step for step in steps if step[2]])

    def _name_inputs(self) -> None:
        """Name each column of the matrix and remember the column of the table that it comes from."""
        self.inputs, self.origins = [], []
        for step, transformer, columns in self.transformer.transformers_:
            for position, column in enumerate(columns):
                if step == "missing":
                    names = [f"{column} missing"]
                elif step == "category":
                    names = [f"{column} = {value}" for value in _shown(transformer, position)]
                else:
                    names = [column]
                self.inputs += names
                self.origins += [
                    column if column in self.kinds else column.rpartition(" ")[0]
                ] * len(names)


def _shown(one_hot: OneHotEncoder, position: int) -> list[str]:
    """The categories of one column that have an input of their own, and "rare" when some share one."""
    rare = one_hot.infrequent_categories_[position]
    if rare is None:
        return list(one_hot.categories_[position])
    return [value for value in one_hot.categories_[position] if value not in rare] + ["rare"]
