"""Events whose probability is known: what trust, groups and thresholds are tested on."""

import numpy as np
from scipy.special import expit

_rng = np.random.default_rng(0)
SCORE = _rng.normal(size=4000)
PROBABILITY = expit(SCORE)
HAPPENED = _rng.random(4000) < PROBABILITY


def two_classes(probability: np.ndarray) -> np.ndarray:
    """The probabilities of "no" and of "yes", as a network gives them: shape (rows, 2)."""
    return np.column_stack([1 - probability, probability])
