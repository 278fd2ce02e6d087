"""Our weighted metrics are scikit-learn's, and the intervals hold what they promise."""

import numpy as np
import pytest
from sklearn import metrics as sk

from capstone.evaluation.evaluate import evaluate_model, verdict
from capstone.evaluation.metrics import METRICS

rng = np.random.default_rng(0)
WEIGHTS = rng.multinomial(300, np.full(300, 1 / 300), size=3).astype(float)
NUMBERS = rng.normal(5, 2, 300)
GUESSES = NUMBERS + rng.normal(0, 1, 300)
CLASSES = rng.integers(0, 3, 300)
SHARES = rng.dirichlet([1, 1, 1], 300).round(2) + 1e-9
SHARES /= SHARES.sum(axis=1, keepdims=True)
YES = rng.integers(0, 2, 300)
CHANCE = np.round(rng.uniform(0.01, 0.99, 300), 2)  # rounded, so that there are ties
CHANCES = np.column_stack([1 - CHANCE, CHANCE])

EXPECTED = {
    "regression": {
        "r2": lambda w: sk.r2_score(NUMBERS, GUESSES, sample_weight=w),
        "rmse": lambda w: sk.root_mean_squared_error(NUMBERS, GUESSES, sample_weight=w),
        "mae": lambda w: sk.mean_absolute_error(NUMBERS, GUESSES, sample_weight=w),
    },
    "binary": {
        "roc_auc": lambda w: sk.roc_auc_score(YES, CHANCE, sample_weight=w),
        "pr_auc": lambda w: sk.average_precision_score(YES, CHANCE, sample_weight=w),
        "accuracy": lambda w: sk.accuracy_score(YES, CHANCE > 0.5, sample_weight=w),
        "f1": lambda w: sk.f1_score(YES, CHANCE > 0.5, sample_weight=w),
        "log_loss": lambda w: sk.log_loss(YES, CHANCE, sample_weight=w),
        "brier": lambda w: sk.brier_score_loss(YES, CHANCE, sample_weight=w),
    },
    "multiclass": {
        "accuracy": lambda w: sk.accuracy_score(CLASSES, SHARES.argmax(1), sample_weight=w),
        "f1": lambda w: sk.f1_score(CLASSES, SHARES.argmax(1), sample_weight=w, average="macro"),
        "roc_auc": lambda w: sk.roc_auc_score(
            CLASSES, SHARES, sample_weight=w, multi_class="ovr", average="macro"
        ),
        "pr_auc": lambda w: np.mean(
            [
                sk.average_precision_score(k == CLASSES, SHARES[:, k], sample_weight=w)
                for k in range(3)
            ]
        ),
        "log_loss": lambda w: sk.log_loss(CLASSES, SHARES, sample_weight=w),
        "brier": lambda w: sk.brier_score_loss(CLASSES, SHARES, sample_weight=w),
    },
}
DATA = {"regression": (NUMBERS, GUESSES), "binary": (YES, CHANCES), "multiclass": (CLASSES, SHARES)}


@pytest.mark.parametrize(
    ("problem", "name"), [(problem, name) for problem, its in METRICS.items() for name in its]
)
def test_each_metric_equals_scikit_learns_on_every_resample(problem: str, name: str) -> None:
    ours = METRICS[problem][name](*DATA[problem], WEIGHTS)
    np.testing.assert_allclose(ours, [EXPECTED[problem][name](w) for w in WEIGHTS], rtol=1e-9)


def test_a_model_that_knows_more_is_better_and_one_that_knows_the_same_is_undecided() -> None:
    predictions = {"model": GUESSES, "noisier": NUMBERS + rng.normal(0, 3, 300), "same": GUESSES}
    found = evaluate_model(NUMBERS, predictions, "regression", "r2", 500, seed=1)
    assert found["beats"] == {"noisier": "better", "same": "undecided"}
    score = found["model"]["r2"]
    assert score["low"] < score["value"] < score["high"]


def test_a_lead_below_zero_is_worse() -> None:
    assert verdict(np.array([-3.0, -2.0, -1.0])) == "worse"
