"""What the scores alone don't say: trust, errors, reasons, groups and decisions. Called by evaluate().

Whatever is chosen is chosen on validation rows, and measured on the test part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from capstone.core.decisions import as_prediction, interval_widths
from capstone.core.errors import CapstoneError
from capstone.core.files import write_bytes, write_csv
from capstone.core.settings import Decision, Settings
from capstone.evaluation.calibration import (
    LEVEL,
    calibration_error,
    choose_threshold,
    fit_intervals,
    judge_threshold,
    losses,
    share,
)
from capstone.evaluation.decision_cost import cost_of_decisions
from capstone.evaluation.error_analysis import row_errors, worst_slices
from capstone.evaluation.evaluate import primary_metric, scorer
from capstone.evaluation.explanation import (
    Plan,
    affordable_rows,
    affordable_shuffles,
    explain,
    permutation_importance,
    summary,
    values_table,
)
from capstone.training.model import TrainedModel
from capstone.training.target import Target

LARGEST_ERROR = 1e-3  # of the additivity of SHAP values, as a share of the predictions' spread
MOST_SLICED = 40  # columns that the worst slices are looked for in


@dataclass(frozen=True)
class PredictedRows:
    """Some rows of the table, what is true of them, and what the network predicts.

    Parameters
    ----------
    table : DataFrame
        All columns after engineer(), the sensitive ones among them.
    truth : ndarray, shape (rows,)
        Numbers, or the number of each row's class.
    prediction : ndarray, shape (rows,) or (rows, classes)
        Numbers, or the probability of each class.
    """

    table: pd.DataFrame
    truth: np.ndarray
    prediction: np.ndarray


@dataclass
class Analysis:
    """What evaluate() adds to a run.

    Parameters
    ----------
    metrics : dict
        Further parts of metrics.json.
    columns : dict
        Further columns of predictions.csv.
    files : dict of str to DataFrame
        Further files of the run folder, by name.
    notes : list of str
        What to tell the student.
    context : dict
        What recommend_action is given with every row: see `as_prediction`.
    """

    metrics: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    files: dict[str, pd.DataFrame] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    context: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write the files into a run folder."""
        for name, table in self.files.items():
            if name.endswith(".csv"):
                write_csv(folder / name, table)
            else:
                write_bytes(folder / name, table.to_parquet(index=False))


def analyze(
    model: TrainedModel,
    settings: Settings,
    root: Path,
    train: tuple[np.ndarray, np.ndarray],
    validation: PredictedRows,
    test: PredictedRows,
) -> Analysis:
    """Choose on validation, measure on test.

    Parameters
    ----------
    model : TrainedModel
        The network with its preprocessing.
    settings : Settings
        Of this run.
    root : Path
        The project's folder: the student's decisions.py is in it.
    train : tuple of ndarray
        Inputs, shape (rows, inputs), and truth, shape (rows,), of the training part: the background of SHAP,
        and what is typical.
    validation : PredictedRows
        Rows that the network was not fitted on: intervals, thresholds and corrections are chosen here.
    test : PredictedRows
        Rows of the test part.

    Returns
    -------
    Analysis
        What to add to the run.

    Raises
    ------
    CapstoneError
        When the network or decisions.py gives what can't be used.
    """
    inputs, truth = train
    target, analysis = model.target, Analysis()
    if target.problem == "regression":
        analysis.context["typical"] = float(np.median(truth))
        _add_intervals(analysis, validation, test)
    else:
        analysis.context["typical"] = target.classes[int(np.bincount(truth).argmax())]
        _add_calibration(analysis, target, test)
    if target.problem == "binary":
        _add_threshold(analysis, target, settings.decision, validation, test)
    _add_slices(analysis, settings, test)
    _add_groups(analysis, model, settings, validation, test)
    if settings.evaluation.explained_rows:
        _add_explanation(analysis, model, settings, inputs, test)
    predictions = as_prediction(target, test.prediction, analysis.context)
    costs, actions = cost_of_decisions(root, target, test.truth, predictions)
    analysis.metrics["decisions"], analysis.columns["action"] = costs, actions
    return analysis


def _add_intervals(analysis: Analysis, validation: PredictedRows, test: PredictedRows) -> None:
    """How far a predicted number may be off, and how often the truth lies inside."""
    intervals = fit_intervals(validation.truth, validation.prediction)
    width = interval_widths(test.prediction, intervals)
    coverage = share(np.abs(test.truth - test.prediction) <= width)
    analysis.metrics["intervals"] = {"level": LEVEL, **intervals, "coverage": coverage}
    analysis.columns |= {"low": test.prediction - width, "high": test.prediction + width}
    analysis.context["intervals"] = intervals


def _add_calibration(analysis: Analysis, target: Target, test: PredictedRows) -> None:
    """How far the probabilities are those that come true; of two classes, the second one's."""
    analysis.metrics["calibration"] = {
        "temperature": target.temperature,
        "log_loss": float(losses(test.truth, test.prediction).mean()),
        "ece": {
            name: calibration_error(test.truth == number, test.prediction[:, number])
            for number, name in enumerate(target.classes)
            if len(target.classes) > 2 or number == 1
        },
    }


