"""A result that is too good: planted leaks are named, and honest tables are left in peace, however easy."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from capstone import read_run
from capstone.core.settings import Data
from capstone.evaluation.plausibility import doubt_in_words, find_doubt
from tests.support.helpers import SMALLEST, Capstone, Render

SUITE, LONG = 5, 5  # draws of each made-up table
ROWS = 400
GOOD = {"r2": 0.9, "accuracy": 0.95}
SIMPLE = {"r2": 0.0, "accuracy": 0.6}


def data(problem: str) -> Data:
    return Data.model_validate({"path": "x", "target": "y", "problem": problem})


def metrics(best: dict[str, float] = GOOD) -> dict[str, Any]:
    """Scores as metrics.json has them: the network's, and those of two baselines."""
    of = {"model": GOOD, "gradient_boosting": best, "dummy": SIMPLE}
    scores = {
        model: {name: {"value": value} for name, value in found.items()}
        for model, found in of.items()
    }
    return {"model": scores.pop("model"), "baselines": scores}


def doubt(table: pd.DataFrame, truth: object, problem: str) -> dict[str, Any] | None:
    return find_doubt(table, pd.Series(truth, index=table.index), metrics(), 300, data(problem))


class Honest:
    """A table in which several columns say something, some nothing, and chance the rest."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.table = pd.DataFrame(
            {
                "hours": self.rng.uniform(0, 30, ROWS),
                "grade": self.rng.normal(size=ROWS),
                "colour": self.rng.choice(["red", "green", "blue"], ROWS),
                "since": pd.Timestamp("2020-01-01")
                + pd.to_timedelta(self.rng.integers(0, 900, ROWS), unit="D"),
            }
        )
        signal = (self.table["hours"] - 15) / 9 + self.table["grade"]
        self.amount = 100 * signal + self.rng.normal(0, 20, ROWS)
        self.answer = np.where(signal + self.rng.normal(0, 0.3, ROWS) > 0.7, "yes", "no")
        self.level = np.digitize(signal + self.rng.normal(0, 0.3, ROWS), [-1, 1]).astype(str)

    def flipped(self, values: np.ndarray, share: float) -> np.ndarray:
        """The same with so many of them drawn anew."""
        others = self.rng.permutation(values)
        return np.where(self.rng.random(ROWS) < share, others, values)


@pytest.mark.parametrize("seed", range(SUITE))
def test_an_honest_table_is_left_in_peace(seed: int) -> None:
    honest = Honest(seed)
    assert doubt(honest.table, honest.amount, "regression") is None
    assert doubt(honest.table, honest.answer, "binary") is None
    assert doubt(honest.table, honest.level, "multiclass") is None


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("iris", "multiclass"),
        ("wine", "multiclass"),
        ("breast_cancer", "binary"),
        ("diabetes", "regression"),
    ],
)
def test_a_table_that_is_known_to_be_easy_is_left_in_peace(name: str, problem: str) -> None:
    known = getattr(datasets, f"load_{name}")(as_frame=True)
    assert doubt(known.data, known.target, problem) is None


@pytest.mark.parametrize("seed", range(SUITE))
def test_a_column_that_says_the_answer_is_named(seed: int) -> None:
    honest = Honest(seed)
    yes = honest.answer == "yes"
    day = pd.Timestamp("2024-05-01") + pd.to_timedelta(honest.rng.integers(0, 90, ROWS), unit="D")
    late = pd.Series(day.strftime("%Y-%m-%d")).where(yes)  # known for those alone who left
    codes = np.where(yes, honest.rng.integers(3, 9, ROWS), 0)
    words = pd.Series(honest.rng.integers(0, 12, ROWS)).astype(str)
    leaks: list[tuple[str, object, object]] = [
        ("binary", honest.answer, honest.answer),
        ("binary", honest.answer, honest.flipped(honest.answer, 0.06)),
        ("binary", honest.answer, codes),
        ("binary", honest.answer, late),
        ("binary", honest.answer, np.where(yes, "ended " + words, "runs " + words)),
        ("multiclass", honest.level, honest.flipped(honest.level, 0.06)),
        ("regression", honest.amount, honest.amount * 1.19),
        ("regression", honest.amount, honest.amount + honest.rng.normal(0, 8, ROWS)),
        ("regression", honest.amount, np.exp(honest.amount / 300)),
    ]
    for problem, truth, column in leaks:
        found = doubt(honest.table.assign(leak=np.asarray(column)), truth, problem)
        assert found is not None and found["columns"] == ["leak"], (problem, column, found)
        said, remedy = doubt_in_words(found, "y")
        assert '"leak"' in said and "[data] leave_out" in remedy


def test_a_perfect_score_without_such_a_column_is_doubted_where_it_can_be_no_luck() -> None:
    honest = Honest(0)
    answer, amount = (pd.Series(values) for values in (honest.answer, honest.amount))
    perfect = metrics({"r2": 0.9999, "accuracy": 1.0})
    found = find_doubt(honest.table, answer, perfect, 300, data("binary"))
    assert found is not None
    assert (found["kind"], found["model"]) == ("perfect", "gradient_boosting")
    assert set(found["columns"]) == {"hours", "grade"}
    assert find_doubt(honest.table, answer, perfect, 40, data("binary")) is None
    assert find_doubt(honest.table, amount, perfect, 40, data("regression")) is not None
    perfect["baselines"]["dummy"]["accuracy"]["value"] = 0.99
    assert find_doubt(honest.table, answer, perfect, 300, data("binary")) is None


def test_run_report_and_check_name_it(copy_of: Render, capstone: Capstone) -> None:
    project = copy_of(problem="binary")
    path = project / "data" / "raw" / "customer_churn.csv"
    table = pd.read_csv(path).head(300)
    table["exit_code"] = np.where(table["churned"] == "yes", np.arange(300) % 5 + 3, 0)
    table.to_csv(path, index=False)
    for options, named in (((), True), (("--set", 'data.leave_out=["exit_code"]'), False)):
        code, out, err = capstone(project, "run", *SMALLEST, *options)
        assert code == 0, err
        last = out.splitlines()[-1]
        assert ('CAREFUL: "exit_code" alone nearly determines "churned"' in last) is named
        assert ("capstone serve" in last) is not named
        report = (read_run(project / "runs").folder / "report.html").read_text(encoding="utf-8")
        top = re.sub(r"\s+", " ", report).split("Always predicting")[0]
        assert ("exit_code&#34; alone nearly determines" in top) is named
    settings = Path(project / "capstone.toml")
    text = settings.read_text(encoding="utf-8")
    _, out, _ = capstone(project, "check", "--only", "leaks")
    assert 'column "exit_code" alone nearly determines the target' in out
    settings.write_text(text.replace("leave_out = []", 'leave_out = ["exit_code"]'))
    assert "✓ leaks" in capstone(project, "check", "--only", "leaks")[1]
