"""The pages of a run: written by every run, read back, refused when a file is wrong, seen in a browser."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest

from capstone.reporting.report.report import report_page
from capstone.reporting.report.sentences import verdict
from capstone.runs.folder import read_run
from capstone.runs.results import read_results
from tests.support.helpers import Capstone, Render, must_run, python_path
from tests.support.promise import command
from tests.support.runs import reseal

Finished = Callable[[str], Path]


@pytest.fixture(scope="module")
def finished(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """`finished("binary")` gives a project with one quick run, made once: only read it."""
    made: dict[str, Path] = {}

    def run_once(problem: str) -> Path:
        if problem not in made:
            folder = tmp_path_factory.mktemp("finished") / "my-capstone"
            shutil.copytree(render(problem=problem), folder)
            # A network that has hardly learnt: on the numbers it must lose.
            weak = ["--set", "network.members=1", "--set", "training.learning_rate=0.0001"]
            options = weak if problem == "regression" else ["--set", "network.members=3"]
            done = command(folder, "run", "--quick", *options)
            assert (done.code, done.err) == (0, ""), done.err
            made[problem] = folder
        return made[problem]

    return run_once


@pytest.fixture
def own(finished: Finished, tmp_path: Path) -> Finished:
    """The same, as a copy of the test's own."""
    return lambda problem: Path(shutil.copytree(finished(problem), tmp_path / "my-capstone"))


def latest(project: Path) -> Path:
    return project / "runs" / (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()


def report_of(project: Path) -> str:
    return (latest(project) / "report.html").read_text(encoding="utf-8")


def test_the_answer_comes_first_and_a_defeat_before_it(finished: Finished) -> None:
    html = report_of(finished("regression"))
    info = json.loads((latest(finished("regression")) / "run.json").read_text(encoding="utf-8"))
    headings = re.findall(r'<h2 id="\w+">(.+?)</h2>', html)
    assert headings == [
        "What it would have cost",
        "How sure are we?",
        "Where the model is wrong",
        "Why does it predict this?",
        "What it can't tell",
        "The details",
        "Make it again",
    ]
    first = re.findall(r'<p class="lead">(.+?)</p>', html, re.DOTALL)[0]
    assert re.match(r"The network loses to .*gradient boosting on the same data", first)
    assert "On 600 rows that it had never seen" in first
    for told in (latest(finished("regression")).name, info["data"]["sha256"], "capstone reproduce"):
        assert told in html
    assert html.count("<figure>") == html.count("The numbers behind this chart") > 10


@pytest.mark.parametrize("problem", ["regression", "binary"])
def test_a_group_leans_one_way_only_where_that_is_clear(finished: Finished, problem: str) -> None:
    results = read_results(read_run(finished(problem) / "runs"))
    assert results.metrics["groups"]
    for compared in results.metrics["groups"].values():
        for clear in (True, False):
            compared["finding"]["clear"] = clear
            page = " ".join(unescape(report_page(results)).split())
            assert ("lean one way" in page) is clear
            assert ("no group is clearly predicted" in page) is not clear


def test_a_page_asks_no_other_host_and_can_hold_its_script(
    own: Finished, capstone: Capstone
) -> None:
    project = own("regression")
    assert not re.search(r'(src|href)="(https?:)?//', report_of(project))
    assert '<script src="../plotly.min.js">' in report_of(project)
    code, said, _ = capstone(project, "report", "--standalone")
    assert code == 0 and "report_standalone.html" in said
    alone = (latest(project) / "report_standalone.html").read_text(encoding="utf-8")
    assert len(alone) > 4_000_000 and "<script src=" not in alone


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        ("predictions.csv", lambda path: path.unlink()),
        ("shap.csv", lambda path: path.unlink()),
        ("shap_values.parquet", lambda path: path.write_bytes(path.read_bytes()[:500])),
        ("model.json", lambda path: path.write_text(path.read_text()[:100])),
        ("history.csv", lambda path: path.write_text("")),
    ],
)
def test_a_file_that_is_missing_or_cut_short_is_named(
    own: Finished, capstone: Capstone, file: str, spoil: Callable[[Path], Any]
) -> None:
    project = own("regression")
    spoil(latest(project) / file)
    code, _, said = capstone(project, "report")
    assert (code, said.count("\n")) == (2, 1), said
    assert file in said and "make a new one with `capstone run`" in said


