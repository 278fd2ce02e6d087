"""Templates are rendered strictly: nothing is missing, nothing from a table becomes markup."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from jinja2 import UndefinedError

from capstone.core.errors import CapstoneError
from capstone.core.sealed_files import SealedFiles
from capstone.reporting.charts import Plotly
from capstone.reporting.rendering import Chart, cell, made_by_this_version, render_page
from capstone.runs.folder import Run

MARKUP = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (float("nan"), ""),
        (pd.NaT, ""),
        (pd.NA, ""),
        (71708.4, "71,708"),
        (np.float64(0.000123456), "0.000123"),
        (1971, "1971"),
        (True, "True"),
        (datetime(2024, 1, 31), "2024-01-31"),
        (pd.Timestamp("2024-01-31 10:15"), "2024-01-31 10:15:00"),
        ([1, 2], "[1, 2]"),
        ("a" * 120, "a" * 120),
        (pd.Timestamp("2024-01-31"), "2024-01-31"),
        (np.int64(7), "7"),
        ("a" * 100 + "z" * 100, "a" * 77 + "..." + "z" * 40 + " (200 characters)"),
    ],
)
def test_a_cell_is_written_as_people_read_it(value: object, shown: str) -> None:
    assert cell(value) == shown


def explanation() -> str:
    frame = pd.DataFrame({MARKUP: [MARKUP]})
    chart = Chart(MARKUP, "<div id='drawing'></div>", frame)
    values = {"title": MARKUP, "sentences": [MARKUP], "chart": chart, "method": MARKUP}
    plotly = Plotly(path="../plotly.min.js")
    return render_page("explanation.html", plotly=plotly, name=MARKUP, **values)


def test_every_text_is_escaped_and_the_drawing_alone_is_markup() -> None:
    page = explanation()
    assert MARKUP not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 9
    assert "<div id='drawing'></div>" in page


def test_what_a_template_needs_must_be_there() -> None:
    with pytest.raises(UndefinedError, match="overview"):
        render_page("data.html", title="The data", target="y")


def break_metrics(metrics: dict[str, Any]) -> str:
    return metrics["model"]["value"]


@pytest.mark.parametrize(
    "show",
    [
        lambda: render_page("data.html", title="The data", target="y"),
        lambda: break_metrics({"model": {}}),
        lambda: break_metrics({"model": None}),
    ],
)
def test_a_run_of_another_version_is_named(show: Any) -> None:
    run = Run(SealedFiles(Path("runs", "20260101T000000Z-00000000"), {}), {})
    with (
        pytest.raises(CapstoneError, match=r"20260101T000000Z-00000000 .* another version"),
        made_by_this_version(run),
    ):
        show()
