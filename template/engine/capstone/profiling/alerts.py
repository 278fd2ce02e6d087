"""What someone should look at in a table before anything is trained, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.settings import Data
from capstone.data.kinds import (
    Kind,
    column_kind,
    column_role,
    day_and_month_unclear,
    find_date_format,
    looks_like_id,
)
from capstone.data.leaks import suspected_leaks
from capstone.data.mends import column_mends, find_mends
from capstone.data.splitting import duplicate_groups
from capstone.data.validation import check_target

# "stop": no run is possible, or its result would be wrong; "mend": a line for clean(); "look": decide.
Level = Literal["stop", "mend", "look"]
MANY_GAPS = 0.5  # share of missing values that is worth a word
RARE = 0.1  # share of the rarest class below which accuracy misleads


@dataclass(frozen=True)
class Alert:
    """One thing to look at.

    Parameters
    ----------
    level : {"stop", "mend", "look"}
        How much it matters.
    column : str
        The column; "" for the whole table.
    kind : str
        A short name, the same for the same thing in another table: what `clean()` has answered is told by it.
    text : str
        A sentence that says what it is, and what to do.
    code : str
        The line for `clean()`, where there is one.
    """

    level: Level
    column: str
    kind: str
    text: str
    code: str = ""


def find_alerts(table: pd.DataFrame, data: Data) -> list[Alert]:
    """Everything that someone should look at, in the order of the columns; the target's own come last.

    Parameters
    ----------
    table : DataFrame
        As it was read, or as `clean()` leaves it.
    data : Data
        Section [data] of the settings.
    """
    alerts = _copies(table, data)
    for name in table:
        alerts += _column_alerts(table[name], data)
    try:
        target = _checked_target(table[data.target], data)
    except CapstoneError as error:
        return [*alerts, Alert("stop", data.target, "target", str(error))]
    if data.problem != "regression" and target.value_counts(normalize=True).min() < RARE:
        text = f'The classes of "{data.target}" are unbalanced: accuracy alone will look too good.'
        alerts.append(Alert("look", data.target, "unbalanced", text))
    for name, score in suspected_leaks(table, target, data).items():
        text = (
            f'"{name}" alone nearly determines the target (score {score:.3f}): is it known before the '
            "target is? If not, it is a leak: add it to [data] leave_out."
        )
        alerts.append(Alert("stop", name, "leak", text))
    return alerts


def _checked_target(target: pd.Series, data: Data) -> pd.Series:
    """The target as a run would take it once the lines for clean() are written, which have alerts of their own.

    Raises CapstoneError where they would not do.
    """
    try:
        return check_target(target, data)
    except CapstoneError:
        mended, mends = find_mends(target.to_frame())
        if not mends:
            raise
        return check_target(mended[str(target.name)], data)


def _copies(table: pd.DataFrame, data: Data) -> list[Alert]:
    copies = len(table) - len(np.unique(duplicate_groups(table)))
    if not copies:
        return []
    advice = "a run leaves them out" if data.drop_copies else "set [data] drop_copies = true"
    are = (
        "row is an exact copy of another row"
        if copies == 1
        else "rows are exact copies of other rows"
    )
    return [Alert("look", "", "copies", f"{copies:,} {are}: {advice}.")]


def _column_alerts(column: pd.Series, data: Data) -> list[Alert]:
    name, role = str(column.name), column_role(str(column.name), data)
    kind = column_kind(column, data.date_format)
    if role == "left out":
        return []
    if kind == "empty":
        return [
            Alert(
                "look", name, "empty", f'"{name}" has no value at all: add it to [data] leave_out.'
            )
        ]
    if column.nunique(dropna=False) == 1:
        text = f'"{name}" has the same value in every row: it can tell nothing apart.'
        return [Alert("look", name, "constant", text)]
    alerts = _mend_alerts(column, role == "target") if role != "id" else []
    if role == "feature" and not alerts:
        alerts += _role_alerts(column, kind)
    shape = find_date_format(column, data.date_format) if kind == "date" else None
    if shape and day_and_month_unclear(column, shape):
        text = f'"{name}" is read with days before months: if not, set [data] date_format.'
        alerts.append(Alert("look", name, "day first", text))
    gaps = column.isna().mean()
    if gaps > MANY_GAPS:
        alerts.append(
            Alert("look", name, "gaps", f'"{name}" is missing in {gaps:.0%} of the rows.')
        )
    return alerts


def _mend_alerts(column: pd.Series, is_target: bool) -> list[Alert]:
    """What `capstone use` would write into clean(), as advice."""
    alerts = []
    for mend in column_mends(column):
        line = mend.line_for_target if is_target else mend.line
        alerts.append(
            Alert("mend", mend.column, mend.kind, f'"{mend.column}": {mend.reason}.', line)
        )
    return alerts


def _role_alerts(column: pd.Series, kind: Kind) -> list[Alert]:
    name = column.name
    if looks_like_id(column, kind):
        text = f'"{name}" looks like an id (nearly all different): set [data] id or leave_out.'
        return [Alert("look", str(name), "id", text)]
    if kind == "text":
        text = f'"{name}" is free text, which is not used: make columns from it in engineer().'
        return [Alert("look", str(name), "text", text)]
    return []
