"""What a run adds to its scores: trust, SHAP, groups, slices and decisions, each against a known truth."""

from itertools import permutations
from types import SimpleNamespace
from typing import Any

import fairlearn.metrics
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from capstone.commands.seeds import over_seeds
from capstone.core.decisions import interval_widths
from capstone.core.errors import CapstoneError
from capstone.core.settings import Decision
from capstone.evaluation import (
    calibration,
    error_analysis,
    explanation,
    fairness,
    mitigation,
)
from capstone.evaluation.evaluate import scorer
from capstone.evaluation.fairness import GroupedRows
from capstone.training import temperature

rng = np.random.default_rng(0)
SCORE = rng.normal(size=4000)
HAPPENED = rng.random(4000) < expit(SCORE)


def classes(probability: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - probability, probability])


def test_the_temperature_undoes_too_much_confidence_and_leaves_the_rest_alone() -> None:
    truth = HAPPENED.astype(int)
    assert temperature.fit_temperature(truth, classes(expit(SCORE)), 1) == 1.0
    too_sure = classes(expit(3 * SCORE))
    assert temperature.fit_temperature(truth, too_sure, 1) == pytest.approx(3, rel=0.1)
    mended = temperature.rescale(too_sure, 3.0)
    np.testing.assert_allclose(mended, classes(expit(SCORE)), atol=1e-6)
    before, after = (calibration.calibration_error(HAPPENED, p[:, 1]) for p in (too_sure, mended))
    assert before > 0.1 > 0.03 > after


@pytest.mark.parametrize("costs", [(1.0, 1.0), (1.0, 9.0), (5.0, 1.0)])
def test_the_threshold_is_the_cheapest_of_all(costs: tuple[float, float]) -> None:
    probability = expit(SCORE)
    decision = Decision(cost_false_positive=costs[0], cost_false_negative=costs[1])
    chosen = calibration.choose_threshold(HAPPENED, probability, decision)

    def cost(threshold: float) -> float:
        return calibration.judge_threshold(HAPPENED, probability, threshold, decision)["cost"]

    assert cost(chosen) == min(cost(threshold) for threshold in [*np.unique(probability), 0, 1, 2])
    assert chosen == pytest.approx(costs[0] / sum(costs), abs=0.1)


def test_intervals_hold_nine_of_ten_truths_in_each_quarter() -> None:
    prediction = rng.uniform(1, 10, 8000)
    truth = prediction + rng.normal(size=8000) * prediction  # large ones err by more
    fitted = calibration.fit_intervals(truth[:4000], prediction[:4000])
    width = interval_widths(prediction[4000:], fitted)
    inside = np.abs(truth[4000:] - prediction[4000:]) <= width
    for quarter in np.array_split(np.argsort(prediction[4000:]), 4):
        assert inside[quarter].mean() == pytest.approx(0.9, abs=0.03)
    few = calibration.fit_intervals(truth[:5], prediction[:5])
    assert few["edges"] == [] and few["half_widths"][0] == np.abs(truth - prediction)[:5].max()


def brute_force(model: Any, row: np.ndarray, background: np.ndarray, groups: Any) -> np.ndarray:
    """Shapley values by their definition: every order of the columns, every background row."""
    total = np.zeros(len(groups))
    orders = list(permutations(range(len(groups))))
    for order in orders:
        mixed = background.copy()
        for column in order:
            before = model(mixed).mean()
            mixed[:, groups[column]] = row[groups[column]]
            total[column] += model(mixed).mean() - before
    return total / len(orders)


@pytest.mark.parametrize("weights", [1, 4_000_000], ids=["small, exact", "large, by orders"])
def test_shap_values_are_those_of_the_definition(weights: int) -> None:
    def model(matrix: np.ndarray) -> np.ndarray:
        return np.tanh(matrix[:, 0] * matrix[:, 1]) + matrix[:, 2] * matrix[:, 3] + matrix[:, 4]

    rows, background = rng.normal(size=(8, 6)), rng.normal(size=(60, 6))
    # Column "b" has two inputs, as a category has; nothing depends on "noise".
    origins = ["a", "b", "b", "c", "d", "noise"]
    found = explanation.explain(model, rows, background, origins, 1, weights)
    groups = [[0], [1, 2], [3], [4], [5]]
    truth = np.array([brute_force(model, row, background, groups) for row in rows])
    assert found.columns == ["a", "b", "c", "d", "noise"]
    assert found.error < 1e-6
    tolerance = 1e-9 if weights == 1 else 0.12 * np.abs(truth).max()
    np.testing.assert_allclose(found.values[:, :, 0], truth, atol=tolerance)
    np.testing.assert_allclose(found.values[:, 4], 0, atol=1e-12)
    assert found.method == ("exact" if weights == 1 else "360 orders of the columns")


