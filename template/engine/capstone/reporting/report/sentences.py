"""What the report says in words: how good, what to do, whom it fails, what it can't tell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from capstone.core.text import MODELS
from capstone.evaluation.metrics import LOWER_IS_BETTER
from capstone.reporting.pages import short
from capstone.runs.provenance import what_was_sampled
from capstone.runs.results import RunResults

# What each metric says, for readers who never heard of it.
MEANINGS = {
    "r2": "share of the differences between rows that is explained (1 is perfect)",
    "rmse": "typical error, large errors counting more",
    "mae": "average error",
    "roc_auc": "chance to rank a random case above a random other one (0.5 is guessing)",
    "pr_auc": "average precision: how few false alarms the found cases cost (1 is perfect)",
    "accuracy": "share of right answers",
    "f1": "balance of precision and recall (1 is perfect)",
    "log_loss": "punishment for being sure and wrong (0 is perfect)",
    "brier": "squared error of the probabilities (0 is perfect)",
}


def answer(results: RunResults) -> str:
    """The first paragraph: how good it is; where it loses to a simpler model, that comes first."""
    sentences = [quality(results), verdict(results.metrics["beats"])]
    loses = "worse" in results.metrics["beats"].values()
    return " ".join(reversed(sentences) if loses else sentences)


def quality(results: RunResults) -> str:
    """How good the predictions are, in the problem's own terms."""
    model, dummy = results.metrics["model"], results.metrics["baselines"]["dummy"]
    name, classes = results.target.name, results.target.classes
    rows = f"{len(results.rows):,} rows that it had never seen"
    if results.problem == "regression":
        mae = model["mae"]
        return (
            f'On {rows}, the predicted "{name}" was off by {short(mae["value"])} on average '
            f"(95 % confidence interval: {short(mae['low'])} to {short(mae['high'])}). "
            f"Predicting the average every time would be off by {short(dummy['mae']['value'])} on average."
        )
    accuracy = model["accuracy"]
    sentences = (
        f'On {rows}, the network predicted "{name}" correctly for {accuracy["value"]:.0%} '
        f"(95 % confidence interval: {accuracy['low']:.0%} to {accuracy['high']:.0%}). "
        f"Always predicting the most common answer would be correct for {dummy['accuracy']['value']:.0%}."
    )
    if results.problem == "binary":
        auc = model["roc_auc"]["value"]
        sentences += (
            f' Given one row that is "{classes[1]}" and one that is not, it gives the first the higher '
            f"probability {auc:.0%} of the time."
        )
    return sentences


def verdict(beats: dict[str, str]) -> str:
    """Whether the network is better than the simpler models.

    beats  "better", "worse" or "undecided" against each of them
    """
    lost = _names(name for name, outcome in beats.items() if outcome == "worse")
    undecided = _names(name for name, outcome in beats.items() if outcome == "undecided")
    won = _names(name for name, outcome in beats.items() if outcome == "better")
    if lost:
        return (
            f"The network loses to {lost} on the same data. Use that instead, or find out what it "
            "sees and the network does not."
        )
    if undecided:
        more = f" It is better than {won}, beyond chance." if won else ""
        return (
            f"There is no clear difference from {undecided}: with this many rows it could be chance."
            + more
        )
    return f"It is better than {won}, beyond what chance explains."


def _names(models: Iterable[str]) -> str:
    *names, last = [MODELS[name] for name in models] or [""]
    return f"{', '.join(names)} and {last}" if names else last


def decision(decisions: dict[str, Any]) -> str:
    """What to do, and what it would have cost."""
    unit, cost = decisions["unit"], decisions["cost"]
    actions = ", ".join(f'"{name}" for {rows:,}' for name, rows in decisions["actions"].items())
    rule = better_rule(decisions)
    simple, saved = short(cost[rule]), decisions["saved_against"][rule]
    for_all = f'"{decisions[rule]}" for all'
    sentences = (
        f"Following decisions.py on these rows means {actions}. "
        f"It would have cost {short(cost['followed'])} {unit}; "
    )
    if saved["low"] > 0:
        return sentences + (
            f"the better simple rule, {for_all}, {simple} {unit}: "
            f"{short(cost[rule] - cost['followed'])} {unit} saved "
            f"(between {short(saved['low'])} and {short(saved['high'])})."
        )
    if saved["high"] < 0:
        return sentences + (
            f"{for_all} would have cost only {simple} {unit}. Don't follow it as it is."
        )
    return sentences + (
        f"{for_all} {simple} {unit}. The difference may be chance, so the simple rule is as good."
    )


def better_rule(decisions: dict[str, Any]) -> str:
    """Which of the simple rules would have cost less: "nothing" or "everyone" (act on none, or on all)."""
    return min(("nothing", "everyone"), key=lambda rule: decisions["cost"][rule])


def one_sided(results: RunResults) -> list[str]:
    """For each sensitive column the group that the model gets wrong in one direction."""
    return [
        _one_sided(name, compared, results.target.name)
        for name, compared in results.metrics["groups"].items()
    ]


