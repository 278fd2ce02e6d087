"""Real runs: on the bundled examples, and on tables that nobody here wrote."""

import json
import pickle
import re
import shutil
import sys
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from rich.console import Console
from safetensors.torch import save
from sklearn import datasets

from capstone.commands.console import run_progress
from capstone.training.history import Epoch
from tests.support.helpers import PROBLEMS, SMALL, Capstone, CopyWithRun, Render, RunCapstone, run
from tests.support.runs import as_release_0_1_0

# Tables that come with scikit-learn, brought in as a student would bring them.
REAL = {
    "diabetes": "regression",
    "breast_cancer": "binary",
    "wine": "multiclass",
    "digits": "multiclass",
}


SMALLER = tuple(f"--set={change}" for change in SMALL)

# What the examples' generators planted: whom a blind model gets wrong, which column matters, which is noise.
PLANTED = {
    "regression": ("district", "Riverside", "living_area_m2", "house_number"),
    "binary": ("age_group", "65 and over", "contract", "invoice_day"),
    "multiclass": ("first_generation", "yes", "attendance_percent", "locker_number"),
}


def own_project(render: Render, folder: Path, name: str) -> Path:
    """A project for a student's own table: the file is put where the answer said it would lie."""
    path = f"data/raw/{name}.csv"
    made = render(data_source="own", problem=REAL[name], data_path=path, target_column="target")
    project = Path(shutil.copytree(made, folder / "my-capstone"))
    (project / "data" / "raw").mkdir(parents=True, exist_ok=True)
    table = getattr(datasets, f"load_{name}")(as_frame=True).frame
    table.to_csv(project / path, index=False)
    return project


