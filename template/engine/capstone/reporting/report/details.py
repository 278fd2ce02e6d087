"""The details for readers with statistics: scores, curves, calibration, residuals, training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from capstone.core.text import MODELS, count, number, short
from capstone.evaluation.calibration import calibration_table
from capstone.evaluation.error_analysis import (
    confusion,
    error_by_decile,
    precision_points,
    roc_points,
)
from capstone.reporting import charts
from capstone.reporting.rendering import Chart
from capstone.reporting.report.sentences import MEANINGS, METRIC_NAMES, better
from capstone.runs.results import RunResults

MOST_CURVES = len(charts.COLOURS)  # of one chart
MOST_BARS = 12
MOST_POINTS = 40  # of a curve, in the numbers behind its chart
# What metrics.json keeps of a threshold, in the words of the report, and how the number is written.
AT_A_THRESHOLD = {
    "true_positives": ("found (true positives)", ".0f"),
    "false_negatives": ("missed (false negatives)", ".0f"),
    "false_positives": ("false alarms (false positives)", ".0f"),
    "true_negatives": ("correctly left alone (true negatives)", ".0f"),
    "recall": ("recall: share of the cases that are found", ".3f"),
    "precision": ("precision: share of the alarms that are right", ".3f"),
    "cost": ("cost", ".3g"),
}


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
                "metric": f"{METRIC_NAMES[name]}: {MEANINGS[name]}; {better(name)} is better",
                MODELS["model"]: number(score["value"]),
                "95% interval": f"{number(score['low'])} to {number(score['high'])}",
                **{
                    MODELS[other]: number(scores[name]["value"])
                    for other, scores in metrics["baselines"].items()
                },
                "on validation rows": number(metrics["validation"][name]),
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
        "errors": _errors(residuals, name),
        "deciles": _error_by_decile(deciles),
    }


def _errors(residuals: np.ndarray, name: str) -> Chart:
    """How the errors are spread."""
    half = float(np.median(np.abs(residuals)))
    quantiles = [0.05, 0.25, 0.5, 0.75, 0.95]
    return Chart(
        f"Half of the predictions are off by less than {short(half)}",
        charts.histogram({name: residuals}, "errors", ("prediction minus truth", "test rows")),
        pd.DataFrame(
            {"share of the rows": quantiles, "error below": np.quantile(residuals, quantiles)}
        ),
    )


def _error_by_decile(deciles: pd.DataFrame) -> Chart:
    """Whether large predictions err more than small ones."""
    ranges = deciles[["lowest prediction", "highest prediction"]].to_numpy()
    labels = [f"{short(low)} to {short(high)}" for low, high in ranges]
    errors = deciles["mean absolute error"].set_axis(labels)
    return Chart(
        f"Errors are largest where {labels[errors.argmax()]} is predicted",
        charts.bars(errors, "deciles", "average error"),
        deciles,
    )


def _class_charts(results: RunResults) -> dict[str, Chart]:
    """Of two classes the curves of the second, else those of the first ones."""
    truth, prediction, classes = results.truth(), results.prediction(), results.target.classes
    model, errors = results.metrics["model"], results.metrics["calibration"]["ece"]
    numbers = [1] if len(classes) == 2 else range(min(len(classes), MOST_CURVES))
    rows = {classes[number]: (truth == number, prediction[:, number]) for number in numbers}
    roc = {name: roc_points(*of_class) for name, of_class in rows.items()}
    precision = {name: precision_points(*of_class) for name, of_class in rows.items()}
    calibration = {name: calibration_table(*of_class) for name, of_class in rows.items()}
    worst = max(errors, key=lambda name: errors[name])
    return {
        "confusion": _confusion(results),
        "errors": _errors_by_class(results),
        "roc": Chart(
            f"ROC curve: the area under it is {model['roc_auc']['value']:.3f}, guessing gives 0.5",
            charts.lines(
                _curves(roc, "false positive rate", "true positive rate"),
                "roc",
                ("false alarms among the others", "recall: cases found"),
                ideal="guessing",
            ),
            _stacked(roc),
        ),
        "precision": Chart(
            f"Precision and recall: the area under the curve is {model['pr_auc']['value']:.3f}",
            charts.lines(
                _curves(precision, "recall", "precision"),
                "precision",
                ("recall: cases found", "precision: alarms that are right"),
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


def _confusion(results: RunResults) -> Chart:
    """The matrix of what is decided for: of two classes at the threshold of decisions, else the likeliest."""
    counts = confusion(results.truth(), results.decided(), results.target.classes)
    wrong = counts.mask(np.eye(len(counts), dtype=bool))
    true, predicted = wrong.stack().idxmax()
    title = f'Most often confused: true "{true}" predicted as "{predicted}"'
    if not np.nansum(wrong.to_numpy()):
        title = "No row is classified wrongly"
    return Chart(title, charts.confusion_grid(counts, "confusion"), counts.reset_index())


def _errors_by_class(results: RunResults) -> Chart:
    """Which of the true classes are missed most."""
    truth, classes = results.truth(), results.target.classes
    wrong = pd.Series((results.decided() != truth).astype(float))
    shares = wrong.groupby(truth).mean().reindex(range(len(classes))).set_axis(classes).dropna()
    worst = shares.sort_values(ascending=False, kind="stable").head(MOST_BARS)
    return Chart(
        f'Of those that are "{worst.index[0]}", {worst.iloc[0]:.0%} are classified wrongly',
        charts.bars(worst, "errors", "share classified wrongly"),
        worst.rename_axis("true class").reset_index(name="share classified wrongly"),
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
    chosen, half = threshold["test"], threshold["test_at_half"]
    return pd.DataFrame(
        [
            {
                "on the test rows": words,
                "at the threshold": number(chosen[name], form),
                "at 0.5": number(half[name], form),
            }
            for name, (words, form) in AT_A_THRESHOLD.items()
        ]
    )


def _training(results: RunResults) -> Chart:
    """The losses, with the place where the drawn validation loss is lowest."""
    history, info = results.history, results.run.info
    lowest = int(history.loc[history["validation_loss"].idxmin(), "epoch"])
    drawing = charts.lines(
        {
            "training rows": (history["epoch"], history["train_loss"]),
            "validation rows": (history["epoch"], history["validation_loss"]),
        },
        "history",
        ("epoch", "loss"),
        marked=(f"lowest: epoch {lowest}", lowest),
        by_factors=True,
    )
    title = f"Training ended after {count(info['epochs'], 'epoch')}; the validation loss is lowest at epoch {lowest}"
    numbers = _thinned(history).rename(columns=lambda name: str(name).replace("_", " "))
    return Chart(title, drawing, numbers)
