"""The report's details for readers with statistics: curves, calibration, residuals, training."""

from __future__ import annotations

import pandas as pd

from capstone.evaluation.calibration import calibration_table
from capstone.evaluation.error_analysis import (
    confusion,
    error_by_decile,
    precision_points,
    roc_points,
)
from capstone.reporting import charts
from capstone.reporting.pages import chart, scrolling, section, short, text
from capstone.reporting.report.sentences import MEANINGS, NAMES, better
from capstone.runs.results import Story


def details(story: Story) -> str:
    """All scores, then the charts of the problem, then how training went."""
    parts = [
        section(
            "The details", "Everything here is measured on the test rows unless it says otherwise."
        )
    ]
    parts.append(_scores(story))
    if story.problem == "regression":
        parts.append(_regression(story))
    else:
        parts.append(_classes(story))
    return "".join([*parts, _training(story)])


def _scores(story: Story) -> str:
    metrics = story.metrics
    table = pd.DataFrame(
        [
            {
                "metric": name,
                "meaning": MEANINGS[name],
                "better": better(name),
                NAMES["model"]: short(score["value"]),
                "95 % interval": f"{short(score['low'])} to {short(score['high'])}",
                **{
                    NAMES[other]: short(scores[name]["value"])
                    for other, scores in metrics["baselines"].items()
                },
                "validation": short(metrics["validation"][name]),
            }
            for name, score in metrics["model"].items()
        ]
    )
    return scrolling(table, "All scores")


def _regression(story: Story) -> str:
    truth, prediction = story.truth(), story.prediction()
    name, fitted = story.target.name, story.metrics["intervals"]
    deciles = error_by_decile(truth, prediction)
    worst = deciles.loc[deciles["mean absolute error"].idxmax()]
    inside = fitted["coverage"]
    low, high = short(worst["lowest prediction"]), short(worst["highest prediction"])
    residuals = pd.Series(prediction - truth).describe().rename_axis("of prediction minus truth")
    kept = "keep" if inside["low"] <= fitted["level"] <= inside["high"] else "do not keep"
    widths = " / ".join(short(width) for width in fitted["half_widths"])
    mean = (prediction - truth).mean()
    return "".join(
        [
            chart(
                f"Predictions follow the truth, off by {short(story.metrics['model']['mae']['value'])} on average",
                charts.cloud(
                    truth, prediction, "truth", (f"true {name}", f"predicted {name}"), True
                ),
                deciles,
            ),
            chart(
                f"Errors are {short(abs(mean))} too {'high' if mean > 0 else 'low'} on average",
                charts.cloud(
                    prediction,
                    prediction - truth,
                    "residuals",
                    (f"predicted {name}", "prediction minus truth"),
                ),
                residuals.reset_index(name="value"),
            ),
            chart(
                f"Errors are largest where {low} to {high} is predicted",
                charts.bars(
                    [
                        f"{short(a)} to {short(b)}"
                        for a, b in deciles[["lowest prediction", "highest prediction"]].to_numpy()
                    ],
                    deciles["mean absolute error"].tolist(),
                    "deciles",
                    "average error in each tenth of the predictions",
                ),
                deciles,
            ),
            text(
                f"Prediction intervals (split conformal, fitted on validation rows, a width for each quarter of the "
                f"predictions: ± {widths}) {kept} their promise: they hold {inside['value']:.1%} of the truths (95 % "
                f"interval {inside['low']:.1%} to {inside['high']:.1%}), where {fitted['level']:.0%} was meant."
            ),
        ]
    )


def _classes(story: Story) -> str:
    truth, prediction, classes = story.truth(), story.prediction(), story.target.classes
    counts = confusion(truth, prediction.argmax(axis=1), classes)
    wrong = counts.mask(pd.DataFrame({c: counts.index == c for c in classes}, index=counts.index))
    pair = wrong.stack().idxmax()
    shown = list(enumerate(classes))[1:] if len(classes) == 2 else list(enumerate(classes))[:7]
    roc = {name: roc_points(truth == k, prediction[:, k]) for k, name in shown}
    cut = {name: precision_points(truth == k, prediction[:, k]) for k, name in shown}
    said = {name: calibration_table(truth == k, prediction[:, k]) for k, name in shown}
    ends = pd.Series([0.0, 1.0])
    model, told = story.metrics["model"], story.metrics["calibration"]
    gap = max(told["ece"], key=lambda name: told["ece"][name])
    heated = told["temperature"]
    note = (
        "Its temperature was left alone: scaling did not help on validation rows."
        if heated == 1
        else f"Probabilities were made {'less' if heated > 1 else 'more'} sure by a temperature of "
        f"{heated:.2f}, fitted on validation rows."
    )
    parts = [
        chart(
            f'Most often confused: true "{pair[0]}" predicted as "{pair[1]}"',
            charts.grid(counts, "confusion"),
            counts.reset_index(),
            "Named is what is most probable, whatever a mistake costs.",
        ),
        chart(
            f"ROC curve: the area under it is {model['roc_auc']['value']:.3f}, guessing gives 0.5",
            charts.lines(
                {n: (t["false positive rate"], t["true positive rate"]) for n, t in roc.items()}
                | {"(guessing)": (ends, ends)},
                "roc",
                ("false alarms among the others", "found among the true ones"),
            ),
            _stacked(roc),
        ),
        chart(
            f"Precision and recall: the area under the curve is {model['pr_auc']['value']:.3f}",
            charts.lines(
                {n: (t["recall"], t["precision"]) for n, t in cut.items()},
                "precision",
                ("recall: found among the true ones", "precision: right among the named"),
            ),
            _stacked(cut),
        ),
        chart(
            f'Probabilities of "{gap}" are off by {told["ece"][gap] * 100:.1f} percentage points on average',
            charts.lines(
                {n: (t["said"], t["happened"]) for n, t in said.items()}
                | {"(right)": (ends, ends)},
                "calibration",
                ("predicted probability", "how often it happened"),
            ),
            _stacked(said),
            note,
        ),
    ]
    return "".join([*parts, _threshold(story)])


def _threshold(story: Story) -> str:
    if "threshold" not in story.metrics:
        return ""
    its = story.metrics["threshold"]
    table = pd.DataFrame({"at the threshold": its["test"], "at 0.5": its["test_at_half"]})
    return (
        "<h3>The threshold</h3>\n"
        + text(
            f"Acting pays from a probability of {its['value']:.3f} on. That was chosen on validation rows, where a "
            f"false alarm costs {short(its['cost_false_positive'])} and a missed case "
            f"{short(its['cost_false_negative'])} (capstone.toml, [decision]). "
            f"On the test rows it costs {short(its['test']['cost'])}, against "
            f"{short(its['test_at_half']['cost'])} at 0.5."
        )
        + scrolling(table.rename_axis("on the test rows").reset_index(), "The threshold")
    )


def _stacked(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Several curves as one table; at most 40 points of each are shown."""
    if len(tables) == 1:
        return _some(next(iter(tables.values())))
    return pd.concat([_some(table).assign(**{"class": name}) for name, table in tables.items()])


def _some(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[:: max(1, len(table) // 40)]


def _training(story: Story) -> str:
    history, info = story.history, story.run.info
    epochs = history["epoch"]
    drawn = charts.lines(
        {
            "training rows": (epochs, history["train_loss"]),
            "validation rows": (epochs, history["validation_loss"]),
        },
        "history",
        ("epoch", "loss"),
    )
    title = f"Training ended after {info['epochs']} epochs; epoch {info['best_epoch']} was the best"
    return chart(title, drawn, history.iloc[:: max(1, len(history) // 40)], info["ended"])
