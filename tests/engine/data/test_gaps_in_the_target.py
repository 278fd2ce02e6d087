"""A row without a target is left out and counted, and no command minds."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.engine.data.conftest import OwnProject
from tests.support.promise import keep_promise
from tests.support.tables import QUICK_RUN, ROWS, good_table, reads

rng = np.random.default_rng(2)
TARGETS = {
    "regression": rng.normal(size=ROWS).round(2),
    "binary": rng.choice(["no", "yes"], ROWS),
    "multiclass": rng.choice(["low", "middle", "high"], ROWS),
}
GAPS = {"NaN": np.nan, "None": None, "an empty cell": "", "NA": "NA"}


def write(project: Path, problem: str, gap: object) -> None:
    target = pd.Series(TARGETS[problem]).astype(object)
    target[[3, 20]] = gap
    good_table().assign(y=target).to_csv(reads(project, "table.csv"), index=False)


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("problem", TARGETS)
def test_the_first_command_shows_it(own_project: OwnProject, problem: str, gap: str) -> None:
    project = own_project(problem)
    write(project, problem, GAPS[gap])
    shown = keep_promise(project, "data", code=0).out
    assert problem == "regression" or "(missing)" in shown


@pytest.mark.parametrize("values", [[True, False], [0, 1], [0.0, 1.0], ["a", "b"]])
def test_classes_of_any_type_may_have_gaps(own_project: OwnProject, values: list[object]) -> None:
    project = own_project("binary")
    target = pd.Series(values * (ROWS // 2), dtype=object)
    target[3] = None
    good_table().assign(y=target).to_csv(reads(project, "table.csv"), index=False)
    keep_promise(project, "data", code=0)
    assert "left out without a target: 1" in keep_promise(project, *QUICK_RUN, code=0).out


@pytest.mark.parametrize("problem", TARGETS)
def test_every_command_goes_on(own_project: OwnProject, tmp_path: Path, problem: str) -> None:
    project = own_project(problem)
    write(project, problem, np.nan)
    small = ("--set", "network.hidden=[4]", "--set", "training.epochs=1")
    for command in (
        *(("data",), QUICK_RUN, ("predict", "data/raw/table.csv"), ("explain", "--row", "1")),
        *(("report",), ("compare",), ("card",), ("export", "--to", str(tmp_path / "service"))),
        ("tune", "--trials", "1", *small),
    ):
        ended = keep_promise(project, *command)
        assert ended.code == 0 or command[0] == "tune", ended
    told = keep_promise(project, "explain", "--row", "4", code=2).err
    assert "No row with a target" in told
    keep_promise(project, "check")
