"""Two questions that follow: can the group be told from the features, and what would equal treatment cost?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_predict

from capstone.evaluation.fairness import FEWEST, parity

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
    guessed = cross_val_predict(model, matrix[kept], truth, cv=FOLDS)
    score = float(balanced_accuracy_score(truth, guessed))
    chance = 1 / len(known)
    # A third of the way from chance to certainty: far beyond noise, and enough to act as the column would.
    return {"score": score, "chance": chance, "proxy": score > chance + (1 - chance) / 3}


class _Given(ClassifierMixin, BaseEstimator):
    """The network as scikit-learn sees it: its one input is the probability already."""

    def fit(self, inputs: np.ndarray, truth: np.ndarray) -> _Given:
        return self

    def predict_proba(self, inputs: np.ndarray) -> np.ndarray:
        return np.column_stack([1 - inputs[:, 0], inputs[:, 0]])

    def __sklearn_is_fitted__(self) -> bool:
        return True


def equal_thresholds(
    validation: tuple[np.ndarray, np.ndarray, pd.Series],
    test: tuple[np.ndarray, np.ndarray, pd.Series],
    threshold: float,
    costs: tuple[float, float],
    seed: int,
) -> list[dict[str, Any]]:
    """fairlearn's ThresholdOptimizer: a threshold per group, fitted on validation, measured on test.

    validation, test  whether it happened, its probability, and the group, of each row
    costs             of a false positive and of a false negative
    Returns accuracy, cost and gaps as it is, at 0.5 and under each constraint; nothing where groups are too
    few. ThresholdOptimizer aims at accuracy, so 0.5 is what it is to be compared with.
    """
    happened, probability, labels = validation
    both = pd.Series(happened).groupby(labels.to_numpy()).agg(["size", "nunique"])
    usable = set(both.index[(both["size"] >= FEWEST) & (both["nunique"] == 2)])
    groups, test_groups = (_merged(each, usable) for each in (labels, test[2]))
    if len(usable) < 2 or (OTHER in groups and len(set(happened[groups == OTHER])) < 2):
        return []
    kept = np.isin(test_groups, list(set(groups)))
    truth, score, judged = test[0][kept], test[1][kept], test_groups[kept]

    def line(name: str, chosen: np.ndarray) -> dict[str, Any]:
        return {
            "rule": name,
            "accuracy": float((chosen == truth).mean()),
            "cost": float((chosen & ~truth).sum() * costs[0] + (~chosen & truth).sum() * costs[1]),
            "selection_rate": float(chosen.mean()),
            **parity(truth, chosen, judged),
        }

    lines = [line("as it is", score >= threshold), line("0.5 for all", score >= 0.5)]
    for constraint in CONSTRAINTS:
        rule = ThresholdOptimizer(
            estimator=_Given(), constraints=constraint, prefit=True, predict_method="predict_proba"
        )
        rule.fit(probability[:, None], happened, sensitive_features=groups)
        chosen = rule.predict(score[:, None], sensitive_features=judged, random_state=seed)
        lines.append(line(constraint, np.asarray(chosen).astype(bool)))
    return lines


def equal_means(
    validation: tuple[np.ndarray, np.ndarray, pd.Series],
    test: tuple[np.ndarray, np.ndarray, pd.Series],
) -> list[dict[str, Any]]:
    """The same for numbers: add each group's mean validation residual to its predictions."""
    truth, prediction, labels = validation
    residuals = pd.Series(truth - prediction).groupby(labels.to_numpy())
    shift = residuals.mean()[residuals.size() >= FEWEST]
    lines = []
    groups = test[2].to_numpy()
    judged = [name for name, rows in test[2].value_counts().items() if rows >= FEWEST]
    for rule, said in {
        "as it is": test[1],
        "mean of each group": test[1] + pd.Series(groups).map(shift).fillna(0).to_numpy(),
    }.items():
        means = [(test[0] - said)[groups == name].mean() for name in judged]
        gap = float(max(means) - min(means)) if means else float("nan")
        lines.append(
            {
                "rule": rule,
                "mae": float(np.abs(test[0] - said).mean()),
                "mean_residual_difference": gap,
            }
        )
    return lines


def _merged(labels: pd.Series, usable: set[str]) -> np.ndarray:
    """Groups that are too small, or of one class alone, become one."""
    return labels.where(labels.isin(usable), OTHER).to_numpy()