def test_the_metrics_of_another_project_are_refused(
    own: Finished, finished: Finished, capstone: Capstone
) -> None:
    project = own("regression")
    foreign = latest(finished("binary")) / "metrics.json"
    shutil.copy(foreign, latest(project) / "metrics.json")
    reseal(latest(project))
    code, _, said = capstone(project, "report")
    assert (code, said.count("\n")) == (2, 1), said
    assert "of another project" in said


def test_a_run_of_another_version_is_named(own: Finished, capstone: Capstone) -> None:
    project = own("regression")
    path = latest(project) / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    del metrics["slices"]
    path.write_text(json.dumps(metrics), encoding="utf-8")
    reseal(latest(project))
    code, _, said = capstone(project, "report")
    assert (code, said.count("\n")) == (2, 1), said
    assert latest(project).name in said and "another version" in said


def test_a_row_is_explained_by_its_id(own: Finished, capstone: Capstone) -> None:
    project = own("binary")
    code, said, errors = capstone(project, "explain", "--row", "335052")
    assert code == 0, errors
    assert "Row 335052" in said and "probability of yes" in said
    page = (latest(project) / "explain_335052.html").read_text(encoding="utf-8")
    assert "waterfall" in page
    code, _, said = capstone(project, "explain", "--row", "nobody")
    assert (code, said.count("\n")) == (2, 1)
    assert 'customer_id "nobody"' in said


def test_shap_values_add_up_to_the_predictions_that_were_saved(finished: Finished) -> None:
    folder = latest(finished("regression"))
    values = pd.read_parquet(folder / "shap_values.parquet").set_index("row")
    predicted = pd.read_csv(folder / "predictions.csv").set_index("row")["prediction"]
    total = values["base"] + values.filter(regex="^shap of ").sum(axis=1)
    gap = (total - predicted[total.index]).abs().max()
    assert gap < 1e-3 * predicted.std()
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["explanation"]["additivity_error"] < 1e-3
    assert len(values) == metrics["explanation"]["rows"] == 50


@pytest.mark.parametrize(
    ("low", "high", "title", "tile", "sentence"),
    [
        (5.0, 30.0, "recommendations would have cost least", "", "they would have saved"),
        (
            -5.0,
            30.0,
            "for all would have cost about as much",
            "; it may be chance",
            "may be chance",
        ),
        (-9.0, -2.0, "for all would have cost least", "", "Do not follow the rec"),
    ],
)
def test_title_tile_and_sentence_say_the_same_about_money(
    finished: Finished, low: float, high: float, title: str, tile: str, sentence: str
) -> None:
    run = read_run(finished("regression") / "runs")
    decisions = run.metrics["decisions"]
    for saved in decisions["saved_against"].values():
        saved.update(low=low, high=high)
    cost = decisions["cost"]
    cost["followed"] = (
        min(cost["nothing"], cost["everyone"]) - 10
    )  # where both are equal, it says so
    page = " ".join(unescape(report_page(read_results(run))).split())
    to_do = page[page.index("<b>What to do</b>") :]
    assert sentence in to_do[: to_do.index("</p>")]
    costs = page[page.index('<h2 id="decisions">') : page.index('<h2 id="scores">')]
    assert title in costs
    assert re.findall(r"against the better simple rule(.*?) ?</div>", page) == [tile]


