"""What the scores alone don't say: trust, errors, reasons, groups and decisions. Called by evaluate()."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from capstone.core.decisions import as_prediction, interval_widths
from capstone.core.errors import CapstoneError
from capstone.core.files import write_csv
from capstone.core.settings import Settings
from capstone.evaluation.calibration import (
    LEVEL,
    calibration_error,
    choose_threshold,
    fit_intervals,
    judge_threshold,
    share,
)
from capstone.evaluation.decision_cost import what_would_have_happened
from capstone.evaluation.error_analysis import row_errors, worst_slices
from capstone.evaluation.evaluate import primary_metric
from capstone.evaluation.explanation import (
    affordable_rows,
    explain,
    permutation_importance,
    summary,
    values_table,
)
from capstone.training.model import TrainedModel
from capstone.training.temperature import losses

LARGEST_ERROR = 1e-3  # of the additivity of SHAP values, as a share of the predictions' spread


@dataclass(frozen=True)
class Part:
    """Rows with what is true and what was predicted of them, row by row.

    table  all columns after engineer(), the sensitive ones among them
    """

    table: pd.DataFrame
    truth: np.ndarray
    prediction: np.ndarray


@dataclass
class Evidence:
    """What evaluate() adds to metrics.json, to predictions.csv (columns), and as files of its own.

    known  what recommend_action is told of every row: see as_prediction()
    """

    metrics: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    files: dict[str, pd.DataFrame] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write the files into a run folder."""
        for name, table in self.files.items():
            if name.endswith(".csv"):
                write_csv(folder / name, table)
            else:
                table.to_parquet(folder / name, index=False)


def analyze(
    model: TrainedModel,
    settings: Settings,
    root: Path,
    train: tuple[np.ndarray, np.ndarray],
    validation: Part,
    test: Part,
) -> Evidence:
    """Choose on validation, measure on test.

    train  inputs and truth of the training part: the background of SHAP, and what is typical
    """
    found = Evidence()
    primary = primary_metric(settings.data.problem, settings.evaluation.primary_metric)
    known = found.known = _fit_on_validation(found, model, settings, validation, test, train[1])
    errors = row_errors(test.truth, test.prediction, settings.data.problem)
    features = test.table[list(dict.fromkeys(model.preprocessor.origins))]
    found.metrics["slices"] = {
        "measure": "mae" if settings.data.problem == "regression" else "share wrong",
        "all": {"rows": len(errors), "error": float(errors.mean())},
        "worst": worst_slices(test.table[_sliced(test.table, settings)], errors),
    }
    found.metrics["groups"] = _groups(found, model, settings, train, validation, test, known)
    if settings.evaluation.explained_rows:
        _explain(found, model, settings, train[0], features, test.truth, primary)
    predictions = as_prediction(model.target, test.prediction, known)
    decided, actions = what_would_have_happened(root, model.target, test.truth, predictions)
    found.metrics["decisions"] = decided
    found.columns["action"] = actions
    return found


def _fit_on_validation(
    found: Evidence,
    model: TrainedModel,
    settings: Settings,
    validation: Part,
    test: Part,
    train_truth: np.ndarray,
) -> dict[str, Any]:
    """Intervals, or calibration and threshold; returns what recommend_action is told of every row."""
    problem, classes = settings.data.problem, model.target.classes
    if problem == "regression":
        fitted = fit_intervals(validation.truth, validation.prediction)
        width = interval_widths(test.prediction, fitted)
        inside = share(np.abs(test.truth - test.prediction) <= width)
        found.metrics["intervals"] = {"level": LEVEL, **fitted, "coverage": inside}
        found.columns |= {"low": test.prediction - width, "high": test.prediction + width}
        return {"intervals": fitted, "typical": float(np.median(train_truth))}
    known: dict[str, Any] = {"typical": classes[int(np.bincount(train_truth).argmax())]}
    found.metrics["calibration"] = {
        "temperature": model.target.temperature,
        "log_loss": float(losses(test.truth, test.prediction).mean()),
        "ece": {
            name: calibration_error(test.truth == number, test.prediction[:, number])
            for number, name in enumerate(classes)
            if len(classes) > 2 or number == 1
        },
    }
    if problem == "binary":
        decision = settings.decision
        costs = (decision.cost_false_positive, decision.cost_false_negative)
        happened, probability = validation.truth == 1, validation.prediction[:, 1]
        threshold = choose_threshold(happened, probability, *costs)
        known |= {
            "positive": classes[1],
            "threshold": threshold,
            "cost_false_positive": costs[0],
            "cost_false_negative": costs[1],
        }
        judged = (test.truth == 1, test.prediction[:, 1])
        found.metrics["threshold"] = {
            "value": threshold,
            "chosen_on": "validation",
            "cost_false_positive": costs[0],
            "cost_false_negative": costs[1],
            "test": judge_threshold(*judged, threshold, costs),
            "test_at_half": judge_threshold(*judged, 0.5, costs),
        }
    return known


