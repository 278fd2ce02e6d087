"""Groups compared: gaps as fairlearn's, findings against planted ones, and care where rows are few."""

from typing import Any

import fairlearn.metrics
import numpy as np
import pandas as pd
import pytest

from capstone.evaluation.calibration import share
from capstone.evaluation.fairness import (
    FEWEST,
    MOST_GROUPS,
    GroupedRows,
    compare_groups,
    group_labels,
    parity,
)
from tests.support.events import HAPPENED, PROBABILITY, SCORE, two_classes


def groups_of(labels: Any, problem: str = "binary") -> dict[str, Any]:
    """The groups with these labels, on the first so many events."""
    truth, prediction = HAPPENED[: len(labels)].astype(int), two_classes(PROBABILITY)[: len(labels)]
    groups = pd.Series(labels)
    if problem == "regression":
        return compare_groups(GroupedRows(groups, truth, prediction[:, 1]), [], None)
    return compare_groups(GroupedRows(groups, truth, prediction), ["no", "yes"], 0.5)


@pytest.mark.parametrize("problem", ["binary", "regression"])
def test_the_group_that_is_predicted_too_low_is_named(problem: str) -> None:
    rng = np.random.default_rng(1)
    labels = np.where(rng.random(4000) < 0.5, "a", "b")
    labels[HAPPENED & (rng.random(4000) < 0.5)] = "c"  # all of them happened
    found = groups_of(labels, problem=problem)["finding"]
    assert found["group"] == "c" and found["clear"] and found["residual"]["low"] > 0
    fair = groups_of(rng.choice(["a", "b", "c"], 4000), problem=problem)["finding"]
    assert not fair["clear"]


def test_of_several_classes_the_one_with_the_largest_gap_is_named() -> None:
    rng = np.random.default_rng(2)
    names, truth = ["low", "middle", "high"], rng.integers(0, 3, 3000)
    labels = rng.choice(["a", "b"], 3000)
    truth[(labels == "b") & (truth == 0) & (rng.random(3000) < 0.6)] = 2
    found = compare_groups(
        GroupedRows(pd.Series(labels), truth, np.full((3000, 3), 1 / 3)), names, None
    )
    assert set(found["gaps"]) == set(names)
    finding = found["finding"]
    assert finding["class"] in ("low", "high") and finding["clear"]
    [line] = [line for line in found["by_group"] if line["group"] == finding["group"]]
    number = names.index(finding["class"])
    assert line["happened"] == share(truth[labels == finding["group"]] == number)
    assert line["residual"]["value"] == pytest.approx(line["happened"]["value"] - 1 / 3)


def test_many_fair_groups_are_seldom_called_different() -> None:
    """Ten groups are looked at, so one of them stands out by chance: that is allowed for."""
    rng = np.random.default_rng(3)
    labels = pd.Series(np.tile(list("abcdefghij"), 100))
    rows = (GroupedRows(labels, rng.normal(size=1000), np.zeros(1000)) for _ in range(60))
    alarms = sum(compare_groups(one, [], None)["finding"]["clear"] for one in rows)
    assert alarms <= 10  # 5 % of 60 are 3; without the allowance it would be 24


def test_the_rates_of_a_group_are_counted_in_it_alone() -> None:
    labels = np.tile(["a", "b"], 1000)
    found = groups_of(labels)
    happened, chosen = HAPPENED[:2000], PROBABILITY[:2000] >= 0.5
    for line in found["by_group"]:
        mask = labels == line["group"]
        assert line["rows"] == 1000 and line["accuracy"] == share((happened == chosen)[mask])
        assert line["selection_rate"] == share(chosen[mask])
        assert line["true_positive_rate"] == share(chosen[mask & happened])
        assert line["false_positive_rate"] == share(chosen[mask & ~happened])


def test_groups_that_are_few_many_or_missing_are_judged_with_care() -> None:
    assert "only one group" in groups_of(["a"] * 200)["note"]
    assert "too small to judge" in groups_of(["a"] * 190 + ["b"] * 10)["note"]
    many = groups_of([f"g{number % 500}" for number in range(4000)])
    assert many["too_small"] == {"groups": 500, "rows": 4000}
    assert len(many["by_group"]) == MOST_GROUPS
    assert not any(line["judged"] for line in many["by_group"])
    assert not any("selection_rate" in line for line in many["by_group"])
    least = groups_of(["a"] * 100 + ["b"] * FEWEST + ["c"] * (FEWEST - 1))
    assert [line["judged"] for line in least["by_group"]] == [True, True, False]


def test_missing_is_a_group_and_numbers_are_cut_into_four() -> None:
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"g": ["a", None] * 500, "age": rng.normal(40, 9, 1000)})
    labels = group_labels(table, ["g", "age", "not there"])
    assert set(labels) == {"g", "age", "g and age"}
    assert labels["age"].nunique() == 4
    assert labels["g and age"].nunique() == 8
    half = groups_of(labels["g"])
    assert half["missing"] == 0.5
    assert {line["group"] for line in half["by_group"]} == {"a", "(missing)"}


def test_the_gaps_are_those_of_fairlearn() -> None:
    groups = np.random.default_rng(5).choice(["a", "b", "c"], 500)
    chosen = SCORE[:500] > 0.3
    gaps = parity(HAPPENED[:500], chosen, groups)
    for name, gap in gaps.items():
        arguments = {"y_true": HAPPENED[:500], "y_pred": chosen, "sensitive_features": groups}
        assert gap == pytest.approx(getattr(fairlearn.metrics, name)(**arguments))


def test_equal_treatment_has_no_gap() -> None:
    happened, chosen = np.tile(HAPPENED[:300], 2), np.tile(SCORE[:300] > 0, 2)
    gaps = parity(happened, chosen, np.repeat(["a", "b"], 300))
    differences = {name: gap for name, gap in gaps.items() if name.endswith("difference")}
    assert set(differences.values()) == {0} and len(differences) == 2
    assert {gap for name, gap in gaps.items() if name.endswith("ratio")} == {1}


def test_the_gap_between_mean_errors_is_the_worst_less_the_best() -> None:
    truth, prediction = np.zeros(120), np.repeat([1.0, 2.0, 4.0], 40)
    found = compare_groups(
        GroupedRows(pd.Series(np.repeat(["a", "b", "c"], 40)), truth, prediction), [], None
    )
    assert found["gaps"] == pytest.approx({"mae_difference": 3.0, "mae_ratio": 0.25})
    assert found["finding"]["group"] == "c" and found["finding"]["residual"]["value"] == -4
