"""Charts by plotly: small functions from numbers to a piece of HTML."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from textwrap import wrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb
from plotly.offline import get_plotlyjs

from capstone.core.files import write_text
from capstone.core.text import cell_text, cut, printable, short

SCRIPT = "plotly.min.js"  # once in runs/, for all pages
TOKENS = files("capstone.serving").joinpath("page", "tokens.css").read_text(encoding="utf-8")
COLOURS = tuple(re.findall(r"--series-\d: (#\w{6});", TOKENS))
BLUE, ORANGE, GREY = COLOURS[0], COLOURS[1], COLOURS[-1]
DASHES = ("solid", "dash", "longdash", "dashdot", "longdashdot")  # for who sees no colours
MOST_DOTS = 2000  # in a scatter plot
MOST_DECIMALS = 6
LONGEST_LABEL, LONGEST_AXIS = 80, 160  # characters
STANDARD_HEIGHT = 360  # of charts that stand beside one another


Curve = tuple[pd.Series, pd.Series]


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


def alike(values: Sequence[float], sign: str = "") -> list[str]:
    """Numbers that stand together, all with as many decimals as the largest needs for three digits."""
    largest = max((abs(value) for value in values if np.isfinite(value)), default=0.0)
    decimals = 2 - math.floor(math.log10(largest)) if largest else 0
    if decimals > MOST_DECIMALS:
        return [f"{value:{sign}.3g}" for value in values]
    texts = [f"{value:{sign},.{max(decimals, 0)}f}" for value in values]
    return [text if text.strip("+-0.,") else text.lstrip("+-") for text in texts]


def drawing(
    figure: go.Figure, name: str, height: int = STANDARD_HEIGHT, axis_width: int = 34
) -> str:
    """The figure as HTML: colours for light and dark, no toolbar, as wide as the page.

    axis_width  characters that a phone has room for below the chart; fewer where labels stand beside it
    """
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
        axis.title.text = wrapped(axis.title.text or "", axis_width, LONGEST_AXIS)
        axis.title.font.size = 12
    lines = {"gridcolor": "rgba(128,128,128,0.25)", "zerolinecolor": GREY, "automargin": True}
    figure.update_xaxes(**lines)
    figure.update_yaxes(**lines)
    html: str = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        config={"displayModeBar": False, "responsive": True, "typesetMath": False},
    )
    return html


def label(words: object, longest: int = LONGEST_LABEL) -> str:
    """A name or value as it is: plotly would take <b> for bold, &lt; for <, and %{x} for a number of the chart."""
    text = printable(cut(cell_text(words), longest))
    return escape(text, quote=False).replace("%{", "%&#123;")


def wrapped(words: str, width: int = 26, longest: int = LONGEST_LABEL) -> str:
    """A long label over several lines, so that a phone has room for the chart beside it."""
    lines = wrap(printable(cut(words, longest)), width)
    return "<br>".join(label(line, longest) for line in lines) or label(words)


def dots(
    scores: Mapping[str, Mapping[str, float]],
    name: str,
    axis: str,
    highlighted: str = "",
    zero_line: bool = False,
    colours: Mapping[str, str] | None = None,
) -> str:
    """A dot with its interval for each label.

    scores   the value of each label and the ends of its interval: {"value": ..., "low": ..., "high": ...}
    colours  of the dots, by their labels; without, blue and, where highlighted, orange
    """
    colours = colours or {text: ORANGE if text == highlighted else BLUE for text in scores}
    values = [score["value"] for score in scores.values()]
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=places(scores),
            mode="markers",
            marker={
                "size": 12,
                "color": [colours[text] for text in scores],
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
    return _with_labels(figure, name, axis, list(scores))


def bars(values: pd.Series, name: str, axis: str, highlighted: str = "") -> str:
    """A horizontal bar for each value, from top to bottom; the index holds the labels."""
    labels = [cell_text(text) for text in values.index]
    figure = go.Figure(
        go.Bar(
            x=values.tolist(),
            y=places(labels),
            text=alike(values.tolist()),
            textposition="outside",
            cliponaxis=False,
            orientation="h",
            marker_color=[ORANGE if text == highlighted else BLUE for text in labels],
            hovertemplate="%{y}: %{x:.4g}<extra></extra>",
        )
    )
    # Room for the figures beside the bars, on whichever side they point.
    ends = min(0.0, float(values.min())), max(0.0, float(values.max()))
    longest = max(map(len, alike(values.tolist())), default=0)
    room = (0.05 + 0.035 * longest) * ((ends[1] - ends[0]) or 1)
    figure.update_xaxes(range=[ends[0] - 2 * room * (ends[0] < 0), ends[1] + room])
    figure.update_layout(bargap=max(0.25, 1 - 0.12 * len(labels)))
    return _with_labels(figure, name, axis, labels)


def places(labels: Collection[object]) -> list[str]:
    """Where the labels of an axis are: by number, for two labels may look the same."""
    return [str(number) for number in range(len(labels))]


def ticks(labels: Collection[object], width: int = 26) -> dict[str, object]:
    """An axis with these labels at their places."""
    shown = [wrapped(cell_text(text), width) for text in labels]
    return {"type": "category", "tickvals": places(labels), "ticktext": shown}


def _with_labels(figure: go.Figure, name: str, axis: str, labels: list[str]) -> str:
    """A figure with a row for each label, from top to bottom; all are as high as the longest label needs."""
    lines = max(wrapped(text).count("<br>") + 1 for text in labels)
    height = max(STANDARD_HEIGHT, 110 + (12 + 16 * lines) * len(labels))
    figure.update_yaxes(autorange="reversed", **ticks(labels))
    figure.update_xaxes(title=axis)
    return drawing(figure, name, height, axis_width=28)


def lines(
    curves: dict[str, Curve],
    name: str,
    axes: tuple[str, str],
    ideal: str = "",
    marked: tuple[str, float] | None = None,
    by_factors: bool = False,
) -> str:
    """A line for each name.

    ideal   what the dotted grey diagonal is called, where there is one
    marked  a place on the x axis, and what it is called
    by_factors  equal factors are equally far apart on the y axis: what falls steeply first stays visible later
    """
    figure = go.Figure()
    for number, (text, (x, y)) in enumerate(curves.items()):
        mode = "lines+markers" if len(x) < 15 else "lines"
        line = {"color": COLOURS[number % len(COLOURS)], "dash": DASHES[number % len(DASHES)]}
        figure.add_scatter(x=x, y=y, mode=mode, name=label(text), line=line)
    if ideal:
        line = {"color": GREY, "dash": "dot"}
        figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name=ideal, line=line)
    if marked:
        figure.add_vline(marked[1], line_color=GREY, line_dash="dash", annotation_text=marked[0])
    if by_factors:
        figure.update_yaxes(type="log", **round_numbers([y for _, y in curves.values()]))
    figure.update_xaxes(title=axes[0])
    figure.update_yaxes(title=axes[1])
    return drawing(figure, name)


def round_numbers(values: Sequence[pd.Series]) -> dict[str, object]:
    """The ticks of a logarithmic axis: 1, 2 and 5 with any number of noughts, and more where values lie close."""
    every = np.concatenate([np.asarray(series, float) for series in values])
    every = every[every > 0]
    if not len(every):
        return {}
    exponents = range(int(np.log10(every.min())) - 2, int(np.log10(every.max())) + 2)
    digits = (1, 2, 5) if every.max() > 10 * every.min() else (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8)
    shown = [float(f"{digit}e{exponent}") for exponent in exponents for digit in digits]
    return {"tickvals": shown, "ticktext": [short(value) for value in shown]}


def histogram(
    groups: Mapping[str, np.ndarray], name: str, axes: tuple[str, str], bins: int = 30
) -> str:
    """How numbers are spread, one over the other for several groups; counted here, so that no page holds the rows."""
    together = np.concatenate(list(groups.values()))
    edges = np.histogram_bin_edges(together[np.isfinite(together)], bins=bins)
    figure = go.Figure()
    for place, (label, values) in enumerate(groups.items()):
        counts, _ = np.histogram(values, bins=edges)
        figure.add_bar(
            x=(edges[1:] + edges[:-1]) / 2,
            y=counts,
            width=np.diff(edges),
            name=label,
            opacity=0.6 if len(groups) > 1 else 1,
            marker_color=COLOURS[place % len(COLOURS)],
            hovertemplate="%{x:.4g}: %{y}<extra></extra>",
        )
    figure.update_layout(barmode="overlay", bargap=0, showlegend=len(groups) > 1)
    figure.update_xaxes(title=axes[0])
    figure.update_yaxes(title=axes[1])
    return drawing(figure, name)


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
    return drawing(figure, name)


def swarm(
    columns: list[str], shap: pd.DataFrame, values: pd.DataFrame, name: str, axis: str
) -> str:
    """A row of dots for each column: where a dot lies is its SHAP value, its colour the row's value."""
    figure, rng = go.Figure(), np.random.default_rng(0)
    for position, column in enumerate(columns):
        x, held = shap[column].to_numpy(), values[column]
        width = 0.38 * np.clip(density(x), 0.1, 1)
        types = pd.api.types
        ordered = types.is_numeric_dtype(held) or types.is_datetime64_any_dtype(held)
        rank = held.rank(pct=True) if ordered else None
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
            text=[f"{label(column)} = {label(value)}" for value in held],
            hovertemplate="%{text}: %{x:.3g}<extra></extra>",
        )
    figure.update_yaxes(
        tickvals=list(range(len(columns))),
        ticktext=[wrapped(column) for column in columns],
        autorange="reversed",
        zeroline=False,
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
    rows = ["on average", *labels, "predicted"]
    steps = np.cumsum([base, *moves])
    width = (steps.max() - steps.min()) or abs(base) or 1
    ends = np.maximum(steps, np.concatenate([steps[:1], steps[:-1]]))
    figure = go.Figure(
        go.Waterfall(
            orientation="h",
            y=places(rows),
            x=[base, *moves, 0],
            measure=["absolute", *["relative"] * len(moves), "total"],
            increasing={"marker": {"color": ORANGE}},
            decreasing={"marker": {"color": BLUE}},
            totals={"marker": {"color": GREY}},
        )
    )
    start, end = alike([base, float(steps[-1])])
    figure.add_scatter(
        x=[*ends, steps[-1]],
        y=places(rows),
        text=[f" {text}" for text in (start, *alike(moves, "+"), end)],
        mode="text",
        textposition="middle right",
        cliponaxis=False,
        hoverinfo="skip",
    )
    # Not from zero: beside a base of 300,000, what moves a prediction by 2,000 could not be seen.
    figure.update_xaxes(range=[steps.min() - 0.1 * width, steps.max() + 0.5 * width])
    figure.update_layout(showlegend=False)
    return _with_labels(figure, name, axis, rows)


def confusion_grid(counts: pd.DataFrame, name: str) -> str:
    """The confusion matrix: darker where more of a true class's rows went."""
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    words = counts.astype(str) + "<br>" + shares.map("{:.0%}".format)
    figure = go.Figure(
        go.Heatmap(
            z=shares.to_numpy(),
            x=places(counts.columns),
            y=places(counts.index),
            text=words.to_numpy() if len(counts) <= 12 else None,
            texttemplate="%{text}" if len(counts) <= 12 else None,
            colorscale=[[0, _faint(BLUE, 0.03)], [1, _faint(BLUE, 0.75)]],
            showscale=False,
        )
    )
    few = len(counts) < 7
    figure.update_yaxes(title="true", autorange="reversed", **ticks(counts.index, 16))
    across = ticks(counts.columns, max(6, 36 // len(counts)) if few else 26)
    figure.update_xaxes(title="predicted", tickangle=0 if few else 90, **across)
    return drawing(figure, name, max(STANDARD_HEIGHT, 140 + 46 * min(len(counts), 14)))


def _faint(colour: str, opacity: float) -> str:
    return f"rgba{(*hex_to_rgb(colour), opacity)}"
