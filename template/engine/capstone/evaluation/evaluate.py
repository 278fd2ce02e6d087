"""How good the model is on rows it never saw, how sure that is, and whether simpler models do as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from capstone.core.errors import CapstoneError, did_you_mean
from capstone.evaluation.metrics import LOWER_IS_BETTER, METRICS

INTERVAL = (2.5, 97.5)  # percentiles of the bootstrap: a 95% interval
BINS = (15, 255)  # that boosting sorts each input's values into: at least and at most,
MOST_BINS = 510_000  # and in all, for it keeps that many sums for each leaf of a tree
ROWS_FOR_THREADS = 200_000  # boosted trees of fewer rows are quickest with one thread
MOST_WEIGHTS = 2_000_000  # numbers held at once by the bootstrap: 16 MB, near the processor's cache


def primary_metric(problem: str, name: str = "auto") -> str:
    """The metric that decides: as set, or the first of the problem's metrics."""
    known = list(METRICS[problem])
    if name != "auto" and name not in known:
        raise CapstoneError(
            f'[evaluation] primary_metric "{name}" does not suit a {problem} problem'
            f"{did_you_mean(name, known)}"
        )
    return known[0] if name == "auto" else name


def scorer(problem: str, metric: str) -> Callable[[np.ndarray, np.ndarray], float]:
    """A metric as a score of truth and prediction that is higher for a better model."""
    function, sign = METRICS[problem][metric], -1 if metric in LOWER_IS_BETTER else 1

    def score(truth: np.ndarray, prediction: np.ndarray) -> float:
        return sign * float(function(truth, prediction, np.ones((1, len(truth))))[0])

    return score


def baseline_predictions(
    inputs: np.ndarray, truth: np.ndarray, others: np.ndarray, problem: str, seed: int
) -> dict[str, np.ndarray]:
    """What three simpler models predict.

    Parameters
    ----------
    inputs, truth : ndarray, shape (rows, columns) and (rows,)
        The network's training rows, which they are fitted on.
    others : ndarray, shape (other rows, columns)
        The rows to predict.
    problem : str
        "regression", "binary" or "multiclass".
    seed : int
        Decides everything random in them.

    Returns
    -------
    dict of str to ndarray
        By name ("dummy", "linear", "gradient_boosting"): numbers of shape (other rows,), or probabilities of
        shape (other rows, classes).
    """
    # Of thousands of inputs most are ones and zeros, which two bins would hold; 255 take gigabytes.
    bins = int(np.clip(MOST_BINS // inputs.shape[1], *BINS))
    models: dict[str, BaseEstimator]
    if problem == "regression":
        models = {
            "dummy": DummyRegressor(),  # always the mean
            "linear": Ridge(),
            "gradient_boosting": HistGradientBoostingRegressor(max_bins=bins, random_state=seed),
        }
    else:
        models = {
            "dummy": DummyClassifier(),  # always the classes' shares
            "linear": LogisticRegression(max_iter=2000),
            "gradient_boosting": HistGradientBoostingClassifier(max_bins=bins, random_state=seed),
        }
    # Several threads grow the same trees, but wait for one another after each node: on a machine that has other work
    # too, for twenty times as long as they compute.
    threads = 1 if len(inputs) < ROWS_FOR_THREADS else None
    with threadpool_limits(threads, user_api="openmp"):
        fitted = {name: model.fit(inputs, truth) for name, model in models.items()}
        if problem == "regression":
            return {name: model.predict(others) for name, model in fitted.items()}
        return {name: model.predict_proba(others) for name, model in fitted.items()}


def evaluate_model(
    truth: np.ndarray,
    predictions: dict[str, np.ndarray],
    problem: str,
    primary: str,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Metrics with 95% intervals for each model, and whether the network beats each of the others.

    Every model is measured on the same resamples, so that a difference is judged pair by pair.

    Parameters
    ----------
    truth : ndarray, shape (rows,)
        Numbers, or the number of each row's class.
    predictions : dict of str to ndarray
        By model; "model" is the network, the others are baselines. Numbers of shape (rows,), or probabilities of
        shape (rows, classes).
    problem : str
        "regression", "binary" or "multiclass".
    primary : str
        The metric that decides who beats whom.
    resamples : int
        Draws of the bootstrap.
    seed : int
        Decides which rows are drawn.

    Returns
    -------
    dict
        `model` and `baselines`: each metric with `value`, `low` and `high`; `beats`: for each baseline "better",
        "worse" or "undecided".
    """
    values = {name: point_metrics(truth, p, problem) for name, p in predictions.items()}
    samples = _bootstrap(truth, predictions, problem, resamples, seed)
    scores = {
        name: {
            metric: _with_interval(values[name][metric], samples[name][metric])
            for metric in METRICS[problem]
        }
        for name in predictions
    }
    model = scores.pop("model")
    sign = -1 if primary in LOWER_IS_BETTER else 1
    lead = {name: sign * (samples["model"][primary] - samples[name][primary]) for name in scores}
    return {
        "problem": problem,
        "primary_metric": primary,
        "higher_is_better": primary not in LOWER_IS_BETTER,
        "model": model,
        "baselines": scores,
        "beats": {name: verdict(difference) for name, difference in lead.items()},
    }


def point_metrics(truth: np.ndarray, prediction: np.ndarray, problem: str) -> dict[str, float]:
    """Each metric of the problem on these rows."""
    once = np.ones((1, len(truth)))
    return {
        name: float(metric(truth, prediction, once)[0]) for name, metric in METRICS[problem].items()
    }


def verdict(lead: np.ndarray) -> str:
    """`better` or `worse` when the 95% interval of the lead leaves out zero, else `undecided`."""
    low, high = np.nanpercentile(lead, INTERVAL)
    return "better" if low > 0 else "worse" if high < 0 else "undecided"


def _bootstrap(
    truth: np.ndarray, predictions: dict[str, np.ndarray], problem: str, resamples: int, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """Each model's metrics on `resamples` draws of the rows with replacement."""
    generator = np.random.default_rng(seed)
    rows = len(truth)
    block = max(1, MOST_WEIGHTS // rows)
    samples: dict[str, dict[str, list[np.ndarray]]] = {
        name: {metric: [] for metric in METRICS[problem]} for name in predictions
    }
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        weights = generator.multinomial(rows, np.full(rows, 1 / rows), size=size).astype(float)
        for name, prediction in predictions.items():
            for metric, function in METRICS[problem].items():
                samples[name][metric].append(function(truth, prediction, weights))
    return {
        name: {metric: np.concatenate(parts) for metric, parts in by_metric.items()}
        for name, by_metric in samples.items()
    }


def _with_interval(value: float, samples: np.ndarray) -> dict[str, float]:
    low, high = np.nanpercentile(samples, INTERVAL)
    return {"value": value, "low": float(low), "high": float(high)}
