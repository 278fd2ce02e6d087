"""The sims open the files of a student's own run."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.helpers import Render, call

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def finished(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a short run of the bundled example."""
    project = Path(shutil.copytree(render(), tmp_path_factory.mktemp("own") / "my-capstone"))
    smaller = ("--set=evaluation.bootstrap=20", "--set=evaluation.explained_rows=0")
    assert call(project, "run", "--quick", *smaller) == 0
    [metrics] = project.glob("runs/*/metrics.json")
    yield metrics.parent


def test_the_builder_opens_a_runs_model(open_sim: Any, finished: Path) -> None:
    page = open_sim("network-architecture")
    model = json.loads((finished / "model.json").read_text(encoding="utf-8"))
    chooser = page.get_by_label("Open a run's model.json")
    chooser.set_input_files(finished / "model.json")
    page.get_by_text("model.json is open.").wait_for()
    members, pieces = model["architecture"]["members"], model["architecture"]["pieces"]
    assert (members, bool(pieces)) == (8, True)
    one = model["parameters"] // members
    assert page.locator("#parameters").inner_text() == f"{one:,}"
    page.get_by_text(f"8 members of {one:,} parameters each, one of them is drawn.").wait_for()
    inputs = len(model["inputs"]) + len(pieces["column"])
    assert page.get_by_label("Inputs", exact=True).input_value() == str(inputs)
    chooser.set_input_files(finished / "history.csv")
    page.get_by_text("history.csv: this is not a JSON file.").wait_for()


def test_the_visualizer_opens_a_runs_history(open_sim: Any, finished: Path) -> None:
    page = open_sim("training-loop")
    with (finished / "history.csv").open(encoding="utf-8", newline="") as file:
        losses = [float(row["validation_loss"]) for row in csv.DictReader(file)]
    assert page.locator("#history").is_hidden()
    chooser = page.get_by_label("Open a run's history.csv")
    chooser.set_input_files(finished / "history.csv")
    told = page.locator("#history-told")
    told.wait_for()
    assert told.inner_text().startswith(
        f"{len(losses)} epochs. The validation loss is lowest in epoch {losses.index(min(losses)) + 1}"
    )
    page.wait_for_timeout(250)
    again = open_sim("training-loop", page.evaluate("location.hash.slice(1)"))
    assert again.locator("#history-told").inner_text() == told.inner_text()
    chooser.set_input_files(finished / "model.json")
    page.get_by_text("its first line lacks train_loss or validation_loss.").wait_for()
    page.get_by_role("button", name="Close the file").click()
    assert page.locator("#history").is_hidden()
