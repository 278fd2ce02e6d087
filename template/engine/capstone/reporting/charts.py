"""Charts by plotly: small functions from numbers to a piece of HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from capstone.core.files import write_text

SCRIPT = "plotly.min.js"  # once in runs/, for all pages
BLUE, ORANGE, GREY = "#3b82f6", "#ea7a0c", "#8b8b8b"  # seen well on white and on black
COLOURS = (BLUE, ORANGE, "#14a38b", "#a855f7", "#dc4c64", "#7c8a1c", GREY)
MOST_DOTS = 2000  # in a scatter plot


@dataclass(frozen=True)
class Plotly:
    """Where a page has plotly's script from: a file beside it, or the code inside it."""

    path: str = ""
    code: str = ""


def plotly_inside() -> Plotly:
    """The script's code, for a page that stands alone (about 5 MB)."""
    return Plotly(code=get_plotlyjs())


def write_script(runs: Path) -> None:
    """Put plotly's script into runs/, unless this version of it is there.

    Parameters
    ----------
    runs : Path
        The folder of all runs, where the pages look for it.
    """
    path, code = runs / SCRIPT, get_plotlyjs()
    if not path.exists() or path.stat().st_size != len(code.encode()):
        write_text(path, code)


def drawing(figure: go.Figure, name: str, height: int = 320) -> str:
    """The figure as HTML: colours for light and dark, no toolbar, as wide as the page."""
    figure.update_layout(
        height=height,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        template="none",
        dragmode=False,
    )
    for axis in (figure.layout.xaxis, figure.layout.yaxis):
        axis.title.text = wrapped(axis.title.text or "", 34)
        axis.title.font.size = 12
    lines = {"gridcolor": "rgba(128,128,128,0.25)", "zerolinecolor": GREY, "automargin": True}
    figure.update_xaxes(**lines)
    figure.update_yaxes(**lines)
    html: str = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        config={"displayModeBar": False, "responsive": True},
    )
    return html


def wrapped(words: str, width: int = 26) -> str:
    """Long words over several lines, so that a phone has room for the chart beside them."""
    return "<br>".join(wrap(words, width)) or words


def dots(
    scores: Mapping[str, Mapping[str, float]],
    name: str,
    axis: str,
    highlighted: str = "",
    zero_line: bool = False,
) -> str:
    """A dot with its interval for each label.

    scores  the value of each label and the ends of its interval: {"value": ..., "low": ..., "high": ...}
    """
    values = [score["value"] for score in scores.values()]
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=[wrapped(label) for label in scores],
            mode="markers",
            marker={
                "size": 12,
                "color": [ORANGE if label == highlighted else BLUE for label in scores],
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": np.subtract([score["high"] for score in scores.values()], values),
                "arrayminus": np.subtract(values, [score["low"] for score in scores.values()]),
                "color": GREY,
                "thickness": 2,
            },
            hovertemplate="%{y}: %{x:.4g}<extra></extra>",
        )
    )
    if zero_line:
        figure.add_vline(0, line_color=GREY, line_dash="dot")
    return _with_labels(figure, name, axis, 110 + 34 * len(scores))


def bars(values: pd.Series, name: str, axis: str, highlighted: str = "") -> str:
    """A horizontal bar for each value, from top to bottom; the index holds the labels."""
    labels = values.index.tolist()
    figure = go.Figure(
        go.Bar(
            x=values.tolist(),
            y=[wrapped(label) for label in labels],
            orientation="h",
            marker_color=[ORANGE if label == highlighted else BLUE for label in labels],
            hovertemplate="%{y}: %{x:.4g}<extra></extra>",
        )
    )
    height = 110 + 16 * sum(1 + len(wrap(label, 26)) for label in labels)
    return _with_labels(figure, name, axis, height)


def _with_labels(figure: go.Figure, name: str, axis: str, height: int) -> str:
    """A figure with a row for each label, from top to bottom."""
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(title=axis)
    return drawing(figure, name, height)


def lines(curves: dict[str, tuple[pd.Series, pd.Series]], name: str, axes: tuple[str, str]) -> str:
    """A line for each name; one whose name stands in brackets is a reference, dotted and grey."""
    figure = go.Figure()
    for number, (label, (x, y)) in enumerate(curves.items()):
        dotted = label.startswith("(")
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines+markers" if len(x) < 15 and not dotted else "lines",
            name=label.strip("()"),
            line={
                "color": GREY if dotted else COLOURS[number % len(COLOURS)],
                "dash": "dot" if dotted else "solid",
            },
        )
    figure.update_xaxes(title=axes[0])
    figure.update_yaxes(title=axes[1])
    return drawing(figure, name, 360)


