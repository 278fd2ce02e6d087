"""What commands print: tables and sentences for the terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import pandas as pd
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from capstone.core.text import MODELS, number
from capstone.evaluation.metrics import LOWER_IS_BETTER
from capstone.training.history import Epoch


def results_table(metrics: dict[str, Any]) -> Table:
    """The test part's metrics: one row per metric, one column per model."""
    baselines = metrics["baselines"]
    detected = list(metrics["calibration"]["ece"]) if metrics["problem"] == "binary" else []
    table = Table(
        *("metric", "better", MODELS["model"], "95 % interval"),
        *(MODELS[name] for name in baselines),
        title="On the test part" + "".join(f', to detect "{name}"' for name in detected),
        box=SIMPLE,
        padding=(0, 1, 0, 0),  # seven columns fit into 80 characters
    )
    for metric, score in metrics["model"].items():
        table.add_row(
            metric,
            "lower" if metric in LOWER_IS_BETTER else "higher",
            number(score["value"]),
            f"{number(score['low'])} to {number(score['high'])}",
            *(number(scores[metric]["value"]) for scores in baselines.values()),
        )
    return table


def seeds_table(table: pd.DataFrame) -> Table:
    """Mean +- spread over several seeds: one row per metric, one column per model."""
    seeds = int(table["seeds"].iloc[0])
    models = list(dict.fromkeys(table["model"]))
    shown = Table(
        *("metric", "better", *(MODELS[name] for name in models)),
        title=f"Over {seeds} seeds: mean ± standard deviation",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
    )
    for metric, lines in table.groupby("metric", sort=False):
        cells = {
            name: f"{number(m)} ± {number(s)}"
            for name, m, s in lines[["model", "mean", "spread"]].values
        }
        better = "lower" if metric in LOWER_IS_BETTER else "higher"
        shown.add_row(str(metric), better, *(cells[name] for name in models))
    return shown


def print_json(value: dict[str, Any]) -> None:
    """One line that a program can read, at once."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def line_as_json(line: str) -> None:
    """A line that a step has printed."""
    print_json({"event": "said", "line": line.strip()})


def epoch_as_json(epoch: Epoch) -> None:
    """The losses of an epoch."""
    print_json({"event": "epoch", **asdict(epoch)})


@contextmanager
def training_progress(console: Console) -> Iterator[Callable[[Epoch], None]]:
    """A function to call after each epoch; it draws a bar in a terminal and nothing in a log or in CI."""
    # Some CI pretends to be a terminal, for the colours.
    quiet = not console.is_terminal or os.environ.get("CI", "").lower() not in ("", "0", "false")
    columns = (
        TextColumn("  epoch"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
        task = progress.add_task("", total=None)
        lowest = float("inf")

        def show(epoch: Epoch) -> None:
            nonlocal lowest
            lowest = min(lowest, epoch.validation_loss)
            losses = f"loss {epoch.train_loss:.4f}, validation {epoch.validation_loss:.4f}, best {lowest:.4f}"
            losses += f", {epoch.seconds:.2f} s an epoch"
            progress.update(task, completed=epoch.epoch, total=epoch.of, description=losses)

        yield show
