"""schema.json: what each column of the raw table looked like in training, and whether new data fits."""

from __future__ import annotations

from typing import Any

import pandas as pd

from capstone.core.errors import CapstoneError, did_you_mean
from capstone.core.settings import Settings
from capstone.core.text import quoted
from capstone.data.kinds import column_kind, find_date_format, to_dates

MOST_CATEGORIES = 100


def describe_columns(
    raw: pd.DataFrame, ready: pd.DataFrame, rows: pd.Index, settings: Settings
) -> dict[str, Any]:
    """Kind, range or categories, missing share and an example of each input column.

    Parameters
    ----------
    raw : DataFrame
        The table as loaded, without the columns to leave out.
    ready : DataFrame
        The same after engineer().
    rows : Index
        The training rows: a schema must not tell what is in the test part.
    settings : Settings
        capstone.toml.

    Returns
    -------
    dict
        What schema.json holds: a description for each column by its name.
    """
    data = settings.data
    roles = {data.id: "id"} | {
        name: "feature" if data.use_sensitive else "sensitive" for name in data.sensitive
    }
    described = {}
    raw, ready = raw.loc[rows], ready.loc[rows]
    for name in raw:
        if name == data.target:
            continue
        column = raw[name]
        about = describe_column(column, data.date_format)
        if about["kind"] == "number" and name in ready:
            # A -1 or a 999 that clean() takes for "unknown" is no number that training saw.
            meant = column[ready[name].notna()].dropna()
            if len(meant):
                about |= {"low": float(meant.min()), "high": float(meant.max())}
                about["example"] = plain_value(meant.iloc[0])
        described[str(name)] = {"role": roles.get(name, "feature"), **about}
    return described


def describe_column(column: pd.Series, date_format: str = "auto") -> dict[str, Any]:
    """Kind, share of missing values, range or categories, and an example of one column.

    Parameters
    ----------
    column : Series
        Any column of a table.
    date_format : str
        [data] date_format.

    Returns
    -------
    dict
        "kind" and "missing"; "low" and "high", or "categories" and whether they are "complete"; an "example".
    """
    kind, present = column_kind(column, date_format), column.dropna()
    about: dict[str, Any] = {"kind": kind, "missing": round(float(column.isna().mean()), 4)}
    if kind == "number":
        about |= {"low": float(present.min()), "high": float(present.max())}
    elif kind == "date":
        dates = to_dates(present, find_date_format(present, date_format))
        about |= {"low": dates.min().isoformat(), "high": dates.max().isoformat()}
    elif kind == "category":
        counts = present.astype(str).value_counts()
        about |= {
            "categories": sorted(counts.index[:MOST_CATEGORIES]),
            "complete": len(counts) <= MOST_CATEGORIES,
        }
    if kind != "empty":
        about["example"] = plain_value(present.iloc[0])
    return about


def plain_value(value: Any) -> Any:
    """A cell as JSON can hold it: NumPy scalars as Python's, dates as ISO text."""
    if hasattr(value, "item"):
        value = value.item()
    return value if isinstance(value, (bool, int, float)) else str(value)


def check_new_table(table: pd.DataFrame, schema: dict[str, Any], path: str) -> list[str]:
    """What differs from training in a table to be predicted: columns not known, kinds that changed.

    Parameters
    ----------
    table : DataFrame
        The new rows, without a target.
    schema : dict
        What schema.json holds.
    path : str
        The table's file, for the sentence.

    Returns
    -------
    list of str
        What the reader should know.

    Raises
    ------
    CapstoneError
        When a feature's column is missing or holds another kind of value.
    """
    needed = [name for name, about in schema.items() if about["role"] == "feature"]
    for name in needed:
        if name not in table:
            raise CapstoneError(
                f'{path} has no column "{name}", which the model was trained on'
                f"{did_you_mean(name, table.columns)}"
            )
        kind = column_kind(table[name])
        if schema[name]["kind"] == "number" and kind not in ("number", "empty", "boolean"):
            raise CapstoneError(
                f'{path}: column "{name}" holds {kind} values such as {quoted(table[name].dropna().iloc[0])}, '
                "but was a number in training."
            )
    unknown = [str(name) for name in table if name not in schema]
    return (
        [f"columns not known from training are not used: {', '.join(unknown)}"] if unknown else []
    )
