"""Why it predicts this: SHAP values of the student's columns, and permutation importance."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from capstone.core.text import MISSING, cell_text
from capstone.data.kinds import find_date_format, to_dates
from capstone.reporting import charts
from capstone.reporting.rendering import Chart, cell
from capstone.reporting.report.sentences import METRIC_NAMES
from capstone.runs.results import RunResults

MOST_BARS, MOST_SWARMS, MOST_DEPENDENCE = 9, 10, 3
SHAP = "mean_abs_shap"  # in shap.csv; each class has a column of its own
MOST_VALUES = 12  # of a column, shown one by one; more numbers are shown in tenths


@dataclass(frozen=True)
class _Explained:
    """The SHAP values of one output of the network.

    importance  a row for each column of the table, the most important first
    shap        a column for each column of the table, a row for each explained row
    values      what the table held there
    output      what is explained, as people would call it
    base        what is predicted on average
    """

    importance: pd.DataFrame
    shap: pd.DataFrame
    values: pd.DataFrame
    output: str
    base: float

    @property
    def axis(self) -> str:
        return f"what the column adds to {self.output}"

    def top(self, most: int) -> list[str]:
        """The names of the most important columns."""
        return self.importance["column"].head(most).tolist()


def reasons(results: RunResults) -> dict[str, Chart | list[Chart] | str] | None:
    """The charts of the section "Why does it predict this?"; None where nothing was explained."""
    explained = _explained(results)
    if explained is None:
        return None
    return {
        "importance": _importance(explained),
        "output": "each probability" if len(results.target.classes) > 2 else explained.output,
        "swarm": _swarm(explained),
        "dependence": [
            _dependence(explained, column, f"dependence-{number}")
            for number, column in enumerate(explained.top(MOST_DEPENDENCE))
        ],
        "typical": _typical(explained),
        "permutation": _permutation(explained.importance, results.metrics["primary_metric"]),
    }


def _explained(results: RunResults) -> _Explained | None:
    if results.shap is None or results.shap_values is None:
        return None
    table, classes = results.shap_values, results.target.classes
    shown = classes[-1] if len(classes) == 2 else ""
    if len(classes) > 2:
        shown = _class_to_show(results)
        table = table[table["class"] == shown]
    return _Explained(
        importance=results.shap,
        shap=_columns_after("shap of ", table),
        values=_columns_after("value of ", table).apply(_dates_as_dates),
        output=f'the probability of "{shown}"' if shown else f'"{results.target.name}"',
        base=float(table["base"].iloc[0]),
    )


def _columns_after(prefix: str, table: pd.DataFrame) -> pd.DataFrame:
    """The columns whose names begin with the prefix, without it."""
    columns = [name for name in table if str(name).startswith(prefix)]
    return table[columns].rename(columns=lambda name: str(name).removeprefix(prefix))


def _class_to_show(results: RunResults) -> str:
    """Of several classes the one where a group was found to be treated differently, else the first."""
    findings = [
        compared["finding"]
        for compared in results.metrics["groups"].values()
        if "finding" in compared
    ]
    return findings[0]["class"] if findings else results.target.classes[0]


def _importance(explained: _Explained) -> Chart:
    """The mean size of each column's SHAP values, of several classes the average over them."""
    importance = explained.importance
    first, last = importance["column"].iloc[0], importance["column"].iloc[-1]
    drawing = charts.bars(
        importance.set_index("column")["mean_abs_shap"].head(MOST_BARS),
        "shap",
        "mean size of the SHAP value",
    )
    title = f"{first} moves the predictions most, {last} least"
    return Chart(title, drawing, _in_words(importance))


def _swarm(explained: _Explained) -> Chart:
    """The SHAP values row by row."""
    top = explained.top(MOST_SWARMS)
    return Chart(
        f"How each column moves {explained.output}, row by row",
        charts.swarm(top, explained.shap, explained.values, "swarm", explained.axis),
        explained.shap[top].describe().T.rename_axis("SHAP values of").reset_index(),
    )


