"""What the three generators share: spoil a tidy table as real tables are spoiled, and write it."""

from pathlib import Path

import numpy as np
import pandas as pd

RAW = Path(__file__).resolve().parents[2] / "template" / "data" / "raw"


def blank(values: pd.Series, chance: float | pd.Series, rng: np.random.Generator) -> pd.Series:
    """Lose values: each with this chance (one number, or one per row)."""
    # convert_dtypes: whole numbers stay whole (3, not 3.0) beside a missing one
    return values.convert_dtypes().mask(rng.random(len(values)) < chance)


def plant(values: pd.Series, wrong: float, rows: int, rng: np.random.Generator) -> pd.Series:
    """Write an impossible value into some rows that are not missing."""
    values = values.copy()
    values.loc[rng.choice(values.index[values.notna()], rows, replace=False)] = wrong
    return values


def respell(values: pd.Series, rows: int, rng: np.random.Generator) -> pd.Series:
    """Write some words in another way: half with a space in front, half with a capital letter."""
    values = values.copy()
    chosen = rng.choice(values.index[values.notna()], rows, replace=False)
    spaced, capital = chosen[::2], chosen[1::2]
    values.loc[spaced] = " " + values.loc[spaced]
    values.loc[capital] = values.loc[capital].str.capitalize()
    return values


def repeat(table: pd.DataFrame, rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Add exact copies of some rows at the end, as when two exports that overlap are joined."""
    copies = table.iloc[rng.choice(len(table), rows, replace=False)]
    return pd.concat([table, copies], ignore_index=True)


def days(first: str, last: str, rows: int, rng: np.random.Generator) -> pd.Series:
    """Random days from `first` to `last`, as text like 2024-05-31."""
    span = (pd.Timestamp(last) - pd.Timestamp(first)).days
    dates = pd.Timestamp(first) + pd.to_timedelta(rng.integers(0, span + 1, rows), unit="D")
    return pd.Series(dates.strftime("%Y-%m-%d"))


def as_csv(table: pd.DataFrame) -> bytes:
    """The table as the bytes of a CSV file: UTF-8, LF line ends on every system."""
    return table.to_csv(index=False, lineterminator="\n").encode("utf-8")