def _one_sided(name: str, compared: dict[str, Any], target: str) -> str:
    if "note" in compared:
        return f'"{name}": {compared["note"]}.'
    finding = compared["finding"]
    residual, group, label = finding["residual"]["value"], finding["group"], finding["class"]
    by = f"{abs(residual) * 100:.1f} percentage points" if label else short(abs(residual))
    if not finding["clear"]:
        return (
            f"By {name}, no group is clearly predicted too high or too low; "
            f'the largest gap is {by}, "{group}".'
        )
    direction = "low" if residual > 0 else "high"
    return (
        f'Predictions for {name} "{group}" lean one way: "{label or target}" is {by} '
        f"too {direction} there on average."
    )


def largest_gaps(compared: dict[str, Any]) -> str:
    """How far the groups of a column are apart."""
    gaps, label = compared["gaps"], compared["finding"]["class"]
    if "mae_difference" in gaps:
        return f"Largest difference of the average error between two groups: {short(gaps['mae_difference'])}."
    gap = gaps[label]
    return (
        f'Deciding for "{label}": the most and the least often chosen group differ by '
        f"{gap['demographic_parity_difference']:.0%} of their rows (demographic parity; ratio "
        f"{gap['demographic_parity_ratio']:.2f}); hits or false alarms differ by up to "
        f"{gap['equalized_odds_difference']:.0%} (equalised odds; ratio {gap['equalized_odds_ratio']:.2f}). "
        "0 % and 1 would be equal."
    )


def proxy_sentence(name: str, proxy: dict[str, Any], used: bool) -> str:
    """Whether the features give the sensitive column away.

    used  whether the column is a feature itself
    """
    if used:
        return f"{name} is one of the features, so the network sees it directly."
    conclusion = (
        "So other columns stand in for it: leaving it out does not hide it."
        if proxy["proxy"]
        else "So no combination of features stands in for it."
    )
    return (
        f"From the features left, {name} is guessed with a balanced accuracy of {proxy['score']:.0%}; "
        f"chance gives {proxy['chance']:.0%}. {conclusion}"
    )


def intervals_sentence(intervals: dict[str, Any]) -> str:
    """Whether the prediction intervals hold as many truths as they should."""
    coverage, level = intervals["coverage"], intervals["level"]
    kept = "keep" if coverage["low"] <= level <= coverage["high"] else "do not keep"
    widths = " / ".join(short(width) for width in intervals["half_widths"])
    return (
        "Prediction intervals (split conformal, fitted on validation rows, a width for each quarter of the "
        f"predictions: ± {widths}) {kept} their promise: they hold {coverage['value']:.1%} of the truths (95 % "
        f"interval {coverage['low']:.1%} to {coverage['high']:.1%}), where {level:.0%} was meant."
    )


def temperature_sentence(temperature: float) -> str:
    """What calibration did to the probabilities."""
    if temperature == 1:
        return "No scaling was needed: a temperature did not help on validation rows."
    fault, change = ("confident", "softened") if temperature > 1 else ("cautious", "sharpened")
    return (
        f"Predicted probabilities were too {fault} and were {change} (temperature {temperature:.2f}, "
        "fitted on validation rows)."
    )


def threshold_sentence(threshold: dict[str, Any]) -> str:
    """From which probability on acting pays, and what it costs on the test rows."""
    return (
        f"Acting pays from a probability of {threshold['value']:.3f} on. That was chosen on validation rows, where a "
        f"false alarm costs {short(threshold['cost_false_positive'])} and a missed case "
        f"{short(threshold['cost_false_negative'])} (capstone.toml, [decision]). "
        f"On the test rows it costs {short(threshold['test']['cost'])}, against "
        f"{short(threshold['test_at_half']['cost'])} at 0.5."
    )


def limits(results: RunResults) -> list[str]:
    """What this run can't say, each in one sentence."""
    info, data = results.run.info, results.settings.data
    sentences = []
    if info["quick"]:
        sentences.append("This was a quick run, to see that every step works: judge nothing by it.")
    sentences.append(
        f"It was measured on {len(results.rows):,} rows of the same table. On data of another place, time or "
        "kind it may do worse."
    )
    if sampled := what_was_sampled(info):
        sentences.append(sampled)
    looks = info["test_looks"]
    if looks > 1:
        sentences.append(
            f"The test rows were looked at {looks} times in this project; the more often results guided "
            "choices, the rosier they are."
        )
    sentences.append(
        "What moves a prediction is not what causes the outcome: changing a column in the world need not change it."
    )
    if data.sensitive and data.use_sensitive:
        sentences.append(f"The network uses the sensitive columns: {', '.join(data.sensitive)}.")
    elif data.sensitive:
        sentences.append(
            f"{', '.join(data.sensitive)} is kept out of the network, which does not make it blind to it."
        )
    else:
        sentences.append("No sensitive column was named, so nobody knows whom it treats worse.")
    for name, compared in results.metrics["groups"].items():
        small = compared["too_small"]
        if small["groups"]:
            sentences.append(
                f"{name}: {small['groups']} groups with {small['rows']} rows in all are too small to judge."
            )
        if compared["missing"] > 0.2:
            sentences.append(f"{name} is missing in {compared['missing']:.0%} of the rows.")
    if info["git"]["dirty"]:
        sentences.append(
            "Files were not committed when it ran: the commit alone does not reproduce it."
        )
    return sentences


def better(metric: str) -> str:
    """Which direction is good."""
    return "lower" if metric in LOWER_IS_BETTER else "higher"
