"""Which part and which fold a row belongs to, without seeing the other rows.

A hash makes a number from 0 to 1 of what a row holds (or of its group): always the same for the same
content, and as good as random. Below 0.2, say, the row is for the test. So copies of a row come into one part, however
far apart they lie in the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.settings import Settings
from capstone.data.splitting import times_of

PARTS = ("train", "validation", "test")
FOR_PART, FOR_FOLD, FOR_SAMPLE = range(3)  # what a row's number is drawn for: each has its own


def as_shares(keys: np.ndarray, seed: int, purpose: int = 0) -> np.ndarray:
    """Numbers from 0 to 1, shape (rows,), as good as random, but always the same for a key.

    keys  whole numbers, shape (rows,). They are stirred as in the generator SplitMix64.
    """
    start = np.random.SeedSequence([seed, purpose]).generate_state(1, np.uint64)[0]
    mixed = keys.astype(np.uint64) + start
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def keys_of(table: pd.DataFrame) -> np.ndarray:
    """A whole number for each row, shape (rows,): the same for rows that hold the same."""
    numbers = [name for name in table if pd.api.types.is_numeric_dtype(table[name])]
    # 5 and 5.0 are the same: a block without gaps may hold whole numbers where another can't.
    table = table.astype(dict.fromkeys(numbers, "float64"))
    return pd.util.hash_pandas_object(table, index=False).to_numpy()


@dataclass
class Dealer:
    """Deals the rows of a block, as `[split]` says.

    edges  method "time": the moments at which validation and test begin, and those between folds
    """

    settings: Settings
    edges: dict[str, list[float]] = field(default_factory=dict)

    def deal(self, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """For each row of `table`, as engineer() returns it: the number of its part in PARTS, and its fold."""
        split, members = self.settings.split, self.settings.network.members
        if split.method == "time":
            moment = moments(table, self.settings)
            part = np.searchsorted(self.edges["parts"], moment, side="right")
            fold = np.searchsorted(self.edges["folds"], moment, side="right")
        else:
            keys, seed = self._keys(table), self.settings.seed
            begins = [split.test, split.test + split.validation]
            part = 2 - np.searchsorted(begins, as_shares(keys, seed, FOR_PART), side="right")
            fold = (as_shares(keys, seed, FOR_FOLD) * members).astype(np.int64)
        if members > 1:  # each of them holds out a fold instead
            part[part == PARTS.index("validation")] = PARTS.index("train")
        return part, fold

    def _keys(self, table: pd.DataFrame) -> np.ndarray:
        """A number per row; rows of one number stay together: copies or, if asked, a whole group."""
        data, split = self.settings.data, self.settings.split
        if split.method != "group":
            return keys_of(table.drop(columns=[data.id], errors="ignore"))
        groups = table[split.group_column]
        if groups.isna().any():
            raise CapstoneError(
                f'[split] group_column "{split.group_column}" is missing in row '
                f"{groups.isna().idxmax()}: fill it in clean()."
            )
        return keys_of(groups.to_frame())


def moments(table: pd.DataFrame, settings: Settings) -> np.ndarray:
    """The column that orders the rows, as numbers, shape (rows,)."""
    name = settings.split.time_column
    if not pd.api.types.is_numeric_dtype(table[name].dtype) and not (
        pd.api.types.is_datetime64_any_dtype(table[name].dtype)
    ):
        raise CapstoneError(
            f'[split] time_column "{name}" holds text: a table read in blocks needs dates or numbers there; '
            f'in clean(), table["{name}"] = pd.to_datetime(table["{name}"], format=...).'
        )
    column = times_of(table, settings)
    if pd.api.types.is_datetime64_any_dtype(column):
        column = column.astype("datetime64[ns]").astype("int64")
    return column.to_numpy(dtype=np.float64)
