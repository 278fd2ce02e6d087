"""The details for readers with statistics: scores, curves, calibration, residuals, training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from capstone.core.text import MODELS, short
from capstone.evaluation.calibration import calibration_table
from capstone.evaluation.error_analysis import (
    confusion,
    error_by_decile,
    precision_points,
    roc_points,
)
from capstone.reporting import charts
from capstone.reporting.rendering import Chart
from capstone.reporting.report.sentences import MEANINGS, better
from capstone.runs.results import RunResults

MOST_CURVES = 7  # of one chart
MOST_POINTS = 40  # of a curve, in the numbers behind its chart


def details(results: RunResults) -> dict[str, object]:
    """What the section "The details" shows."""
    regression = results.problem == "regression"
    return {
        "scores": _scores(results),
        "diagnostics": _regression_charts(results) if regression else _class_charts(results),
        "threshold_scores": _threshold_scores(results.metrics.get("threshold")),
        "training": _training(results),
    }


def _scores(results: RunResults) -> pd.DataFrame:
    metrics = results.metrics
    return pd.DataFrame(
        [
            {
                "metric": name,
                "meaning": MEANINGS[name],
                "better": better(name),
                MODELS["model"]: short(score["value"]),
                "95 % interval": f"{short(score['low'])} to {short(score['high'])}",
                **{
                    MODELS[other]: short(scores[name]["value"])
                    for other, scores in metrics["baselines"].items()
                },
                "validation": short(metrics["validation"][name]),
            }
            for name, score in metrics["model"].items()
        ]
    )


def _regression_charts(results: RunResults) -> dict[str, Chart]:
    truth, prediction, name = results.truth(), results.prediction(), results.target.name
    residuals, mae = prediction - truth, results.metrics["model"]["mae"]["value"]
    mean, deciles = residuals.mean(), error_by_decile(truth, prediction)
    summary = pd.Series(residuals).describe().rename_axis("of prediction minus truth")
    axes = (f"true {name}", f"predicted {name}")
    return {
        "predictions": Chart(
            f"Predictions follow the truth, off by {short(mae)} on average",
            charts.scatter(truth, prediction, "truth", axes, diagonal=True),
            deciles,
        ),
        "residuals": Chart(
            f"Errors are {short(abs(mean))} too {'high' if mean > 0 else 'low'} on average",
            charts.scatter(prediction, residuals, "residuals", (axes[1], "prediction minus truth")),
            summary.reset_index(name="value"),
        ),
        "deciles": _error_by_decile(deciles),
    }


def _error_by_decile(deciles: pd.DataFrame) -> Chart:
    """Whether large predictions err more than small ones."""
    ranges = deciles[["lowest prediction", "highest prediction"]].to_numpy()
    labels = [f"{short(low)} to {short(high)}" for low, high in ranges]
    errors = deciles["mean absolute error"].set_axis(labels)
    return Chart(
        f"Errors are largest where {labels[errors.argmax()]} is predicted",
        charts.bars(errors, "deciles", "average error in each tenth of the predictions"),
        deciles,
    )


def _class_charts(results: RunResults) -> dict[str, Chart]:
    """Of two classes the curves of the second, else those of the first seven."""
    truth, prediction, classes = results.truth(), results.prediction(), results.target.classes
    model, errors = results.metrics["model"], results.metrics["calibration"]["ece"]
    numbers = [1] if len(classes) == 2 else range(min(len(classes), MOST_CURVES))
    rows = {classes[number]: (truth == number, prediction[:, number]) for number in numbers}
    roc = {name: roc_points(*of_class) for name, of_class in rows.items()}
    precision = {name: precision_points(*of_class) for name, of_class in rows.items()}
    calibration = {name: calibration_table(*of_class) for name, of_class in rows.items()}
    worst = max(errors, key=lambda name: errors[name])
    return {
        "confusion": _confusion(confusion(truth, prediction.argmax(axis=1), classes)),
        "roc": Chart(
            f"ROC curve: the area under it is {model['roc_auc']['value']:.3f}, guessing gives 0.5",
            charts.lines(
                _curves(roc, "false positive rate", "true positive rate"),
                "roc",
                ("false alarms among the others", "found among the true ones"),
                ideal="guessing",
            ),
            _stacked(roc),
        ),
        "precision": Chart(
            f"Precision and recall: the area under the curve is {model['pr_auc']['value']:.3f}",
            charts.lines(
                _curves(precision, "recall", "precision"),
                "precision",
                ("recall: found among the true ones", "precision: right among the named"),
            ),
            _stacked(precision),
        ),
        "calibration": Chart(
            f'Probabilities of "{worst}" are off by {errors[worst] * 100:.1f} percentage points on average',
            charts.lines(
                _curves(calibration, "predicted", "happened"),
                "calibration",
                ("predicted probability", "how often it happened"),
                ideal="right",
            ),
            _stacked(calibration),
        ),
    }


def _confusion(counts: pd.DataFrame) -> Chart:
    wrong = counts.mask(np.eye(len(counts), dtype=bool))
    true, predicted = wrong.stack().idxmax()
    return Chart(
        f'Most often confused: true "{true}" predicted as "{predicted}"',
        charts.confusion_grid(counts, "confusion"),
        counts.reset_index(),
    )


def _curves(points: dict[str, pd.DataFrame], x: str, y: str) -> dict[str, charts.Curve]:
    return {name: (table[x], table[y]) for name, table in points.items()}


def _stacked(points: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Several curves as one table, thinned out."""
    thin = {name: _thinned(table) for name, table in points.items()}
    if len(thin) == 1:
        return next(iter(thin.values()))
    return pd.concat([table.assign(**{"class": name}) for name, table in thin.items()])


def _thinned(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[:: max(1, len(table) // MOST_POINTS)]


def _threshold_scores(threshold: dict[str, Any] | None) -> pd.DataFrame | None:
    """What acting from the threshold on comes to, beside 0.5; only of two classes."""
    if threshold is None:
        return None
    scores = {"at the threshold": threshold["test"], "at 0.5": threshold["test_at_half"]}
    return pd.DataFrame(scores).rename_axis("on the test rows").reset_index()


def _training(results: RunResults) -> Chart:
    history, info = results.history, results.run.info
    drawing = charts.lines(
        {
            "training rows": (history["epoch"], history["train_loss"]),
            "validation rows": (history["epoch"], history["validation_loss"]),
        },
        "history",
        ("epoch", "loss"),
    )
    title = f"Training ended after {info['epochs']} epochs; epoch {info['best_epoch']} was the best"
    return Chart(title, drawing, _thinned(history))