def _add_threshold(
    analysis: Analysis,
    target: Target,
    costs: Decision,
    validation: PredictedRows,
    test: PredictedRows,
) -> None:
    """From which probability on acting pays, and what it comes to."""
    threshold = choose_threshold(validation.truth == 1, validation.prediction[:, 1], costs)
    positive, probability = test.truth == 1, test.prediction[:, 1]
    analysis.context |= {
        "positive": target.classes[1],
        "threshold": threshold,
        **costs.model_dump(),
    }
    analysis.metrics["threshold"] = {
        "value": threshold,
        "chosen_on": "validation",
        **costs.model_dump(),
        "test": judge_threshold(positive, probability, threshold, costs),
        "test_at_half": judge_threshold(positive, probability, 0.5, costs),
    }


def _add_slices(analysis: Analysis, settings: Settings, test: PredictedRows) -> None:
    """Where the errors are largest: slices of the features and of the sensitive columns."""
    data = settings.data
    errors = row_errors(
        test.truth, test.prediction, data.problem, analysis.context.get("threshold")
    )
    columns = [name for name in test.table if name not in (data.target, data.id)][:MOST_SLICED]
    analysis.metrics["slices"] = {
        "measure": "mae" if data.problem == "regression" else "share wrong",
        "all": {"rows": len(errors), "error": float(errors.mean())},
        "worst": worst_slices(test.table[columns], errors),
    }


def _add_groups(
    analysis: Analysis,
    model: TrainedModel,
    settings: Settings,
    validation: PredictedRows,
    test: PredictedRows,
) -> None:
    """How each sensitive column's groups fare, whether features betray them, what equality costs."""
    # Not above: fairlearn takes seconds to import, and most tables have no sensitive column.
    from capstone.evaluation.fairness import GroupedRows, compare_groups, group_labels
    from capstone.evaluation.mitigation import equal_treatment, proxy_check

    sensitive, classes = settings.data.sensitive, model.target.classes
    threshold = analysis.context.get("threshold")
    validation_groups = group_labels(validation.table, sensitive)
    results: dict[str, Any] = {}
    for name, groups in group_labels(test.table, sensitive).items():
        rows = GroupedRows(groups, test.truth, test.prediction)
        result = results[name] = compare_groups(rows, classes, threshold)
        if name in sensitive:
            matrix = model.preprocessor.transform(validation.table)
            result["proxy"] = proxy_check(validation_groups[name], matrix, settings.seed)
        if "note" in result:
            analysis.notes.append(f'groups of "{name}": {result["note"]}')
            continue
        chosen_on = GroupedRows(validation_groups[name], validation.truth, validation.prediction)
        if classes:  # of several, the one where the gap was found
            number = classes.index(result["finding"]["class"])
            chosen_on, rows = chosen_on.of_class(number), rows.of_class(number)
        result["equal_treatment"] = equal_treatment(chosen_on, rows, threshold, settings)
    analysis.metrics["groups"] = results


def _add_explanation(
    analysis: Analysis,
    model: TrainedModel,
    settings: Settings,
    background: np.ndarray,
    test: PredictedRows,
) -> None:
    """SHAP values and permutation importance of at most [evaluation] explained_rows test rows."""
    seed, origins, classes = settings.seed, model.preprocessor.origins, model.target.classes
    features = test.table[list(dict.fromkeys(origins))]
    matrix, weights = model.preprocessor.transform(features), model.parameters()
    columns, wanted = len(features.columns), settings.evaluation.explained_rows
    rows = affordable_rows(columns, weights, len(matrix), wanted)
    if not rows:
        analysis.notes.append(f"{columns:,} columns: too many to explain one by one")
        return
    order = np.random.default_rng(seed).permutation(len(matrix))
    chosen = np.sort(order[:rows])
    plan = Plan.of(columns, len(chosen), weights)
    explanation = explain(model.predict_matrix, matrix[chosen], background, origins, seed, plan)
    if explanation.error > LARGEST_ERROR:
        raise CapstoneError(
            f"The SHAP values of {len(chosen)} rows don't add up to the predictions (they are off by "
            f"{explanation.error:.2g} of their spread): NeuralNetwork.forward() must give a row the same "
            "output whatever the other rows are."
        )
    problem = settings.data.problem
    score = scorer(problem, primary_metric(problem, settings.evaluation.primary_metric))
    asked = np.sort(order[: affordable_shuffles(columns, weights, rows)])
    importance = permutation_importance(
        model.predict_matrix, matrix[asked], test.truth[asked], origins, score, seed
    )
    analysis.metrics["explanation"] = {
        "rows": len(chosen),
        "method": explanation.method,
        "additivity_error": explanation.error,
        "base": explanation.base.tolist(),
    }
    analysis.files["shap.csv"] = summary(explanation, importance, classes)
    shown = features.iloc[chosen]
    analysis.files["shap_values.parquet"] = values_table(explanation, shown, classes)
