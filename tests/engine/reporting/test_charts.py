"""Numbers in charts: like decimals, ticks that people know, marks where they belong."""

from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capstone.core.text import duration, number
from capstone.reporting import charts
from capstone.reporting.rendering import Chart
from capstone.reporting.report.details import details
from capstone.runs.folder import read_run
from capstone.runs.results import read_results


@pytest.mark.parametrize(
    ("values", "sign", "shown"),
    [
        ([0.122, 0.0483, 0.0209], "", ["0.122", "0.048", "0.021"]),
        ([63726.4, 1694.2, 3.0], "", ["63,726", "1,694", "3"]),
        ([12.34, -0.001], "+", ["+12.3", "0.0"]),
        ([0.0, 0.0], "", ["0", "0"]),
        ([3e-9, 1e-9], "", ["3e-09", "1e-09"]),
        ([float("nan"), 1.5], "", ["nan", "1.50"]),
        ([], "", []),
    ],
)
def test_numbers_that_stand_together_have_like_decimals(
    values: list[float], sign: str, shown: list[str]
) -> None:
    assert charts.alike(values, sign) == shown


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (-0.0001, ".3f", "0.000"),
        (-0.0, ".3g", "0"),
        (-0.5, ".3f", "-0.500"),
        (-2e3, ".3f", "-2,000"),
    ],
)
def test_nothing_is_less_than_nothing(value: float, form: str, shown: str) -> None:
    assert number(value, form) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.4, "0 s"),
        (59.6, "1 min 0 s"),
        (185, "3 min 5 s"),
        (7200, "2 h 0 min"),
        (90061, "25 h 1 min"),
    ],
)
def test_a_length_of_time_has_its_two_largest_units(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def shown_ticks(losses: pd.Series) -> set[str]:
    ticks = charts.round_numbers([losses])["ticktext"]
    assert isinstance(ticks, list)
    return set(ticks)


def test_a_loss_that_falls_steeply_has_ticks_that_people_know() -> None:
    steep, level = pd.Series([9.0, 0.4, 0.02]), pd.Series([0.31, 0.42])
    assert {"0.05", "0.2", "5"} <= shown_ticks(steep)
    assert {"0.3", "0.4"} <= shown_ticks(level)
    assert charts.round_numbers([pd.Series([0.0])]) == {}


def test_the_epoch_is_marked_where_the_drawn_curve_is_lowest(tiny_run: Path) -> None:
    results = read_results(read_run(tiny_run / "runs"))
    epochs = np.arange(1, 31)
    losses = (epochs - 7.0) ** 2 + 1
    drawn = pd.DataFrame({"epoch": epochs, "train_loss": losses, "validation_loss": losses})
    chart = details(replace(results, history=drawn))["training"]
    assert isinstance(chart, Chart)
    assert "lowest at epoch 7" in chart.title
    assert '"x0":7,"x1":7' in unescape(chart.drawing)
