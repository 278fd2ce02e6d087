"""explain_<row>.html: why the network predicts what it predicts for one row."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from capstone.core.text import cut, short
from capstone.reporting import charts
from capstone.reporting.charts import Plotly
from capstone.reporting.rendering import Chart, render_page

MOST_COLUMNS = 15  # in the chart; the others are one bar together
LONGEST_VALUE = 30  # characters, in the chart


@dataclass(frozen=True)
class RowExplanation:
    """One row's prediction, taken apart.

    columns  column, value, and `moved`: its SHAP value, the largest first
    base     what is predicted on average; base and all of `moved` add up to `predicted`
    output   what is explained: "price", or "probability of yes"
    is_share  whether that is a probability
    """

    row: str
    part: str
    output: str
    base: float
    predicted: float
    truth: str
    columns: pd.DataFrame
    method: str
    is_share: bool

    @property
    def sentences(self) -> list[str]:
        """The explanation in words, without the table."""
        predicted, base = in_unit(self.predicted, self.is_share), in_unit(self.base, self.is_share)
        first = self.columns.iloc[0]
        change = "raises" if first["moved"] > 0 else "lowers"
        by = in_unit(first["moved"], self.is_share, move=True)
        return [
            f"Row {self.row} ({self.part} part): {self.output} {predicted}; the truth is {self.truth}.",
            f"On average {base} is predicted. {first['column']} = {first['value']} {change} it most: {by}.",
        ]


def in_unit(value: float, is_share: bool, move: bool = False) -> str:
    """A number of the target's unit, or a percentage.

    Parameters
    ----------
    value : float
        What is predicted, or by how much a column moves it.
    is_share : bool
        Whether it is a probability.
    move : bool
        Whether it is a move: it has its sign, and of a probability it is in points.
    """
    sign = "+" if move and value > 0 else ""
    if is_share:
        return f"{sign}{value * 100:.1f} {'points' if move else '%'}"
    return sign + short(value)


def explanation_page(explained: RowExplanation, name: str) -> str:
    """One row's prediction as a page, with a waterfall from the average to this row.

    Parameters
    ----------
    explained : RowExplanation
        The prediction, taken apart.
    name : str
        Of the run whose model made it.

    Returns
    -------
    str
        The page, which lies in the run's folder and looks for plotly's script in runs/.
    """
    columns = explained.columns
    return render_page(
        "explanation.html",
        title=f"Why this prediction? Row {explained.row}",
        sentences=explained.sentences,
        chart=Chart(
            f"{columns['column'].iloc[0]} counts most for this row",
            _waterfall(explained),
            columns.rename(columns={"moved": "moves the prediction by"}),
        ),
        method=explained.method,
        name=name,
        plotly=Plotly(path=f"../{charts.SCRIPT}"),
    )


def _waterfall(explained: RowExplanation) -> str:
    shown = explained.columns.head(MOST_COLUMNS)
    labels = [
        f"{line.column} = {cut(str(line.value), LONGEST_VALUE)}" for line in shown.itertuples()
    ]
    moves = shown["moved"].tolist()
    if len(explained.columns) > MOST_COLUMNS:
        labels.append("all other columns")
        moves.append(float(explained.columns["moved"].iloc[MOST_COLUMNS:].sum()))
    return charts.waterfall(labels, moves, explained.base, "waterfall", explained.output)
