"""Two questions that follow: can the group be told from the features, and what would equal treatment cost?"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_predict

from capstone.core.settings import Decision, Settings
from capstone.evaluation.fairness import FEWEST, GroupedRows, parity

MOST_ROWS, FOLDS = 2000, 3
OTHER = "(other)"
CONSTRAINTS = ("demographic_parity", "equalized_odds")


def proxy_check(labels: pd.Series, matrix: np.ndarray, seed: int) -> dict[str, Any] | None:
    """How well the group is predicted from the features: balanced accuracy, and what chance gives.

    Where it is well above chance, leaving the column out does not make the network blind to it.
    """
    sizes = labels.value_counts()
    known = [name for name in sizes.index[:10] if sizes[name] >= FEWEST]
    kept = np.flatnonzero(labels.isin(known).to_numpy())
    if len(known) < 2:
        return None
    kept = np.sort(np.random.default_rng(seed).permutation(kept)[:MOST_ROWS])
    # As whole numbers: scikit-learn stumbles over groups that are called "1" and "2".
    truth = pd.factorize(labels.to_numpy()[kept], sort=True)[0]
    model = RandomForestClassifier(
        n_estimators=25, min_samples_leaf=10, class_weight="balanced", random_state=seed
    )
    guesses = cross_val_predict(model, matrix[kept], truth, cv=FOLDS)
    score = float(balanced_accuracy_score(truth, guesses))
    chance = 1 / len(known)
    # A third of the way from chance to certainty: far beyond noise, and enough to act as the column would.
    return {"score": score, "chance": chance, "proxy": score > chance + (1 - chance) / 3}


class _Probabilities(ClassifierMixin, BaseEstimator):
    """The network as scikit-learn sees it: its one input is the probability already."""

    def fit(self, inputs: np.ndarray, truth: np.ndarray) -> _Probabilities:
        return self

    def predict_proba(self, inputs: np.ndarray) -> np.ndarray:
        return np.column_stack([1 - inputs[:, 0], inputs[:, 0]])

    def __sklearn_is_fitted__(self) -> bool:
        return True


def equal_treatment(
    validation: GroupedRows, test: GroupedRows, threshold: float | None, settings: Settings
) -> list[dict[str, Any]]:
    """What equal treatment of the groups would cost: chosen on validation rows, measured on test rows.

    Parameters
    ----------
    validation, test : GroupedRows
        Predictions are numbers, or the probabilities of one class.
    threshold : float or None
        Binary problems: the probability from which on the decision is "yes".
    settings : Settings
        The problem, the costs of wrong decisions, and the seed.

    Returns
    -------
    list of dict
        One line for each rule: its name, how good it is, and the gaps that it leaves. Empty where groups are too few.
    """
    if settings.data.problem == "regression":
        return equal_means(validation, test)
    at = 0.5 if threshold is None else threshold
    return equal_thresholds(validation, test, at, settings.decision, settings.seed)


def equal_thresholds(
    validation: GroupedRows, test: GroupedRows, threshold: float, costs: Decision, seed: int
) -> list[dict[str, Any]]:
    """fairlearn's ThresholdOptimizer: a threshold per group, fitted on validation, measured on test.

    Accuracy, cost and gaps as it is, at 0.5 and under each constraint; nothing where groups are too few.
    ThresholdOptimizer aims at accuracy, so 0.5 is what it is to be compared with.
    """
    happened, labels = validation.truth, validation.groups
    both = pd.Series(happened).groupby(labels.to_numpy()).agg(["size", "nunique"])
    usable = set(both.index[(both["size"] >= FEWEST) & (both["nunique"] == 2)])
    groups = _merged(labels, usable)
    if len(usable) < 2 or (OTHER in groups and len(set(happened[groups == OTHER])) < 2):
        return []
    test = replace(test, groups=pd.Series(_merged(test.groups, usable)))
    test = test.where(test.groups.isin(set(groups)))
    score = test.prediction
    lines = [
        _line("as it is", test, score >= threshold, costs),
        _line("0.5 for all", test, score >= 0.5, costs),
    ]
    for constraint in CONSTRAINTS:
        rule = ThresholdOptimizer(
            estimator=_Probabilities(),
            constraints=constraint,
            prefit=True,
            predict_method="predict_proba",
        )
        rule.fit(validation.prediction[:, None], happened, sensitive_features=groups)
        chosen = rule.predict(
            score[:, None], sensitive_features=test.groups.to_numpy(), random_state=seed
        )
        lines.append(_line(constraint, test, np.asarray(chosen).astype(bool), costs))
    return lines


def _line(name: str, rows: GroupedRows, chosen: np.ndarray, costs: Decision) -> dict[str, Any]:
    """What a rule comes to that has chosen these of the rows."""
    happened = rows.truth
    alarms, missed = (chosen & ~happened).sum(), (~chosen & happened).sum()
    return {
        "rule": name,
        "accuracy": float((chosen == happened).mean()),
        "cost": float(alarms * costs.cost_false_positive + missed * costs.cost_false_negative),
        "selection_rate": float(chosen.mean()),
        **parity(happened, chosen, rows.groups.to_numpy()),
    }


def equal_means(validation: GroupedRows, test: GroupedRows) -> list[dict[str, Any]]:
    """The same for numbers: add each group's mean validation residual to its predictions."""
    residuals = pd.Series(validation.truth - validation.prediction)
    by_group = residuals.groupby(validation.groups.to_numpy())
    shift = by_group.mean()[by_group.size() >= FEWEST]
    groups = test.groups.to_numpy()
    large = [name for name, rows in test.groups.value_counts().items() if rows >= FEWEST]
    predictions = {
        "as it is": test.prediction,
        "mean of each group": test.prediction + pd.Series(groups).map(shift).fillna(0).to_numpy(),
    }
    lines = []
    for rule, prediction in predictions.items():
        residual = test.truth - prediction
        means = [residual[groups == name].mean() for name in large]
        lines.append(
            {
                "rule": rule,
                "mae": float(np.abs(residual).mean()),
                "mean_residual_difference": float(max(means) - min(means)) if means else math.nan,
            }
        )
    return lines


def _merged(labels: pd.Series, usable: set[str]) -> np.ndarray:
    """Groups that are too small, or of one class alone, become one."""
    return labels.where(labels.isin(usable), OTHER).to_numpy()
