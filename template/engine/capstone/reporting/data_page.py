"""`capstone data`: what is in the table, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from capstone.core.settings import Data
from capstone.core.text import cell_text
from capstone.data.kinds import column_kind, column_role
from capstone.data.splitting import duplicate_groups
from capstone.profiling.alerts import Alert, find_alerts
from capstone.profiling.associations import associations
from capstone.reporting.column_cards import (
    Card,
    KnownTarget,
    any_number,
    column_cards,
    column_values,
)
from capstone.reporting.rendering import render_page

STRIPS = 40  # in the map of gaps: so many pieces of the table, from the first row to the last


@dataclass(frozen=True)
class Overview:
    """What `capstone data` found.

    Parameters
    ----------
    headline : str
        How large the table is, and which file it is.
    alerts : list of Alert
        Everything that someone should look at, in the table as it was read.
    columns : DataFrame
        A line for each column: kind, role, missing and different values.
    target : DataFrame
        The balance of the classes, or the figures of the target's distribution.
    first_rows : DataFrame
        The first five rows of the table.
    answered : list of Alert
        Those alerts of the table as it was read that `clean()` has dealt with.
    """

    headline: str
    alerts: list[Alert]
    columns: pd.DataFrame
    target: pd.DataFrame
    first_rows: pd.DataFrame
    answered: list[Alert] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        """What is left to look at, a sentence each."""
        return [alert.text for alert in self.alerts if alert not in self.answered]


@dataclass(frozen=True)
class Gaps:
    """Where values are missing: for each column that has gaps, the share in each of 40 pieces of the table."""

    columns: list[str]
    shares: list[list[float]]


@dataclass(frozen=True)
class DataPage:
    """What the page shows beside the overview: pictures of the table as `clean()` leaves it."""

    figures: dict[str, str]
    classes: list[str]
    cards: list[Card]
    gaps: Gaps
    together: pd.DataFrame
    changes: pd.DataFrame


def look_at(
    table: pd.DataFrame,
    data: Data,
    sha256: str,
    sample: str = "",
    cleaned: pd.DataFrame | None = None,
) -> Overview:
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
    cleaned : DataFrame, optional
        The same table as `clean()` leaves it: what it has answered is no news any more.

    Returns
    -------
    Overview
        What to show, and a sentence for everything that someone should look at: `headline` and `notes` in words,
        `columns`, `target` and `first_rows` as tables.
    """
    rows, width = table.shape
    alerts = [Alert("look", "", "sample", f"This is {sample}.")] * bool(sample)
    answered: list[Alert] = []
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the largest there are
        columns = pd.DataFrame([_column_line(table[name], data) for name in table])
        alerts += find_alerts(table, data)
        left = [] if cleaned is None else find_alerts(cleaned, data)
        figures = _target_table(table[data.target], data)
    if cleaned is not None:
        known = {(alert.column, alert.kind) for alert in alerts}
        still = {(alert.column, alert.kind) for alert in left} | {("", "sample")}
        answered = [alert for alert in alerts if (alert.column, alert.kind) not in still]
        alerts += [alert for alert in left if (alert.column, alert.kind) not in known]
    return Overview(
        headline=f"{rows:,} rows and {width:,} columns in {data.path} (SHA-256 {sha256[:12]}).",
        alerts=alerts,
        columns=columns,
        target=figures,
        first_rows=table.head(5),
        answered=answered,
    )


def data_page(overview: Overview, table: pd.DataFrame, cleaned: pd.DataFrame, data: Data) -> str:
    """The overview as an HTML page, with a chart of each column.

    Parameters
    ----------
    overview : Overview
        What `look_at` found.
    table, cleaned : DataFrame
        The table as it was read, and as `clean()` leaves it.
    data : Data
        Section [data] of the settings.

    Returns
    -------
    str
        The page: one file, which needs no script and asks no other host.
    """
    seen = cleaned.drop(columns=[name for name in data.leave_out if name in cleaned])
    page = DataPage(
        figures=_figures(table, data),
        classes=_classes(cleaned, data),
        cards=column_cards(cleaned, data),
        gaps=_gaps(cleaned),
        together=associations(seen, data.target, data.date_format),
        changes=_changes(table, cleaned, data),
    )
    return render_page(
        "data.html", title=f"The data: {data.path}", overview=overview, page=page, data=data
    )


