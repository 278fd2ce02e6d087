"""The details for readers with statistics: scores, curves, calibration, residuals, training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from capstone.core.text import MODELS
from capstone.evaluation.calibration import calibration_table
from capstone.evaluation.error_analysis import (
    confusion,
    error_by_decile,
    precision_points,
    roc_points,
)
from capstone.reporting import charts
from capstone.reporting.rendering import Chart, short
from capstone.reporting.report.sentences import MEANINGS, better, temperature_sentence
from capstone.runs.results import RunResults

MOST_CURVES = 7  # of one chart
MOST_POINTS = 40  # of a curve, in the numbers behind its chart
ENDS = pd.Series([0.0, 1.0])


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


def _regression_charts(results: RunResults) -> list[Chart]:
    truth, prediction, name = results.truth(), results.prediction(), results.target.name
    deciles = error_by_decile(truth, prediction)
    residuals = prediction - truth
    mean = residuals.mean()
    summary = pd.Series(residuals).describe().rename_axis("of prediction minus truth")
    return [
        Chart(
            f"Predictions follow the truth, off by {short(results.metrics['model']['mae']['value'])} on average",
            charts.scatter(
                truth, prediction, "truth", (f"true {name}", f"predicted {name}"), diagonal=True
            ),
            deciles,
        ),
        Chart(
            f"Errors are {short(abs(mean))} too {'high' if mean > 0 else 'low'} on average",
            charts.scatter(
                prediction,
                residuals,
                "residuals",
                (f"predicted {name}", "prediction minus truth"),
            ),
            summary.reset_index(name="value"),
        ),
        _error_by_decile(deciles),
    ]


def _error_by_decile(deciles: pd.DataFrame) -> Chart:
    """Whether large predictions err more than small ones."""
    errors = deciles["mean absolute error"].set_axis(
        [
            f"{short(low)} to {short(high)}"
            for low, high in deciles[["lowest prediction", "highest prediction"]].to_numpy()
        ]
    )
    return Chart(
        f"Errors are largest where {errors.index[errors.argmax()]} is predicted",
        charts.bars(errors, "deciles", "average error in each tenth of the predictions"),
        deciles,
    )


def _class_charts(results: RunResults) -> list[Chart]:
    """Of two classes the curves of the second, else those of the first seven."""
    truth, prediction, classes = results.truth(), results.prediction(), results.target.classes
    shown = classes[1:] if len(classes) == 2 else classes[:MOST_CURVES]
    happened = {name: truth == classes.index(name) for name in shown}
    probability = {name: prediction[:, classes.index(name)] for name in shown}
    return [
        _confusion(confusion(truth, prediction.argmax(axis=1), classes)),
        _roc(results, happened, probability),
        _precision(results, happened, probability),
        _calibration(results, happened, probability),
    ]


def _confusion(counts: pd.DataFrame) -> Chart:
    wrong = counts.mask(np.eye(len(counts), dtype=bool))
    true, predicted = wrong.stack().idxmax()
    return Chart(
        f'Most often confused: true "{true}" predicted as "{predicted}"',
        charts.confusion_grid(counts, "confusion"),
        counts.reset_index(),
        "Named is what is most probable, whatever a mistake costs.",
    )


def _roc(
    results: RunResults, happened: dict[str, np.ndarray], probability: dict[str, np.ndarray]
) -> Chart:
    points = {name: roc_points(happened[name], probability[name]) for name in happened}
    area = results.metrics["model"]["roc_auc"]["value"]
    return Chart(
        f"ROC curve: the area under it is {area:.3f}, guessing gives 0.5",
        charts.lines(
            _curves(points, "false positive rate", "true positive rate")
            | {"(guessing)": (ENDS, ENDS)},
            "roc",
            ("false alarms among the others", "found among the true ones"),
        ),
        _stacked(points),
    )


def _precision(
    results: RunResults, happened: dict[str, np.ndarray], probability: dict[str, np.ndarray]
) -> Chart:
    points = {name: precision_points(happened[name], probability[name]) for name in happened}
    area = results.metrics["model"]["pr_auc"]["value"]
    return Chart(
        f"Precision and recall: the area under the curve is {area:.3f}",
        charts.lines(
            _curves(points, "recall", "precision"),
            "precision",
            ("recall: found among the true ones", "precision: right among the named"),
        ),
        _stacked(points),
    )


def _calibration(
    results: RunResults, happened: dict[str, np.ndarray], probability: dict[str, np.ndarray]
) -> Chart:
    points = {name: calibration_table(happened[name], probability[name]) for name in happened}
    calibration = results.metrics["calibration"]
    worst, error = max(calibration["ece"].items(), key=lambda item: item[1])
    return Chart(
        f'Probabilities of "{worst}" are off by {error * 100:.1f} percentage points on average',
        charts.lines(
            _curves(points, "said", "happened") | {"(right)": (ENDS, ENDS)},
            "calibration",
            ("predicted probability", "how often it happened"),
        ),
        _stacked(points),
        temperature_sentence(calibration["temperature"]),
    )


def _curves(
    points: dict[str, pd.DataFrame], x: str, y: str
) -> dict[str, tuple[pd.Series, pd.Series]]:
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
    return Chart(title, drawing, _thinned(history), info["ended"])