def latest(project: Path) -> Path:
    name = (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()
    return project / "runs" / name


def metrics_of(project: Path) -> dict[str, Any]:
    return json.loads((latest(project) / "metrics.json").read_text(encoding="utf-8"))


def show(name: str, metrics: dict[str, Any]) -> None:
    """Print the scores, for `pytest -rP` and the closing note."""
    metric = metrics["primary_metric"]
    scores = {"network": metrics["model"], **metrics["baselines"]}
    told = ", ".join(f"{who} {its[metric]['value']:.3f}" for who, its in scores.items())
    print(f"{name}: {metric}: {told}; {metrics['beats']}")


@pytest.mark.slow
def test_a_run_on_each_example_beats_the_simplest_models(
    project: Path, run_capstone: RunCapstone
) -> None:
    done = run_capstone(project, "run")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "no warning reaches the student"
    metrics = metrics_of(project)
    show(project.name, metrics)
    assert metrics["beats"]["dummy"] == "better"
    assert metrics["beats"]["linear"] != "worse"
    sensitive, group, matters, noise = PLANTED[metrics["problem"]]
    finding = metrics["groups"][sensitive]["finding"]
    assert (finding["group"], finding["clear"]) == (group, True)
    report = unescape((latest(project) / "report.html").read_text(encoding="utf-8"))
    assert f'Predictions for {sensitive} "{group}" lean one way' in report
    columns = pd.read_csv(latest(project) / "shap.csv")["column"].to_list()
    assert columns.index(matters) < 2 and columns.index(noise) >= len(columns) - 2
    cost = metrics["decisions"]["cost"]
    assert cost["followed"] < min(cost["nothing"], cost["everyone"])


@pytest.mark.parametrize("name", REAL)
def test_a_run_on_a_real_table_beats_the_dummy(
    name: str, render: Render, tmp_path: Path, capstone: Capstone
) -> None:
    project = own_project(render, tmp_path, name)
    code, _, said = capstone(project, "run")
    assert (code, said) == (0, "")
    metrics = metrics_of(project)
    show(name, metrics)
    assert metrics["beats"]["dummy"] == "better"


def test_the_same_seed_gives_the_same_bytes_in_two_processes(
    copy_of: Render, run_capstone: RunCapstone, capstone: Capstone
) -> None:
    project = copy_of(problem="binary")
    options = (*SMALLER, "--set=training.epochs=4", "--set=evaluation.explained_rows=20")
    results = []
    for _ in range(2):
        # Threads as on a student's machine, whatever the other tests are given; none spins while it waits.
        threads = {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
        done = run_capstone(project, "run", *options, **threads)
        assert done.returncode == 0, done.stderr
        files = (
            "model.safetensors",
            "model.json",
            "metrics.json",
            "predictions.csv",
            "schema.json",
            "shap.csv",
            "shap_values.parquet",
        )
        results.append([(latest(project) / file).read_bytes() for file in files])
    assert results[0] == results[1]
    code, _, said = capstone(project, "run", *options, "--set", "seed=43")
    assert code == 0, said
    assert (latest(project) / "model.safetensors").read_bytes() != results[0][0]
    info = json.loads((latest(project) / "run.json").read_text(encoding="utf-8"))
    assert info["test_looks"] == 3, "a run counts how often the project looked at the test part"


def test_predictions_for_new_rows_are_those_of_the_run(
    copy_with_run: CopyWithRun, capstone: Capstone
) -> None:
    project = copy_with_run("multiclass")
    raw = pd.read_csv(project / "data" / "raw" / "student_outcomes.csv")
    new = raw.drop(columns="outcome")
    new.to_csv(project / "new.csv", index=False)
    before = sorted((project / "data" / "raw").iterdir())
    done = capstone(project, "predict", "data/raw/student_outcomes.csv")
    assert done[0] == 0, done[2]
    assert sorted((project / "data" / "raw").iterdir()) == before, "raw data stays as it came"
    assert (project / "runs" / "predictions" / "student_outcomes_predictions.csv").is_file()
    done = capstone(project, "predict", "new.csv")
    assert done[0] == 0, done[2]
    told = pd.read_csv(project / "new_predictions.csv")
    actions = dict(re.findall(r'"([^"]+)" for ([\d,]+) rows?', done[1]))
    counted = told["action"].value_counts()
    assert {name: f"{number:,}" for name, number in counted.items()} == actions
    assert len(told) == len(new)
    test_part = pd.read_csv(latest(project) / "predictions.csv").set_index("row")
    served = told.loc[test_part.index - 1].set_index(test_part.index)
    assert (served["prediction"] == test_part["prediction"]).all()
    assert (served["action"] == test_part["action"]).all()
    names = [name for name in test_part if name.startswith("probability_")]
    pd.testing.assert_frame_equal(served[names], test_part[names], rtol=1e-5)


def test_predict_names_what_is_wrong_with_new_rows(
    render: Render, copy_with_run: CopyWithRun, capstone: Capstone
) -> None:
    data = "data/raw/house_prices.csv"
    none_yet = capstone(render(problem="regression"), "predict", data)
    assert (none_yet[0], none_yet[2].count("\n")) == (2, 1)
    assert "no finished run" in none_yet[2]

    project = copy_with_run("regression")
    raw = pd.read_csv(project / data)
    raw.drop(columns="rooms").to_csv(project / "without.csv", index=False)
    raw.assign(rooms="many").to_csv(project / "words.csv", index=False)
    for name, sentence in {
        "none.csv": "none.csv does not exist: name a file with the rows to predict",
        "without.csv": 'no column "rooms"',
        "words.csv": '"rooms" holds category values such as "many"',
        "nowhere.csv": "does not exist",
    }.items():
        done = capstone(project, "predict", name)
        assert (done[0], done[2].count("\n")) == (2, 1), done[2]
        assert sentence in done[2]
    unknown = capstone(project, "predict", data, "--run", "20200101T000000Z-00000000")
    assert unknown[0] == 2


def test_a_model_that_is_not_whole_is_one_sentence_and_runs_no_code(
    copy_with_run: CopyWithRun, capstone: Capstone
) -> None:
    project = copy_with_run("regression")
    folder = latest(project)
    weights, description = folder / "model.safetensors", folder / "model.json"
    kept = {path: path.read_bytes() for path in (weights, description)}
    trap = type("Trap", (), {"__reduce__": lambda self: (Path.touch, (project / "sprung",))})
    other = save({"layers.0.weight": torch.zeros(3, 4)})
    for path, content, sentence in (
        (weights, None, "model.safetensors is missing"),
        (weights, kept[weights][:-100], "model.safetensors can't be read ("),
        (weights, pickle.dumps({"a": trap()}), "model.safetensors can't be read ("),
        (weights, other, "don't fit NeuralNetwork in src/my_capstone/network.py"),
        (description, None, "model.json is missing"),
        (description, kept[description][:50], "model.json is not valid JSON"),
    ):
        path.unlink() if content is None else path.write_bytes(content)
        as_release_0_1_0(folder)  # else its SHA-256 would be looked at, and the file no further
        code, _, error = capstone(project, "explain", "--row", "H0001")
        assert (code, error.count("\n")) == (2, 1), error
        assert sentence in error
        path.write_bytes(kept[path])
    assert not (project / "sprung").exists()


@pytest.mark.parametrize(("ci", "drawn"), [("", True), ("false", True), ("true", False)])
def test_progress_is_drawn_in_a_terminal_and_not_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, drawn: bool
) -> None:
    monkeypatch.setenv("CI", ci)
    out = StringIO()
    with run_progress(Console(file=out, force_terminal=True, width=150)) as progress:
        progress.epoch(Epoch(3, 9, 0.5, 0.25, 0.003, 0.1))
        progress.progress.refresh()
        progress.step("evaluate: simpler models")
    words = ("epoch 3 of 9", "best 0.2500", "evaluate: simpler models")
    assert all(word in out.getvalue() for word in words) == drawn
    assert drawn or out.getvalue() == ""


def test_json_lines_can_be_read_by_a_program(copy_of: Render, capstone: Capstone) -> None:
    project = copy_of(problem="regression")
    code, said, _ = capstone(project, "run", "--quick", "--json", *SMALLER)
    assert code == 0
    events = [json.loads(line) for line in said.splitlines()]
    assert [event["epoch"] for event in events if event["event"] == "epoch"] == [1, 2, 3]
    assert events[-1]["run"] == latest(project).name
    assert events[-1]["metrics"] == metrics_of(project)


def test_compare_lists_the_runs_and_what_changed(
    copy_with_run: CopyWithRun, capstone: Capstone
) -> None:
    project = copy_with_run("binary")
    again = ("run", "--quick", *SMALLER, "--set", "network.dropout=0.3")
    assert capstone(project, *again)[0] == 0
    told = capstone(project, "compare")[1]
    assert "the first run" in told
    assert '": network.dropout = 0.3 (was 0.0); took' in told


def test_rows_can_be_split_by_time(copy_of: Render, capstone: Capstone) -> None:
    project = copy_of(problem="regression")
    options = ("--set", "split.method=time", "--set", "split.time_column=listed_on")
    code, _, said = capstone(project, "run", "--quick", *SMALLER, *options)
    assert (code, said) == (0, "")
    listed = pd.read_csv(project / "data" / "raw" / "house_prices.csv")["listed_on"]
    rows = pd.read_csv(latest(project) / "predictions.csv")["row"] - 1
    assert listed[rows].min() >= listed.sort_values().iloc[int(0.79 * len(listed))]


def test_too_few_groups_are_refused(copy_of: Render, capstone: Capstone) -> None:
    options = ("--set", "split.method=group", "--set", "split.group_column=house_type")
    code, _, said = capstone(copy_of(problem="regression"), "run", "--quick", *options)
    assert (code, said.count("\n")) == (2, 1)
    assert "only 4 groups" in said


def own_suite(project: Path) -> None:
    done = run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", cwd=project)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_projects_own_tests_pass_on_each_example(problem: str, copy_of: Render) -> None:
    own_suite(copy_of(problem=problem))


def test_the_projects_own_tests_pass_on_a_students_own_table(
    render: Render, tmp_path: Path
) -> None:
    own_suite(own_project(render, tmp_path, "wine"))


def test_before_the_table_is_there_the_tests_say_so(copy_of: Render) -> None:
    project = copy_of(data_source="own")
    done = run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", cwd=project)
    assert done.returncode == 0, done.stdout
    assert "there is no table at data/raw/my_table.csv yet" in done.stdout