def _classes(table: pd.DataFrame, data: Data) -> list[str]:
    """The classes by their colours, where there are more than two."""
    target = KnownTarget.of(table, data)
    if target.positive or not isinstance(target.values.dtype, pd.CategoricalDtype):
        return []
    return [str(name) for name in target.values.cat.categories]


def _figures(table: pd.DataFrame, data: Data) -> dict[str, str]:
    """The tiles at the top of the page."""
    copies = len(table) - len(np.unique(duplicate_groups(table)))
    return {
        "rows": f"{len(table):,}",
        "columns": f"{table.shape[1]:,}",
        "of the cells are missing": f"{table.isna().to_numpy().mean():.1%}",
        "copies of other rows": f"{copies:,}",
        "to predict": data.target,
    }


def _gaps(table: pd.DataFrame) -> Gaps:
    """The share of missing values, piece by piece, of the columns that have any; the emptiest first."""
    missing = table.isna()
    shares = missing.mean().sort_values(ascending=False, kind="stable")
    names = [str(name) for name, share in shares.items() if share > 0][:30]
    pieces = np.array_split(np.arange(len(table)), min(STRIPS, len(table)))
    values = missing[names].to_numpy()
    return Gaps(
        names, [[float(values[piece, i].mean()) for piece in pieces] for i in range(len(names))]
    )


def _changes(table: pd.DataFrame, cleaned: pd.DataFrame, data: Data) -> pd.DataFrame:
    """What `clean()` made of each column that it changed."""
    lines = []
    for name in table:
        if name in data.leave_out:
            continue
        if name not in cleaned:
            lines.append(
                {
                    "column": name,
                    "before": column_values(table[name], data.date_format),
                    "after": "gone",
                }
            )
            continue
        before, after = table.loc[cleaned.index, name], cleaned[name]
        if before.equals(after):
            continue
        lines.append(
            {"column": name, "before": _in_words(before, data), "after": _in_words(after, data)}
        )
    lines += [
        {"column": name, "before": "not there", "after": _in_words(cleaned[name], data)}
        for name in cleaned
        if name not in table
    ]
    return pd.DataFrame(lines, columns=["column", "before", "after"])


def _in_words(column: pd.Series, data: Data) -> str:
    kind = column_kind(column, data.date_format)
    missing = int(column.isna().sum())
    gaps = f", {missing:,} missing" if missing else ""
    return (
        f"{kind}, {column.nunique():,} different{gaps}: {column_values(column, data.date_format)}"
    )


def _column_line(column: pd.Series, data: Data) -> dict[str, object]:
    """One line of the table of columns."""
    return {
        "column": column.name,
        "kind": column_kind(column, data.date_format),
        "role": column_role(str(column.name), data),
        "missing": f"{column.isna().mean():.1%}",
        "different": column.nunique(),
        "values": column_values(column, data.date_format),
    }


def _target_table(target: pd.Series, data: Data) -> pd.DataFrame:
    """Class balance, or the target's distribution."""
    if data.problem == "regression":
        numbers = pd.to_numeric(target, errors="coerce")
        numbers = numbers.where(np.isfinite(numbers)).describe()
        return pd.DataFrame({"figure": numbers.index, "value": [*map(any_number, numbers)]})
    counts = target.value_counts(dropna=False)
    shares = [f"{count / len(target):.1%}" for count in counts]
    classes = [cell_text(value) for value in counts.index]  # a gap is "(missing)"
    return pd.DataFrame({"class": classes, "rows": counts.to_numpy(), "share": shares})
