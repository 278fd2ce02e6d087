"""Whether probabilities and intervals can be trusted, each against a known truth."""

import math

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from capstone.core.decisions import interval_widths
from capstone.core.settings import Decision
from capstone.evaluation.calibration import (
    FEWEST_PER_WIDTH,
    calibration_error,
    calibration_table,
    choose_threshold,
    fit_intervals,
    judge_threshold,
    share,
)
from tests.support.events import HAPPENED, PROBABILITY


def test_the_table_has_a_line_for_each_tenth_that_holds_rows() -> None:
    probability = np.array([0.0, 0.05, 0.31, 0.35, 0.999, 1.0])
    happened = np.array([False, False, True, False, True, True])
    table = calibration_table(happened, probability)
    assert table["from"].tolist() == [0.0, 0.3, 0.9]  # a probability of 1 is in the last tenth
    assert table["rows"].tolist() == [2, 2, 2]
    np.testing.assert_allclose(table["predicted"], [0.025, 0.33, 0.9995])
    np.testing.assert_allclose(table["happened"], [0, 0.5, 1])
    assert calibration_error(happened, probability) == pytest.approx(
        (0.025 + 0.17 + 0.0005) * 2 / 6
    )


def test_the_error_is_small_where_the_probabilities_are_the_true_ones() -> None:
    assert calibration_error(HAPPENED, PROBABILITY) < 0.03
    assert calibration_error(HAPPENED, 1 - PROBABILITY) > 0.2
    assert calibration_error(HAPPENED, HAPPENED.astype(float)) == 0


@pytest.mark.parametrize("costs", [(1.0, 1.0), (1.0, 9.0), (5.0, 1.0)])
def test_the_threshold_is_the_cheapest_of_all(costs: tuple[float, float]) -> None:
    decision = Decision(cost_false_positive=costs[0], cost_false_negative=costs[1])
    chosen = choose_threshold(HAPPENED, PROBABILITY, decision)

    def cost(threshold: float) -> float:
        return judge_threshold(HAPPENED, PROBABILITY, threshold, decision)["cost"]

    assert cost(chosen) == min(cost(threshold) for threshold in [*np.unique(PROBABILITY), 0, 1, 2])
    assert chosen == pytest.approx(costs[0] / sum(costs), abs=0.1)


def test_of_equally_cheap_thresholds_the_one_nearest_to_the_ideal_is_taken() -> None:
    probability = np.array([0.1, 0.3, 0.4, 0.7, 0.9])
    happened = probability > 0.2
    # Anything between 0.1 and 0.3 makes no mistake.
    assert choose_threshold(happened, probability, Decision()) == pytest.approx(0.2)
    # Whoever acts costs nothing more: every threshold below all of them is as good.
    everything = np.ones(5, dtype=bool)
    assert choose_threshold(everything, probability, Decision()) == 0.0


def test_the_counts_at_a_threshold_are_those_of_scikit_learn() -> None:
    decision = Decision(cost_false_positive=2.0, cost_false_negative=7.0)
    judged = judge_threshold(HAPPENED, PROBABILITY, 0.6, decision)
    acts = PROBABILITY >= 0.6
    [[quiet, alarms], [missed, hits]] = confusion_matrix(HAPPENED, acts)
    counts = ("true_negatives", "false_positives", "false_negatives", "true_positives")
    assert [judged[name] for name in counts] == [quiet, alarms, missed, hits]
    assert judged["cost"] == 2 * alarms + 7 * missed
    assert judged["precision"] == pytest.approx(precision_score(HAPPENED, acts))
    assert judged["recall"] == pytest.approx(recall_score(HAPPENED, acts))
    nobody = judge_threshold(HAPPENED, PROBABILITY, 2.0, decision)
    assert (nobody["precision"], nobody["recall"]) == (0, 0)


def test_intervals_hold_nine_of_ten_truths_in_each_quarter() -> None:
    rng = np.random.default_rng(0)
    prediction = rng.uniform(1, 10, 8000)
    truth = prediction + rng.normal(size=8000) * prediction  # large ones err by more
    intervals = fit_intervals(truth[:4000], prediction[:4000])
    width = interval_widths(prediction[4000:], intervals)
    inside = np.abs(truth[4000:] - prediction[4000:]) <= width
    for quarter in np.array_split(np.argsort(prediction[4000:]), 4):
        assert inside[quarter].mean() == pytest.approx(0.9, abs=0.03)


def test_few_rows_share_one_width() -> None:
    rng = np.random.default_rng(0)
    truth, prediction = rng.normal(size=(2, 4 * FEWEST_PER_WIDTH))
    assert fit_intervals(truth[:-1], prediction[:-1])["edges"] == []
    assert len(fit_intervals(truth, prediction)["half_widths"]) == 4
    very_few = fit_intervals(truth[:5], prediction[:5])
    # Of five rows, nine tenths of the truths are only held by the largest residual.
    assert very_few["half_widths"] == [np.abs(truth - prediction)[:5].max()]


@pytest.mark.parametrize("different", [1, 2, 3])
def test_predictions_of_few_values_share_one_width(different: int) -> None:
    """As of a network that has learnt nothing: there are no four quarters to tell apart."""
    truth = np.random.default_rng(0).normal(size=1000)
    intervals = fit_intervals(truth, (np.arange(1000) % different).astype(float))
    assert intervals["edges"] == [] and len(intervals["half_widths"]) == 1


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_a_new_row_is_held_as_often_as_asked_for(level: float) -> None:
    """The promise of split conformal prediction: on average over many fits, from 40 rows each."""
    rng = np.random.default_rng(2)
    truth = rng.standard_t(3, size=(3000, 41))
    widths = np.array(
        [fit_intervals(rows[:40], np.zeros(40), level)["half_widths"][0] for rows in truth]
    )
    held = (np.abs(truth[:, 40]) <= widths).mean()
    assert level - 0.02 <= held <= level + 1 / 41 + 0.02


@pytest.mark.parametrize(("hits", "rows"), [(0, 7), (3, 10), (50, 50), (400, 1000)])
def test_a_share_has_wilsons_interval(hits: int, rows: int) -> None:
    found = share(np.arange(rows) < hits)
    z, p = norm.ppf(0.975), hits / rows
    middle = (p + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * math.sqrt(p * (1 - p) / rows + z**2 / (4 * rows**2))
    assert found["value"] == p
    assert (found["low"], found["high"]) == pytest.approx((middle - half, middle + half), abs=1e-9)


def test_a_share_of_nothing_is_unknown() -> None:
    assert all(math.isnan(value) for value in share(np.array([], dtype=bool)).values())
