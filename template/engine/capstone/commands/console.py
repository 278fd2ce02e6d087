"""What commands print: tables and sentences for the terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import pandas as pd
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from capstone.core.text import MODELS, cut, number, printable
from capstone.evaluation.metrics import LOWER_IS_BETTER
from capstone.training.history import Epoch

NARROWEST = 60  # characters a line: on a terminal that is narrower still, tables would be pillars of letters
LONGEST_CELL = 80
WIDEST_WHOLE = 18  # characters of a cell that stay on one line, such as "1,234.5 to 2,345.6"


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table.

    Parameters
    ----------
    title : str
        Stands above it.
    columns : sequence of str
        The names of its columns.
    rows : iterable of sequences of str
        Its cells. They may be anything: names and values as they came from a table.
    """
    table = Table(title=_shown(title), box=SIMPLE, padding=(0, 1, 0, 0))
    cells = [[_shown(cell) for cell in row] for row in rows]
    for place, name in enumerate(columns):
        # A heading is broken before a number is. Too wide a cell goes on below: nothing of it is lost.
        widest = max((len(row[place]) for row in cells), default=0)
        table.add_column(_shown(name), overflow="fold", min_width=min(widest, WIDEST_WHOLE))
    for row in cells:
        table.add_row(*row)
    terminal().print(table)


def terminal() -> Console:
    """Where tables and bars are drawn. Text is text: no [markup], no :emoji:, no colours for numbers."""
    console = Console(markup=False, emoji=False, highlight=False)
    console.width = max(console.width, NARROWEST)
    return console


def _shown(text: str) -> Text:
    return Text(printable(cut(text, LONGEST_CELL)))


def show_results(metrics: dict[str, Any]) -> None:
    """The test part's metrics: one row per metric, one column per model."""
    baselines = metrics["baselines"]
    models = [MODELS["model"], "95% interval", *(MODELS[name] for name in baselines)]
    rows = [
        [
            metric,
            _better(metric),
            number(score["value"]),
            f"{number(score['low'])} to {number(score['high'])}",
            *(number(scores[metric]["value"]) for scores in baselines.values()),
        ]
        for metric, score in metrics["model"].items()
    ]
    detected = list(metrics["calibration"]["ece"]) if metrics["problem"] == "binary" else []
    title = "On the test part" + "".join(f', to detect "{name}"' for name in detected)
    show_table(title, ["metric", "better", *models], rows)


def show_seeds(table: pd.DataFrame) -> None:
    """Mean +- spread over several seeds: one row per metric, one column per model."""
    models = list(dict.fromkeys(table["model"]))
    rows = []
    for metric, lines in table.groupby("metric", sort=False):
        cells = {
            name: f"{number(m)} ± {number(s)}"
            for name, m, s in lines[["model", "mean", "spread"]].values
        }
        rows.append([str(metric), _better(str(metric)), *(cells[name] for name in models)])
    title = f"Over {int(table['seeds'].iloc[0])} seeds: mean ± standard deviation"
    show_table(title, ["metric", "better", *(MODELS[name] for name in models)], rows)


def _better(metric: str) -> str:
    return "lower" if metric in LOWER_IS_BETTER else "higher"


def print_json(value: dict[str, Any]) -> None:
    """One line that a program can read, at once. Its escapes keep every name, whatever the terminal's encoding."""
    # nan is no JSON: it becomes null, as in the files of a run.
    plain = json.loads(json.dumps(value), parse_constant=lambda name: None)
    print(json.dumps(plain), flush=True)


def line_as_json(line: str) -> None:
    """A line that a step has printed."""
    print_json({"event": "said", "line": line.strip()})


def epoch_as_json(epoch: Epoch) -> None:
    """The losses of an epoch."""
    print_json({"event": "epoch", **asdict(epoch)})


class RunProgress:
    """The last line of a terminal, while a run is under way: the step, in training the epoch and its losses."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.lowest = progress, float("inf")
        self.task = progress.add_task("", total=None)

    def step(self, what: str) -> None:
        """Something else is under way now; how long it takes, nobody knows."""
        self.progress.reset(self.task, total=None, description=what)

    def epoch(self, epoch: Epoch) -> None:
        """An epoch of training has ended."""
        self.lowest = min(self.lowest, epoch.validation_loss)
        losses = f"loss {epoch.train_loss:.4f}, validation {epoch.validation_loss:.4f}, best {self.lowest:.4f}"
        words = f"train: epoch {epoch.epoch} of {epoch.of}, {losses}"
        self.progress.update(self.task, completed=epoch.epoch, total=epoch.of, description=words)


@contextmanager
def run_progress(console: Console) -> Iterator[RunProgress]:
    """What to tell how far a run is; it draws a line in a terminal and nothing in a log or in CI."""
    # Some CI pretends to be a terminal, for the colours.
    quiet = not console.is_terminal or os.environ.get("CI", "").lower() not in ("", "0", "false")
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
        yield RunProgress(progress)
