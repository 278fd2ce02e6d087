"""What `capstone use` finds out about a table as people send it."""

from pathlib import Path

import pytest

from capstone.core.settings import Data
from capstone.data.reading import read_table
from capstone.drafts.choices import Looked, suggested
from tests.support.messy_tables import TABLES, Messy


@pytest.fixture(params=TABLES, ids=str)
def messy(request: pytest.FixtureRequest) -> Messy:
    return TABLES[request.param]()


def test_the_right_roles_are_suggested(messy: Messy, tmp_path: Path) -> None:
    path = messy.write(tmp_path, "table")
    raw, _ = read_table(path, Data(path="x", target="x", problem="binary"))
    looked = Looked.at(raw)
    choices, reasons = suggested(looked, "data/raw/table.csv")
    expected = messy.expected
    assert (choices.target, choices.problem) == (expected.target, expected.problem)
    assert (choices.positive, choices.id) == (expected.positive, expected.id)
    assert set(choices.leave_out) == set(reasons) == set(expected.left_out)
    assert set(choices.sensitive) == set(expected.sensitive)
    for column, number in expected.numbers.items():
        assert looked.clean[column].iloc[0] == number
    for column, classes in expected.classes.items():
        assert set(looked.clean[column].dropna()) == classes