def test_few_background_rows_have_the_mean_prediction_of_all() -> None:
    rng = np.random.default_rng(1)
    background, slopes = rng.lognormal(sigma=1.5, size=(1500, 20)), rng.normal(size=20)
    found = explanation.explain(
        lambda matrix: matrix @ slopes,
        background[:30],
        background,
        list("abcdefghijklmnopqrst"),
        0,
        10**7,
    )
    everyone = background @ slopes
    assert found.method == "50 orders of the columns"
    # A random 25 rows would be off by a fifth of the spread.
    assert abs(found.base[0] - everyone.mean()) < 0.1 * everyone.std()


def test_rows_are_left_out_of_a_long_explanation_and_all_of_an_endless_one() -> None:
    assert explanation.affordable_rows(columns=10, weights=1_000, wanted=600) == 600
    assert explanation.affordable_rows(columns=60, weights=500_000, wanted=600) == 100
    assert explanation.affordable_rows(columns=60, weights=500_000, wanted=40) == 40
    assert explanation.affordable_rows(columns=5_000, weights=2_500_000, wanted=600) == 0


def test_a_model_whose_rows_depend_on_each_other_is_found_out() -> None:
    def model(matrix: np.ndarray) -> np.ndarray:
        return matrix[:, 0] * matrix.std()  # such as batch normalisation in training mode

    rows = rng.normal(size=(40, 12))
    found = explanation.explain(model, rows, rows, [str(n) for n in range(12)], seed=1)
    assert found.error > 1e-3


def test_shuffling_a_column_costs_what_it_is_worth() -> None:
    rows = rng.normal(size=(500, 3))
    truth = 2 * rows[:, 0] + rows[:, 1]
    importance = explanation.permutation_importance(
        lambda matrix: 2 * matrix[:, 0] + matrix[:, 1],
        rows,
        truth,
        ["a", "b", "noise"],
        scorer("regression", "mae"),
        1,
    )
    assert importance["a"] > importance["b"] > importance["noise"] == 0


def test_the_worst_slice_is_the_planted_one() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "town": rng.choice(["north", "south"], 2000),
            "size": rng.normal(size=2000),
            "noise": rng.normal(size=2000),
        }
    )
    planted = (table["town"] == "north") & (table["size"] > 0.7)
    worst = error_analysis.worst_slices(table, rng.exponential(1 + 3 * planted))
    assert worst[0]["slice"].startswith("town = north and size = 0.")
    assert not any("noise" in line["slice"] for line in worst)
    assert error_analysis.worst_slices(table, rng.exponential(np.ones(2000))) == []
    assert error_analysis.worst_slices(table[:10], np.ones(10)) == []


def groups_of(labels: Any, problem: str = "binary") -> dict[str, Any]:
    truth, prediction = HAPPENED[: len(labels)].astype(int), classes(expit(SCORE))[: len(labels)]
    groups = pd.Series(labels)
    if problem == "regression":
        return fairness.compare_groups(GroupedRows(groups, truth, prediction[:, 1]), [], None)
    return fairness.compare_groups(GroupedRows(groups, truth, prediction), ["no", "yes"], 0.5)


@pytest.mark.parametrize("problem", ["binary", "regression"])
def test_the_group_that_is_predicted_too_low_is_named(problem: str) -> None:
    labels = np.where(rng.random(4000) < 0.5, "a", "b")
    labels[HAPPENED & (rng.random(4000) < 0.5)] = "c"  # all of them happened
    found = groups_of(labels, problem=problem)["finding"]
    assert found["group"] == "c" and found["clear"] and found["residual"]["low"] > 0
    fair = groups_of(rng.choice(["a", "b", "c"], 4000), problem=problem)["finding"]
    assert not fair["clear"]


def test_groups_that_are_few_many_or_missing_are_judged_with_care() -> None:
    assert "only one group" in groups_of(["a"] * 200)["note"]
    assert "too small to judge" in groups_of(["a"] * 190 + ["b"] * 10)["note"]
    many = groups_of([f"g{number % 500}" for number in range(4000)])
    assert many["too_small"] == {"groups": 500, "rows": 4000}
    assert len(many["by_group"]) == 30 and not any(line["judged"] for line in many["by_group"])
    table = pd.DataFrame({"g": ["a", None] * 500, "age": rng.normal(40, 9, 1000)})
    labels = fairness.group_labels(table, ["g", "age"])
    assert set(labels) == {"g", "age", "g and age"}
    assert labels["age"].nunique() == 4
    half = groups_of(labels["g"])
    assert half["missing"] == 0.5 and {line["group"] for line in half["by_group"]} == {
        "a",
        "(missing)",
    }


