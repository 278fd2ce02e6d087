"""The simpler models that the network is compared with."""

import numpy as np
import pytest

from capstone.evaluation import evaluate
from capstone.evaluation.evaluate import baseline_predictions


@pytest.mark.parametrize("problem", ["regression", "binary"])
def test_boosting_on_thousands_of_inputs_takes_little_memory_and_predicts_the_same(
    monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    """It keeps a sum for each bin of each input for each leaf: with 20,000 inputs these were gigabytes."""
    name = "HistGradientBoosting" + ("Regressor" if problem == "regression" else "Classifier")
    model, bins = getattr(evaluate, name), []

    def spy(max_bins: int, random_state: int) -> object:
        bins.append(max_bins)
        return model(max_bins=max_bins, max_iter=1, random_state=random_state)

    monkeypatch.setattr(evaluate, name, spy)
    rng = np.random.default_rng(0)
    inputs = (rng.random((60, 6_000)) < 0.05).astype(np.float32)
    truth = (inputs[:, :5].sum(axis=1) > 0).astype(int)
    few = baseline_predictions(inputs[:, :200], truth, inputs[:, :200], problem, 1)
    many = baseline_predictions(inputs, truth, inputs, problem, 1)
    assert bins[0] == 255 and bins[1] * inputs.shape[1] <= 600_000
    kept = model(max_iter=1, random_state=1).fit(inputs[:, :200], truth)
    predict = kept.predict if problem == "regression" else kept.predict_proba
    np.testing.assert_array_equal(few["gradient_boosting"], predict(inputs[:, :200]))
    assert many["gradient_boosting"].shape == few["gradient_boosting"].shape
