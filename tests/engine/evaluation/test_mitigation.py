"""Proxies for a group, and what equal treatment would cost: against gaps that were planted."""

import numpy as np
import pandas as pd
import pytest

from capstone.core.settings import Decision, Settings
from capstone.evaluation.fairness import FEWEST, GroupedRows, parity
from capstone.evaluation.mitigation import (
    equal_means,
    equal_thresholds,
    equal_treatment,
    proxy_check,
)
from tests.support.events import HAPPENED, SCORE

COSTS = Decision(cost_false_positive=1.0, cost_false_negative=2.0)


@pytest.fixture(scope="module")
def unequal() -> GroupedRows:
    """One group is scored too high, the other too low."""
    rng = np.random.default_rng(0)
    groups = pd.Series(np.where(rng.random(4000) < 0.5, "a", "b"))
    score = SCORE + np.where(groups == "a", 1.5, -1.5)
    return GroupedRows(groups, HAPPENED, 1 / (1 + np.exp(-score)))


def test_a_proxy_is_found_and_noise_is_none() -> None:
    rng = np.random.default_rng(1)
    labels = pd.Series(rng.choice(["a", "b"], 600))
    betraying = np.column_stack([(labels == "a") + rng.normal(0, 0.2, 600), rng.normal(size=600)])
    found = proxy_check(labels, betraying, 1)
    assert found and found["proxy"] and found["chance"] == 0.5
    clean = proxy_check(labels, rng.normal(size=(600, 2)), 1)
    assert clean and not clean["proxy"] and clean["score"] == pytest.approx(0.5, abs=0.1)
    coded = labels.map({"a": "1", "b": "2"})  # groups that are called by numbers
    assert proxy_check(coded, betraying, 1) == found


def test_a_proxy_needs_two_groups_that_are_large_enough() -> None:
    matrix = np.random.default_rng(2).normal(size=(100, 2))
    assert proxy_check(pd.Series(["a"] * 100), matrix, 1) is None
    few = pd.Series(["a"] * (101 - FEWEST) + ["b"] * (FEWEST - 1))
    assert proxy_check(few, matrix, 1) is None


def test_a_threshold_per_group_narrows_the_gap_it_is_meant_for(unequal: GroupedRows) -> None:
    first, half, of_parity, of_odds = equal_thresholds(unequal, unequal, 0.3, COSTS, 1)
    assert [line["rule"] for line in (first, half)] == ["as it is", "0.5 for all"]
    assert (of_parity["rule"], of_odds["rule"]) == ("demographic_parity", "equalized_odds")
    name = "demographic_parity_difference"
    assert first[name] > 0.3 and of_parity[name] < 0.05
    assert of_odds["equalized_odds_difference"] < 0.1 < first["equalized_odds_difference"]


def test_what_a_rule_comes_to_is_counted_on_the_test_rows(unequal: GroupedRows) -> None:
    first = equal_thresholds(unequal, unequal, 0.3, COSTS, 1)[0]
    chosen = unequal.prediction >= 0.3
    alarms, missed = (chosen & ~HAPPENED).sum(), (~chosen & HAPPENED).sum()
    assert first["cost"] == alarms + 2 * missed
    assert first["accuracy"] == pytest.approx((chosen == HAPPENED).mean())
    assert first["selection_rate"] == pytest.approx(chosen.mean())
    gaps = parity(HAPPENED, chosen, unequal.groups.to_numpy())
    assert {name: first[name] for name in gaps} == gaps


def test_thresholds_are_not_chosen_on_the_test_rows(unequal: GroupedRows) -> None:
    """Other truths of the test rows change what is measured, and nobody's treatment."""
    otherwise = GroupedRows(unequal.groups, ~unequal.truth, unequal.prediction)
    rates = [
        [line["selection_rate"] for line in equal_thresholds(unequal, test, 0.3, COSTS, 1)]
        for test in (unequal, otherwise)
    ]
    assert rates[0] == rates[1]


def test_groups_that_are_too_small_are_treated_as_one(unequal: GroupedRows) -> None:
    few = unequal.where(pd.Series(np.arange(4000) < 40))
    assert equal_thresholds(few, few, 0.3, Decision(), 1) == []
    groups = unequal.groups.copy()
    groups[:30] = [f"tiny {number}" for number in range(30)]
    many = GroupedRows(groups, unequal.truth, unequal.prediction)
    assert [line["rule"] for line in equal_thresholds(many, many, 0.3, COSTS, 1)] == [
        "as it is",
        "0.5 for all",
        "demographic_parity",
        "equalized_odds",
    ]


def test_a_group_that_is_predicted_too_low_is_shifted() -> None:
    rng = np.random.default_rng(3)

    def rows() -> GroupedRows:
        groups = pd.Series(rng.choice(["a", "b"], 1000))
        truth = rng.normal(50, 5, 1000)
        noise = rng.normal(0, 1, 1000)
        return GroupedRows(groups, truth, truth + noise - 6 * (groups == "b").to_numpy())

    before, after = equal_means(rows(), rows())
    assert (before["rule"], after["rule"]) == ("as it is", "mean of each group")
    assert before["mean_residual_difference"] == pytest.approx(6, abs=0.3)
    assert after["mean_residual_difference"] < 0.3 and after["mae"] < 1 < before["mae"]


def test_a_small_or_unknown_group_is_not_shifted() -> None:
    groups = pd.Series(["a"] * 50 + ["b"] * (FEWEST - 1))
    rows = GroupedRows(groups, np.ones(len(groups)), np.zeros(len(groups)))
    strangers = GroupedRows(pd.Series(["c"] * 40), np.ones(40), np.zeros(40))
    before, after = equal_means(rows, strangers)
    assert after["mae"] == before["mae"] == 1
    _, after = equal_means(rows, rows)
    assert after["mae"] == pytest.approx((FEWEST - 1) / len(groups))  # "a" is shifted, "b" is not


def test_the_problem_decides_what_equal_treatment_means(unequal: GroupedRows) -> None:
    data = {"path": "data/raw/x.csv", "target": "y"}
    settings = {
        problem: Settings.model_validate({"data": {**data, "problem": problem}})
        for problem in ("regression", "binary")
    }
    means = equal_treatment(unequal, unequal, None, settings["regression"])
    assert means == equal_means(unequal, unequal)
    binary = settings["binary"]
    thresholds = equal_treatment(unequal, unequal, None, binary)
    assert thresholds == equal_thresholds(unequal, unequal, 0.5, binary.decision, binary.seed)