def scatter(
    x: np.ndarray, y: np.ndarray, name: str, axes: tuple[str, str], diagonal: bool = False
) -> str:
    """A dot for each row, of at most 2,000 rows, and the diagonal or the line at zero."""
    chosen = np.linspace(0, len(x) - 1, min(len(x), MOST_DOTS)).astype(int)
    x, y = np.asarray(x)[chosen], np.asarray(y)[chosen]
    marker = {"size": 5, "color": BLUE, "opacity": 0.55}
    figure = go.Figure(go.Scatter(x=x, y=y, mode="markers", marker=marker, showlegend=False))
    if diagonal:
        ends = [min(x.min(), y.min()), max(x.max(), y.max())]
        figure.add_scatter(x=ends, y=ends, mode="lines", name="right", line={"color": GREY})
    else:
        figure.add_hline(0, line_color=GREY, line_dash="dot")
    figure.update_xaxes(title=axes[0])
    figure.update_yaxes(title=axes[1])
    return drawing(figure, name, 380)


def swarm(
    columns: list[str], shap: pd.DataFrame, values: pd.DataFrame, name: str, axis: str
) -> str:
    """A row of dots for each column: where a dot lies is its SHAP value, its colour the row's value."""
    figure, rng = go.Figure(), np.random.default_rng(0)
    for position, column in enumerate(columns):
        x, held = shap[column].to_numpy(), values[column]
        width = 0.38 * np.clip(density(x), 0.1, 1)
        rank = held.rank(pct=True) if pd.api.types.is_numeric_dtype(held) else None
        figure.add_scatter(
            x=x,
            y=position + rng.uniform(-1, 1, len(x)) * width,
            mode="markers",
            showlegend=False,
            marker={
                "size": 4,
                "opacity": 0.7,
                "color": GREY if rank is None else rank.fillna(0.5),
                "colorscale": [[0, BLUE], [1, ORANGE]],
            },
            text=held.astype(str),
            hovertemplate=f"{column} = %{{text}}: %{{x:.3g}}<extra></extra>",
        )
    figure.update_yaxes(
        tickvals=list(range(len(columns))), ticktext=columns, autorange="reversed", zeroline=False
    )
    figure.update_xaxes(title=axis)
    return drawing(figure, name, 100 + 44 * len(columns))


def density(values: np.ndarray) -> np.ndarray:
    """How crowded it is around each value, the most crowded place being 1."""
    counts, edges = np.histogram(values, bins=30)
    neighbours = counts[np.clip(np.digitize(values, edges[1:-1]), 0, 29)]
    return neighbours / max(neighbours.max(), 1)


def waterfall(labels: list[str], moves: list[float], base: float, name: str, axis: str) -> str:
    """From what is predicted on average, column by column, to what is predicted for this row."""
    figure = go.Figure(
        go.Waterfall(
            orientation="h",
            y=["on average", *map(wrapped, labels), "predicted"],
            x=[base, *moves, 0],
            measure=["absolute", *["relative"] * len(moves), "total"],
            increasing={"marker": {"color": ORANGE}},
            decreasing={"marker": {"color": BLUE}},
            totals={"marker": {"color": GREY}},
        )
    )
    return _with_labels(figure, name, axis, 120 + 28 * (len(labels) + 2))


def confusion_grid(counts: pd.DataFrame, name: str) -> str:
    """The confusion matrix: darker where more of a true class's rows went."""
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    figure = go.Figure(
        go.Heatmap(
            z=shares.to_numpy(),
            x=[f"predicted {label}" for label in counts.columns],
            y=[f"true {label}" for label in counts.index],
            text=counts.to_numpy() if len(counts) <= 12 else None,
            texttemplate="%{text}" if len(counts) <= 12 else None,
            colorscale=[[0, "rgba(59,130,246,0.03)"], [1, "rgba(59,130,246,0.75)"]],
            showscale=False,
        )
    )
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(type="category")
    return drawing(figure, name, 140 + 46 * min(len(counts), 14))
