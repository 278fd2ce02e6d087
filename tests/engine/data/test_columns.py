"""What features.py works with: the same on pandas tables and on arrays, and a slip is told."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from capstone import to_date, unify_text

Column = Callable[[list[str | None]], pd.Series | np.ndarray]
CELLS = ["ja", "Ja", "J", "a", None]
DAYS = ["03.02.2024", "2024-02-04", "soon", None]


@pytest.fixture(params=["pandas", "arrays"], name="column")
def as_column(request: pytest.FixtureRequest) -> Column:
    """Makes a column of either kind."""
    if request.param == "pandas":
        return lambda cells: pd.Series(cells, dtype="str")
    return lambda cells: np.array(cells, dtype=object)


def listed(column: pd.Series | np.ndarray) -> list[object]:
    return [None if pd.isna(cell) else cell for cell in column.tolist()]


def test_a_single_spelling_is_itself_and_not_its_letters(column: Column) -> None:
    """A text is a sequence, too: {"ja": "Ja"} made "ja" of each "J" and each "a"."""
    found = unify_text(column(CELLS), {"ja": "Ja"}, missing="J")
    assert listed(found) == ["ja", "ja", None, "a", None]
    assert listed(unify_text(column(CELLS), {"ja": ["Ja"]}, ["J"])) == listed(found)


def test_a_single_shape_of_dates_is_itself(column: Column) -> None:
    found = listed(to_date(column(DAYS), "%d.%m.%Y"))
    assert [cell is None for cell in found] == [False, True, True, True]
    assert listed(to_date(column(DAYS), ["%d.%m.%Y"])) == found


@pytest.mark.parametrize("shape", ["%Q", "%d.%m.%", "%d.%m.%Y %d", "%G-%V"])
def test_a_shape_that_is_none_is_told(column: Column, shape: str) -> None:
    """Every cell became missing, and the run went on with a column of nothing."""
    with pytest.raises((ValueError, re.error)):
        to_date(column(DAYS), [shape])


@pytest.mark.parametrize(
    ("shape", "cell"),
    [
        ("%d.%m.%Y", "03.02.2024"),
        ("%d/%m/%y %H:%M", "03/02/24 13:05"),
        ("%b %d, %Y", "Feb 03, 2024"),
        ("%Y-%m-%dT%H:%M:%S%z", "2024-02-03T13:05:00+0000"),
        ("%Y-%j", "2024-034"),
        ("%I:%M %p %d %B %Y", "01:05 PM 03 February 2024"),
        ("Q%m %Y", "Q02 2024"),
        ("100%% %Y", "100% 2024"),
    ],
)
def test_a_shape_that_is_one_is_taken(column: Column, shape: str, cell: str) -> None:
    found = np.asarray(to_date(column([cell]), [shape]))
    assert found.astype("datetime64[Y]").astype(str).tolist() == ["2024"]
    if "%z" in shape:
        earlier = np.asarray(to_date(column([cell.replace("+0000", "+0200")]), [shape]))
        assert (found - earlier).astype("timedelta64[h]").astype(int).tolist() == [2]