def test_a_proxy_is_found_and_noise_is_none() -> None:
    labels = pd.Series(rng.choice(["a", "b"], 600))
    betraying = np.column_stack([(labels == "a") + rng.normal(0, 0.2, 600), rng.normal(size=600)])
    found = mitigation.proxy_check(labels, betraying, 1)
    assert found and found["proxy"]
    clean = mitigation.proxy_check(labels, rng.normal(size=(600, 2)), 1)
    assert clean and not clean["proxy"]
    coded = labels.map({"a": "1", "b": "2"})  # groups that are called by numbers
    assert mitigation.proxy_check(coded, betraying, 1) == found
    assert mitigation.proxy_check(pd.Series(["a"] * 100), betraying[:100], 1) is None


def test_a_threshold_per_group_narrows_the_gap_it_is_meant_for() -> None:
    groups = pd.Series(np.where(rng.random(4000) < 0.5, "a", "b"))
    score = SCORE + np.where(groups == "a", 1.5, -1.5)  # one group is scored too high
    rows, costs = GroupedRows(groups, HAPPENED, expit(score)), Decision(cost_false_negative=2.0)
    first, half, parity, odds = mitigation.equal_thresholds(rows, rows, 0.3, costs, 1)
    assert (first["rule"], half["rule"]) == ("as it is", "0.5 for all")
    name = "demographic_parity_difference"
    assert first[name] > 0.3 and parity[name] < 0.05
    assert odds["equalized_odds_difference"] < 0.1 < first["equalized_odds_difference"]
    tiny = GroupedRows(groups[:40], HAPPENED[:40], expit(score)[:40])
    assert mitigation.equal_thresholds(tiny, tiny, 0.3, Decision(), 1) == []


def test_the_gaps_are_those_of_fairlearn() -> None:
    groups, chosen = rng.choice(["a", "b", "c"], 500), SCORE[:500] > 0.3
    gaps = fairness.parity(HAPPENED[:500], chosen, groups)
    for name, gap in gaps.items():
        arguments = {"y_true": HAPPENED[:500], "y_pred": chosen, "sensitive_features": groups}
        assert gap == pytest.approx(getattr(fairlearn.metrics, name)(**arguments))


@pytest.mark.parametrize("cost", [0, -1.0])
def test_costs_of_zero_or_below_are_refused(cost: float) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        Decision.model_validate({"cost_false_positive": float(cost)})


def test_several_seeds_make_one_table() -> None:
    def metrics(model: float) -> dict[str, Any]:
        scores = {"model": model, "dummy": 0.5}
        its = {name: {"mae": {"value": value}} for name, value in scores.items()}
        return {"model": its["model"], "baselines": {"dummy": its["dummy"]}}

    table = over_seeds([metrics(0.2), metrics(0.4), metrics(0.6)]).set_index("model")
    assert table.loc["model", ["mean", "spread"]].to_list() == pytest.approx([0.4, 0.2])
    assert table["best_in"].to_dict() == {"model": 2, "dummy": 1}


ROOM = """
NOTHING, ACTION, UNIT = "wait", "call", "EUR"
def recommend_action(prediction):
    return {answer}
def cost_of(action, prediction, truth):
    return {cost}
"""


@pytest.mark.parametrize(
    ("answer", "cost", "sentence"),
    [
        ('"call"', "1", "recommend_action() in src/my_capstone/decisions.py returned 'call'"),
        ('{"action": "call", "sure": "", "cost": 1}', "None", "cost_of() in src/my_capstone"),
        ("1 / 0", "1", "ZeroDivisionError"),
    ],
)
def test_decisions_that_can_not_be_used_are_named(
    copy_of: Any, monkeypatch: pytest.MonkeyPatch, answer: str, cost: str, sentence: str
) -> None:
    from capstone.evaluation.decision_cost import cost_of_decisions

    project = copy_of()
    room = ROOM.replace("{answer}", answer).replace("{cost}", cost)
    path = project / "src" / "my_capstone" / "decisions.py"
    path.write_text(room, encoding="utf-8")
    monkeypatch.syspath_prepend(str(project / "src"))
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == "my_capstone"]:
        monkeypatch.delitem(sys.modules, name)
    target: Any = SimpleNamespace(problem="regression", classes=[])
    with pytest.raises(CapstoneError) as error:
        cost_of_decisions(project, target, np.ones(2), [{"value": 1.0}, {"value": 2.0}])
    assert sentence in str(error.value)
