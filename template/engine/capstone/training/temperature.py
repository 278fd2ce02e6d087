"""Temperature: probabilities made less sure, or surer, where the held-out rows say that it helps."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

FOLDS = 5


def rescale(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Less sure (temperature above 1) or surer probabilities; which class is likeliest stays."""
    if temperature == 1:
        return probabilities
    return softmax(np.log(np.clip(probabilities, 1e-12, 1)) / temperature, axis=1)


def fit_temperature(truth: np.ndarray, probabilities: np.ndarray, seed: int) -> float:
    """The temperature with the lowest log loss, or 1 where rows kept out of the fit don't gain by it."""
    fold = np.random.default_rng(seed).permutation(len(truth)) % FOLDS
    gain = np.zeros(len(truth))
    for number in range(FOLDS):
        kept = fold == number
        temperature = _best_temperature(truth[~kept], probabilities[~kept])
        after = losses(truth[kept], rescale(probabilities[kept], temperature))
        gain[kept] = losses(truth[kept], probabilities[kept]) - after
    # A gain smaller than its own standard error may be chance: then leave the network as it is.
    helps = gain.mean() > gain.std() / np.sqrt(len(gain))
    return _best_temperature(truth, probabilities) if helps else 1.0


def losses(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """-log(probability given to the true class), for each row."""
    return -np.log(np.clip(probabilities[np.arange(len(truth)), truth], 1e-12, 1))


def _best_temperature(truth: np.ndarray, probabilities: np.ndarray) -> float:
    def loss(log_temperature: float) -> float:
        return float(losses(truth, rescale(probabilities, np.exp(log_temperature))).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))
