"""SHAP values and permutation importance of columns: exact or by orders, for as many rows as there is time."""

import numpy as np
import pytest

from capstone.core.settings_file import QUICK
from capstone.evaluation.evaluate import scorer
from capstone.evaluation.explanation import (
    Plan,
    affordable_rows,
    affordable_shuffles,
    explain,
    permutation_importance,
)
from capstone.evaluation.shapley import exact

rng = np.random.default_rng(0)


@pytest.mark.parametrize("weights", [1, 4_000_000], ids=["small, exact", "large, by orders"])
def test_shap_values_are_those_of_the_formula(weights: int) -> None:
    def model(matrix: np.ndarray) -> np.ndarray:
        return np.tanh(matrix[:, 0] * matrix[:, 1]) + matrix[:, 2] * matrix[:, 3] + matrix[:, 4]

    rows, background = rng.normal(size=(8, 6)), rng.normal(size=(60, 6))
    # Column "b" has two inputs, as a category has; nothing depends on "noise".
    origins = ["a", "b", "b", "c", "d", "noise"]
    plan = Plan.of(columns=5, rows=8, weights=weights)
    found = explain(model, rows, background, origins, 1, plan)
    inputs = [np.array(places) for places in ([0], [1, 2], [3], [4], [5])]
    truth = exact(lambda matrix: model(matrix)[:, None], rows, background, inputs)[:, :, 0]
    assert found.columns == ["a", "b", "c", "d", "noise"]
    assert found.error < 1e-6
    tolerance = 1e-9 if weights == 1 else 0.12 * np.abs(truth).max()
    np.testing.assert_allclose(found.values[:, :, 0], truth, atol=tolerance)
    np.testing.assert_allclose(found.values[:, 4], 0, atol=1e-12)
    assert found.method == ("exact" if weights == 1 else "360 orders of the columns")


def test_few_background_rows_have_the_mean_prediction_of_all() -> None:
    rng = np.random.default_rng(1)
    background, slopes = rng.lognormal(sigma=1.5, size=(1500, 20)), rng.normal(size=20)
    found = explain(
        lambda matrix: matrix @ slopes,
        background[:30],
        background,
        list("abcdefghijklmnopqrst"),
        0,
        Plan.of(columns=20, rows=30, weights=10**7),
    )
    everyone = background @ slopes
    assert found.method == "50 orders of the columns"
    # A random 25 rows would be off by a fifth of the spread.
    assert abs(found.base[0] - everyone.mean()) < 0.1 * everyone.std()


def test_rows_are_left_out_of_a_long_explanation_and_all_of_an_endless_one() -> None:
    assert affordable_rows(columns=10, weights=1_000, rows=600, wanted=1_000) == 600
    assert affordable_rows(columns=60, weights=500_000, rows=600, wanted=1_000) == 100
    assert affordable_rows(columns=60, weights=500_000, rows=80, wanted=1_000) == 80
    assert affordable_rows(columns=60, weights=500_000, rows=600, wanted=40) == 40
    assert affordable_rows(columns=5_000, weights=2_500_000, rows=600, wanted=1_000) == 0


def test_a_quick_run_explains_few_rows_of_a_wide_table() -> None:
    """200 columns of words, 4,000 inputs: 50 rows and 200,000 shuffled ones took more than a minute."""
    [wanted] = [int(words.rpartition("=")[2]) for words in QUICK if "explained_rows" in words]
    rows = affordable_rows(columns=180, weights=1_850_000, rows=200, wanted=wanted)
    assert 1 <= rows <= 10
    assert rows <= affordable_shuffles(columns=180, weights=1_850_000, explained=rows) <= 200
    assert affordable_shuffles(columns=13, weights=50_000, explained=1) > 20_000


def test_a_model_whose_rows_depend_on_each_other_is_found_out() -> None:
    def model(matrix: np.ndarray) -> np.ndarray:
        return matrix[:, 0] * matrix.std()  # such as batch normalisation in training mode

    rows = rng.normal(size=(40, 12))
    found = explain(model, rows, rows, [str(n) for n in range(12)], seed=1)
    assert found.error > 1e-3


def test_shuffling_a_column_costs_what_it_is_worth() -> None:
    rows = rng.normal(size=(500, 3))
    truth = 2 * rows[:, 0] + rows[:, 1]
    importance = permutation_importance(
        lambda matrix: 2 * matrix[:, 0] + matrix[:, 1],
        rows,
        truth,
        ["a", "b", "noise"],
        scorer("regression", "mae"),
        1,
    )
    assert importance["a"] > importance["b"] > importance["noise"] == 0