def _groups(
    found: Evidence,
    model: TrainedModel,
    settings: Settings,
    train: tuple[np.ndarray, np.ndarray],
    validation: Part,
    test: Part,
    known: dict[str, Any],
) -> dict[str, Any]:
    """How each sensitive column's groups fare, whether features betray them, what equality costs."""
    from capstone.evaluation.fairness import compare_groups, group_labels
    from capstone.evaluation.mitigation import equal_means, equal_thresholds, proxy_check

    data, classes, threshold = settings.data, model.target.classes, known.get("threshold")
    labels = group_labels(test.table, data.sensitive)
    calibrating = group_labels(validation.table, data.sensitive)
    result: dict[str, Any] = {}
    for name, its in labels.items():
        compared = compare_groups(
            its, test.truth, test.prediction, data.problem, classes, threshold
        )
        if name in data.sensitive:
            matrix = model.preprocessor.transform(validation.table)
            compared["proxy"] = proxy_check(calibrating[name], matrix, settings.seed)
        if "note" in compared:
            found.notes.append(f'groups of "{name}": {compared["note"]}')
        elif data.problem == "regression":
            compared["equal_treatment"] = equal_means(
                (validation.truth, validation.prediction, calibrating[name]),
                (test.truth, test.prediction, its),
            )
        else:
            # Of several classes: the one where the gap was found.
            number = classes.index(compared["finding"]["class"])
            compared["equal_treatment"] = equal_thresholds(
                (validation.truth == number, validation.prediction[:, number], calibrating[name]),
                (test.truth == number, test.prediction[:, number], its),
                0.5 if threshold is None else threshold,
                (settings.decision.cost_false_positive, settings.decision.cost_false_negative),
                settings.seed,
            )
        result[name] = compared
    return result


def _explain(
    found: Evidence,
    model: TrainedModel,
    settings: Settings,
    background: np.ndarray,
    features: pd.DataFrame,
    truth: np.ndarray,
    primary: str,
) -> None:
    """SHAP values and permutation importance of at most [evaluation] explained_rows test rows."""
    problem, seed = settings.data.problem, settings.seed
    origins, classes = model.preprocessor.origins, model.target.classes
    matrix, weights = model.preprocessor.transform(features), model.parameters()
    wanted = min(len(matrix), settings.evaluation.explained_rows)
    rows = affordable_rows(len(features.columns), weights, wanted)
    if not rows:
        found.notes.append(f"{len(features.columns):,} columns: too many to explain one by one")
        return
    chosen = np.sort(np.random.default_rng(seed).permutation(len(matrix))[:rows])
    explained = explain(model.predict_matrix, matrix[chosen], background, origins, seed, weights)
    if explained.error > LARGEST_ERROR:
        raise CapstoneError(
            f"The SHAP values of {len(chosen)} rows don't add up to the predictions (they are off by "
            f"{explained.error:.2g} of their spread): NeuralNetwork.forward() must give a row the same "
            "output whatever the other rows are."
        )
    importance = permutation_importance(
        model.predict_matrix, matrix, truth, origins, problem, primary, seed
    )
    found.metrics["explanation"] = {
        "rows": len(chosen),
        "method": explained.method,
        "additivity_error": explained.error,
        "base": explained.base.tolist(),
    }
    found.files["shap.csv"] = summary(explained, importance, classes)
    found.files["shap_values.parquet"] = values_table(explained, features.iloc[chosen], classes)


def _sliced(table: pd.DataFrame, settings: Settings) -> list[str]:
    """The columns whose slices are looked at: features and sensitive ones, at most 40."""
    data = settings.data
    return [name for name in table if name not in (data.target, data.id)][:40]
