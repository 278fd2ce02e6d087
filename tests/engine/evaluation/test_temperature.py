"""The temperature: it undoes too much confidence, and leaves right probabilities alone."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from capstone.evaluation.calibration import calibration_error, fit_temperature
from capstone.training.target import rescale
from tests.support.events import HAPPENED, PROBABILITY, SCORE, two_classes


def test_the_temperature_undoes_too_much_confidence_and_leaves_the_rest_alone() -> None:
    truth = HAPPENED.astype(int)
    assert fit_temperature(truth, two_classes(PROBABILITY), 1) == 1.0
    too_sure = two_classes(expit(3 * SCORE))
    assert fit_temperature(truth, too_sure, 1) == pytest.approx(3, rel=0.1)
    mended = rescale(too_sure, 3.0)
    np.testing.assert_allclose(mended, two_classes(PROBABILITY), atol=1e-6)
    before, after = (calibration_error(HAPPENED, p[:, 1]) for p in (too_sure, mended))
    assert before > 0.1 > 0.03 > after


def test_the_likeliest_of_several_classes_stays_the_likeliest() -> None:
    probabilities = softmax(np.random.default_rng(1).normal(size=(300, 4)), axis=1)
    for temperature in (0.3, 1.0, 5.0):
        rescaled = rescale(probabilities, temperature)
        assert (rescaled.argmax(axis=1) == probabilities.argmax(axis=1)).all()
        np.testing.assert_allclose(rescaled.sum(axis=1), 1)
