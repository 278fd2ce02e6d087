"""`capstone data`: what is in the table, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.settings import Data
from capstone.core.text import cell_text, cut, number
from capstone.data.kinds import (
    column_kind,
    column_role,
    day_and_month_unclear,
    find_date_format,
    looks_like_id,
)
from capstone.data.leaks import suspected_leaks
from capstone.data.reading import MANY_COLUMNS
from capstone.data.schema import describe_column
from capstone.data.splitting import duplicate_groups
from capstone.data.validation import check_target
from capstone.reporting.rendering import render_page


@dataclass(frozen=True)
class Overview:
    """What `capstone data` found.

    columns     a line for each column: kind, role, missing and different values
    target      the balance of the classes, or the figures of the target's distribution
    first_rows  the first five rows of the table
    """

    headline: str
    notes: list[str]
    columns: pd.DataFrame
    target: pd.DataFrame
    first_rows: pd.DataFrame


def look_at(table: pd.DataFrame, data: Data, sha256: str, sample: str = "") -> Overview:
    """Rows, kinds, gaps, copies, useless columns, class balance and suspected leaks of a raw table.

    Parameters
    ----------
    table : DataFrame
        As `read_table` gives it, the target among its columns.
    data : Data
        Section [data] of the settings: it says which role a column has.
    sha256 : str
        The table's `fingerprint`.
    sample : str
        Of a table too large for memory: which of its rows these are.

    Returns
    -------
    Overview
        What to show, and a sentence for everything that someone should look at: `headline` and `notes` in words,
        `columns`, `target` and `first_rows` as tables.
    """
    rows, width = table.shape
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the largest there are
        columns = pd.DataFrame([_column_line(table[name], data) for name in table])
        notes, figures = _notes(table, data), _target_table(table[data.target], data)
    return Overview(
        headline=f"{rows:,} rows and {width:,} columns in {data.path} (SHA-256 {sha256[:12]}).",
        notes=[f"This is {sample}."] * bool(sample) + notes,
        columns=columns,
        target=figures,
        first_rows=table.head(5),
    )


def data_page(overview: Overview, data: Data) -> str:
    """The overview as an HTML page.

    Parameters
    ----------
    overview : Overview
        What `look_at` found.
    data : Data
        Section [data] of the settings.

    Returns
    -------
    str
        The page.
    """
    return render_page(
        "data.html", title=f"The data: {data.path}", overview=overview, target=data.target
    )


def _column_line(column: pd.Series, data: Data) -> dict[str, Any]:
    """One line of the table of columns."""
    about = describe_column(column, data.date_format)
    return {
        "column": column.name,
        "kind": about["kind"],
        "role": column_role(str(column.name), data),
        "missing": f"{column.isna().mean():.1%}",
        "different": column.nunique(),
        "values": _values(column, about),
    }


def _values(column: pd.Series, about: dict[str, Any]) -> str:
    """A range, or the most frequent values with their shares."""
    if about["kind"] == "number":
        low, middle, high = map(_number, (about["low"], column.median(), about["high"]))
        return f"{low} to {high}, median {middle}"
    if about["kind"] == "date":
        return f"{about['low'][:10]} to {about['high'][:10]}"
    if about["kind"] in ("text", "empty"):
        return ", ".join(cut(cell_text(value), 30) for value in column.dropna().unique()[:3])
    shares = column.astype(str).value_counts(normalize=True).head(3)
    return ", ".join(f"{cut(value, 30)} ({share:.0%})" for value, share in shares.items())


# A number of the table; below 10,000 it may be a year, which has no comma.
_number = partial(number, form=".4g", commas_from=10_000)


def _target_table(target: pd.Series, data: Data) -> pd.DataFrame:
    """Class balance, or the target's distribution."""
    if data.problem == "regression":
        numbers = pd.to_numeric(target, errors="coerce")
        numbers = numbers.where(np.isfinite(numbers)).describe()
        return pd.DataFrame({"figure": numbers.index, "value": [*map(_number, numbers)]})
    counts = target.value_counts(dropna=False)
    shares = [f"{count / len(target):.1%}" for count in counts]
    classes = [cell_text(value) for value in counts.index]  # a gap is "(missing)"
    return pd.DataFrame({"class": classes, "rows": counts.to_numpy(), "share": shares})


def _notes(table: pd.DataFrame, data: Data) -> list[str]:
    """One sentence for everything that someone should look at."""
    notes = []
    if len(table.columns) > MANY_COLUMNS:
        notes.append(
            f"{len(table.columns):,} columns make every step slow: leave out what can't matter ([data] leave_out)."
        )
    copies = len(table) - len(np.unique(duplicate_groups(table)))
    if copies:
        advice = "a run leaves them out" if data.drop_copies else "set [data] drop_copies = true"
        notes.append(f"{copies:,} rows are exact copies of other rows: {advice}.")
    for name in table:
        notes += _column_notes(table[name], data)
    try:
        target = check_target(table[data.target], data)
    except CapstoneError as error:
        return [*notes, str(error)]
    if data.problem != "regression" and target.value_counts(normalize=True).min() < 0.1:
        notes.append(
            f'The classes of "{data.target}" are unbalanced: accuracy alone will look too good.'
        )
    for name, score in suspected_leaks(table, target, data).items():
        notes.append(
            f'"{name}" alone nearly determines the target (score {score:.3f}): is it known before the '
            "target is? If not, it is a leak: add it to [data] leave_out."
        )
    return notes


def _column_notes(column: pd.Series, data: Data) -> list[str]:
    notes = []
    name, role = column.name, column_role(str(column.name), data)
    kind = column_kind(column, data.date_format)
    if kind == "empty":
        notes.append(f'"{name}" has no value at all: add it to [data] leave_out.')
    elif column.nunique(dropna=False) == 1:
        notes.append(f'"{name}" has the same value in every row: it can tell nothing apart.')
    elif role == "feature" and looks_like_id(column, kind):
        notes.append(
            f'"{name}" looks like an id (nearly all different): set [data] id or leave_out.'
        )
    elif role == "feature" and kind == "text":
        notes.append(
            f'"{name}" is free text, which is not used: make columns from it in engineer().'
        )
    shape = find_date_format(column, data.date_format) if kind == "date" else None
    if shape and day_and_month_unclear(column, shape):
        notes.append(f'"{name}" is read with days before months: if not, set [data] date_format.')
    if kind == "category" and (variants := _spelling_variants(column)):
        notes.append(f'"{name}" spells the same in several ways ({variants}): unify it in clean().')
    if column.isna().mean() > 0.5 and kind != "empty":
        notes.append(f'"{name}" is missing in {column.isna().mean():.0%} of the rows.')
    return notes


def _spelling_variants(column: pd.Series) -> str:
    """Two values that differ only by capital letters or spaces, e.g. '"gas" and " Gas"'; else nothing."""
    values = pd.Series(column.dropna().astype(str).unique())
    folded = values.str.strip().str.casefold()
    repeated = folded[folded.duplicated()]
    if repeated.empty:
        return ""
    spellings = values[folded == repeated.min()]
    return f'"{spellings.iloc[0]}" and "{spellings.iloc[1]}"'
