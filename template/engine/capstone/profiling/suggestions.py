"""What the columns of a table are for, as far as it can be guessed. A person decides."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from capstone.core.settings import Data
from capstone.data.kinds import column_kind, looks_like_id
from capstone.data.leaks import suspected_leaks
from capstone.data.validation import is_amount
from capstone.data.words import (
    AMOUNTS,
    IDS,
    SENSITIVE,
    TARGETS,
    words_in,
)

Problem = Literal["regression", "binary", "multiclass"]
MOST_CODES = 5  # so many different whole numbers from 0 or 1 on may be codes of classes


def suggest_target(table: pd.DataFrame) -> str:
    """The column to predict: one that is called like an answer, else the last that may be one.

    Parameters
    ----------
    table : DataFrame
        As `clean()` leaves it.
    """
    able = [str(name) for name in table if _may_be_target(table[name])] or [str(table.columns[-1])]
    by_name = [name for name in able if words_in(name) in TARGETS]
    by_word = [name for name in able if set(words_in(name).split()) & TARGETS]
    if by_name or by_word:
        return (by_name or by_word)[-1]
    amounts = [name for name in able if words_in(name) in AMOUNTS]
    # Tables end with the answer more often than not; one of two words is one more often than an amount.
    return able[-1] if table[able[-1]].nunique() == 2 or not amounts else amounts[-1]


def suggest_problem(target: pd.Series) -> Problem:
    """Which kind of problem a target makes: two values are two classes, many numbers are numbers."""
    values = target.dropna()
    different = values.nunique()
    if different == 2:
        return "binary"
    if column_kind(values) != "number":
        return "multiclass"
    return "regression" if different > MOST_CODES or is_amount(values) else "multiclass"


def suggest_id(table: pd.DataFrame, target: str) -> str:
    """The column that names a row: all different, and called so or the first one; "" for none."""
    able = [
        str(name)
        for name in table
        if name != target
        and table[name].is_unique
        and table[name].notna().all()
        and looks_like_id(table[name], column_kind(table[name]))
    ]
    named = [
        name for name in able if set(words_in(name).split()) & IDS or words_in(name).endswith("id")
    ]
    return (named or [name for name in able if name == table.columns[0]] or [""])[0]


def suggest_leave_out(table: pd.DataFrame, data: Data) -> dict[str, str]:
    """Columns that the network must not see, each with the reason.

    Parameters
    ----------
    table : DataFrame
        As `clean()` leaves it.
    data : Data
        What is decided already: target, problem, id.
    """
    reasons: dict[str, str] = {}
    for name in map(str, table):
        column, kind = table[name], column_kind(table[name])
        if name in (data.target, data.id):
            continue
        if kind == "empty":
            reasons[name] = "has no value at all"
        elif column.nunique(dropna=False) == 1:
            reasons[name] = "has the same value in every row"
        elif looks_like_id(column, kind) and kind != "number":
            reasons[name] = "is different in nearly every row, as an id or free text is"
        elif kind == "text":
            reasons[name] = "is free text, which is not used"
    target = table[data.target].dropna()
    rest = table.drop(columns=list(reasons))
    for name, score in suspected_leaks(rest, target, data).items():
        reasons[name] = (
            f"nearly determines the target by itself (score {score:.3f}): is it known before?"
        )
    return reasons


def suggest_sensitive(table: pd.DataFrame, taken: set[str]) -> list[str]:
    """Columns of people's groups that are to be treated alike, by their names."""
    return [
        str(name)
        for name in table
        if name not in taken
        and (words_in(str(name)) in SENSITIVE or set(words_in(str(name)).split()) & SENSITIVE)
        and table[name].nunique() > 1
    ]


def _may_be_target(column: pd.Series) -> bool:
    kind = column_kind(column)
    if kind in ("empty", "text", "date") or column.nunique() < 2:
        return False
    return kind == "number" or not looks_like_id(column, kind)