def test_a_tiny_test_part_is_enough(own: Finished, capstone: Capstone) -> None:
    project = own("binary")
    path = project / "data" / "raw" / "customer_churn.csv"
    few = pd.read_csv(path).head(100)
    few["age_group"] = few["age_group"].replace(
        "65 and over", "</script><img src=x onerror=alert(1)>"
    )
    few.to_csv(path, index=False)
    sizes = ("--set", "split.test=0.1", "--set", "split.validation=0.2")
    code, said, errors = capstone(project, "run", "--quick", *sizes)
    assert (code, errors) == (0, "")
    assert "test 10 rows" in said and "too small to judge" in said
    html = report_of(project)  # what was markup in the table is text
    assert "onerror=alert(1)" in html and "<img" not in html
    code, _, said = capstone(project, "run", "--quick", "--set", "data.sensitive=['nowhere']")
    assert (code, said.count("\n")) == (2, 1)
    assert 'no column "nowhere"' in said
    code, _, said = capstone(project, "run", "--set", "decision.cost_false_positive=0.0")
    assert (code, said.count("\n")) == (2, 1)
    assert "[decision] cost_false_positive is 0.0" in said


def test_seeds_and_runs_are_compared_in_one_table(own: Finished, capstone: Capstone) -> None:
    project = own("binary")
    code, said, _ = capstone(project, "run", "--quick", "--seeds", "2")
    assert code == 0 and "Over 2 seeds" in said
    table = pd.read_csv(project / "runs" / "seeds.csv")
    assert set(table["model"]) == {"model", "dummy", "linear", "gradient_boosting"}
    assert (table["seeds"] == 2).all()
    code, said, _ = capstone(project, "compare")
    assert code == 0 and "compare.html" in said
    page = (project / "runs" / "compare.html").read_text(encoding="utf-8")
    assert page.count(latest(project).name) > 2
    assert ">seed</td>" in page


def test_the_notebook_runs_from_top_to_bottom(own: Finished) -> None:
    from nbclient import NotebookClient

    project = own("regression")
    notebook = nbformat.read(project / "notebooks" / "explore.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    paths = [str(project / name) for name in ("engine", "src")]
    start = nbformat.v4.new_code_cell(f"import sys\nsys.path[:0] = {paths!r}")
    notebook.cells.insert(0, start)
    resources = {"metadata": {"path": str(project / "notebooks")}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    assert "shap of " in str(notebook.cells[-1].outputs)
    drawn = sum("application/vnd.plotly" in str(cell.get("outputs")) for cell in notebook.cells)
    # Distributions, against the target, the loss, predictions, errors by group and slice, SHAP.
    assert drawn == 3 + 2 + 1 + 1 + 2 + 3


@pytest.mark.parametrize("problem", ["binary", "multiclass"])
def test_the_notebook_counts_errors_as_the_run_does(own: Finished, problem: str) -> None:
    project = own(problem)
    notebook = nbformat.read(project / "notebooks" / "explore.ipynb", as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    code += '\nprint(error.mean(), slices["all"]["error"])'
    folder = project / "notebooks"
    said = must_run(sys.executable, "-c", code, cwd=folder, PYTHONPATH=python_path(project))
    drawn, counted = map(float, said.splitlines()[-1].split())
    assert drawn == pytest.approx(counted)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["gradient_boosting"], "gradient boosting"),
        (["linear", "gradient_boosting"], "a linear model and gradient boosting"),
        (
            ["dummy", "linear", "gradient_boosting"],
            "a constant guess, a linear model and gradient boosting",
        ),
    ],
)
def test_simpler_models_are_listed_as_one_would_say_it(names: list[str], said: str) -> None:
    assert (
        verdict(dict.fromkeys(names, "better"))
        == f"It is better than {said}, beyond what chance explains."
    )


def test_the_headline_is_of_the_threshold_that_decides(finished: Finished) -> None:
    results = read_results(read_run(finished("binary") / "runs"))
    threshold = results.metrics["threshold"]
    threshold["value"], threshold["test"]["recall"], threshold["test"]["precision"] = (
        0.17,
        0.91,
        None,
    )
    page = " ".join(unescape(report_page(results)).split())
    lead = re.findall(r'<p class="lead">(.+?)</p>', page)[0]
    assert 'acting from a probability of 17% on finds 91% of the "yes", and - of those' in lead
    assert "Predicted by the threshold of 17%" in page
    assert lead.index("17%") < lead.index("From 50% on")
