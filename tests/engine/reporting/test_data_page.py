"""`capstone data` finds what is odd in a table before any training, and shows it as a page."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capstone.core.settings import Data
from capstone.data.kinds import column_kind, find_date_format
from capstone.reporting.data_page import look_at
from tests.support.helpers import Capstone, Render

ROWS = 300
rng = np.random.default_rng(0)
TARGET = rng.normal(100, 20, ROWS).round(1)


def notes_on(column: Any, **data: Any) -> list[str]:
    """What is noted of a table with this column, called "odd", beside a plain one and the target."""
    table = pd.DataFrame({"odd": column, "plain": rng.normal(size=ROWS), "y": TARGET})
    table.index = pd.RangeIndex(1, ROWS + 1, name="row")
    values = {"path": "t.csv", "target": "y", "problem": "regression", **data}
    return look_at(table, Data.model_validate(values), "0" * 64).notes


@pytest.mark.parametrize(
    ("column", "note"),
    [
        (TARGET * 0.9 + rng.normal(0, 0.1, ROWS), '"odd" alone nearly determines the target'),
        (np.arange(ROWS), '"odd" looks like an id'),
        (["same"] * ROWS, '"odd" has the same value in every row'),
        ([None] * ROWS, '"odd" has no value at all'),
        ([None] * 200 + [1.5, 2.5] * 50, '"odd" is missing in 67% of the rows'),
        (["gas", "Gas ", "oil"] * 100, '"odd": "gas" and "Gas" mean the same'),
        (["01/02/2024", "03/04/2024"] * 150, '"odd" is read with days before months'),
        ([f"text {i % 200}" for i in range(ROWS)], '"odd" is free text'),
    ],
)
def test_it_is_noted(column: Any, note: str) -> None:
    found = notes_on(column)
    assert any(line.startswith(note) for line in found), found


def test_nothing_is_noted_of_a_plain_table() -> None:
    assert notes_on(rng.normal(size=ROWS)) == []
    assert notes_on(pd.date_range("2023-01-01", periods=ROWS).astype(str)) == []


def test_an_id_that_is_named_as_such_is_no_news() -> None:
    assert notes_on(np.arange(ROWS), id="odd") == []


def test_copies_and_unbalanced_classes_are_noted() -> None:
    table = pd.DataFrame({"a": rng.normal(size=100), "y": ["no"] * 94 + ["yes"] * 6})
    table = pd.concat([table, table.head(7)])
    table.index = pd.RangeIndex(1, 108, name="row")
    data = Data.model_validate({"path": "t.csv", "target": "y", "problem": "binary"})
    notes = look_at(table, data, "0" * 64).notes
    assert notes[0].startswith("7 rows are exact copies")
    assert notes[1].startswith('The classes of "y" are unbalanced')


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2.5, None], "number"),
        ([True, False, None], "boolean"),
        (["2024-01-31", "2024-02-29"], "date"),
        (["31.01.2024", None, "29.02.2024"], "date"),
        (["01/31/2024", "02/29/2024"], "date"),
        (["Jan 31, 2024", "Feb 29, 2024"], "date"),
        (["2024-01-31 12:30:00", "2024-02-29 00:00:00"], "date"),
        (["red", "green", "red"], "category"),
        (["12", "x"], "category"),
        ([None, None], "empty"),
        ([f"a long story {i}" for i in range(200)], "text"),
    ],
)
def test_each_kind_of_column_is_told(values: list[Any], kind: str) -> None:
    assert column_kind(pd.Series(values, name="c")) == kind


def test_days_before_months_are_told_where_some_day_is_beyond_twelve() -> None:
    assert find_date_format(pd.Series(["01/02/2024", "13/02/2024"])) == "%d/%m/%Y"
    assert find_date_format(pd.Series(["01/02/2024", "02/13/2024"])) == "%m/%d/%Y"


@pytest.fixture
def page(copy_of: Render, capstone: Capstone) -> Path:
    """The page of a table whose names and values are markup."""
    project = copy_of(problem="regression")
    path = project / "data" / "raw" / "house_prices.csv"
    table = pd.read_csv(path).rename(columns={"rooms": "<script>alert(1)</script>"})
    table["heating"] = "<img src=x onerror=alert(2)>"
    table.to_csv(path, index=False)
    code, _, said = capstone(project, "data")
    assert (code, said) == (0, "")
    return project / "runs" / "data.html"


def test_markup_in_the_table_stays_text(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script" not in html
    assert "<img" not in html


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_a_desktop_and_a_phone_and_asks_no_other_host(
    browser: Any, page: Path, width: int
) -> None:
    shown = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    shown.on("request", lambda request: asked.append(request.url))
    shown.goto(page.as_uri())
    assert asked == [page.as_uri()]
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert shown.locator("h1").count() == 1
    assert shown.locator("table").count() == 4
    shown.close()