def _typical(explained: _Explained) -> Chart:
    """Of the explained rows the one whose prediction lies in the middle: from the average to what is predicted."""
    total = explained.shap.sum(axis=1)
    row = (total - total.median()).abs().idxmin()
    moves = explained.shap.loc[row].sort_values(key=abs, ascending=False, kind="stable")
    shown = moves.head(MOST_SWARMS)
    labels = [f"{name} = {cell(explained.values.loc[row, name])}" for name in shown.index]
    sizes = shown.tolist()
    if len(moves) > len(shown):
        labels.append(f"{len(moves) - len(shown)} other columns")
        sizes.append(float(moves.sum() - shown.sum()))
    drawing = charts.waterfall(
        labels, sizes, explained.base, "typical", f"prediction of {explained.output}"
    )
    numbers = pd.DataFrame({"column": labels, "SHAP value": sizes})
    return Chart(f"A typical row: {shown.index[0]} moves it most", drawing, numbers)


def _dates_as_dates(column: pd.Series) -> pd.Series:
    """A column of dates written as text as dates, so that early ones can be told from late ones."""
    if pd.api.types.is_numeric_dtype(column) or not column.notna().any():
        return column
    shape = find_date_format(column)
    return to_dates(column, shape) if shape else column


def _dependence(explained: _Explained, column: str, name: str) -> Chart:
    """How the SHAP value of a column depends on what the row holds; dates are shown by year."""
    values, shap = explained.values[column], explained.shap[column]
    if pd.api.types.is_datetime64_any_dtype(values):
        values = values.dt.year.rename(values.name)
    table = _mean_by_value(values, shap)
    means = table["mean SHAP value"]
    low, high = table.loc[means.idxmin()], table.loc[means.idxmax()]
    title = f"{column}: lowest at {cell_text(low.iloc[0])}, highest at {cell_text(high.iloc[0])}"
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        axes = (column, explained.axis)
        drawing = charts.scatter(values.to_numpy(float), shap.to_numpy(), name, axes)
    else:
        labels = table.iloc[:, 0].astype(str)
        drawing = charts.bars(means.set_axis(labels), name, explained.axis)
    return Chart(title, drawing, table)


def _mean_by_value(values: pd.Series, shap: pd.Series) -> pd.DataFrame:
    """The mean SHAP value for each category, or for each tenth of the numbers."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > MOST_VALUES:
        tenths = pd.qcut(values.astype(float), 10, duplicates="drop")
        groups = tenths.map(lambda tenth: f"{tenth.left:.4g} to {tenth.right:.4g}", "ignore")
    else:
        groups = values
    groups = groups.astype(object).where(values.notna(), MISSING)
    means = shap.groupby(groups.to_numpy(), sort=False).agg(["mean", "size"])
    if pd.api.types.is_numeric_dtype(values):
        order = values.groupby(groups.to_numpy(), sort=False).first()
        means = means.loc[order.sort_values().index]
    else:
        means = means.sort_values("size", ascending=False).head(MOST_VALUES)
    means = means.rename(columns={"mean": "mean SHAP value", "size": "rows (of the test part)"})
    return means.reset_index(names=str(values.name))


def _permutation(importance: pd.DataFrame, metric: str) -> Chart:
    """The other importance: how much the score loses when a column is shuffled."""
    order = importance.sort_values("permutation_importance", ascending=False, kind="stable")
    first = order["column"].iloc[0]
    same = first == importance["column"].iloc[0]
    drawing = charts.bars(
        order.set_index("column")["permutation_importance"].head(MOST_BARS),
        "permutation",
        f"how much {METRIC_NAMES[metric]} gets worse",
    )
    title = f"{'Also for' if same else 'But for'} the score, {first} matters most"
    return Chart(title, drawing, _in_words(order[["column", "permutation_importance"]]))


def _in_words(importance: pd.DataFrame) -> pd.DataFrame:
    """shap.csv with headings as people write them."""
    names = {SHAP: "mean size of the SHAP value", "permutation_importance": "loss when shuffled"}
    of_classes = {
        name: f'of "{name.removeprefix(SHAP + "_")}"'
        for name in importance
        if name.startswith(f"{SHAP}_")
    }
    return importance.rename(columns=names | of_classes)
