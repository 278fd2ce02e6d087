"""What the report says in words: how good, what to do, whom it fails, what it can't tell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from capstone.evaluation.metrics import LOWER_IS_BETTER
from capstone.reporting.pages import short
from capstone.runs.provenance import what_was_sampled
from capstone.runs.results import Story

NAMES = {
    "model": "your network",
    "dummy": "always the same answer",
    "linear": "a linear model",
    "gradient_boosting": "gradient boosting",
}
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


def quality(story: Story) -> str:
    """How good the predictions are, in the problem's own terms."""
    model, dummy = story.metrics["model"], story.metrics["baselines"]["dummy"]
    rows = f"{len(story.rows):,} rows that it had never seen"
    if story.problem == "regression":
        mae = model["mae"]
        return (
            f'On {rows}, the predicted "{story.target.name}" was off by {short(mae["value"])} on '
            f"average (between {short(mae['low'])} and {short(mae['high'])}, with 95 % certainty). "
            f"Always saying the average would be off by {short(dummy['mae']['value'])}."
        )
    right = model["accuracy"]
    said = (
        f'On {rows}, the network named the right "{story.target.name}" for {right["value"]:.0%} '
        f"(between {right['low']:.0%} and {right['high']:.0%}, with 95 % certainty). "
        f"Always naming the most frequent one would be right for {dummy['accuracy']['value']:.0%}."
    )
    if story.problem == "binary":
        auc = model["roc_auc"]["value"]
        said += (
            f' Shown one row that is "{story.target.classes[1]}" and one that is not, it ranks '
            f"them rightly {auc:.0%} of the time."
        )
    return said


def verdict(story: Story) -> str:
    """Whether it is better than something simple; when it is not, that comes first."""
    beats = story.metrics["beats"]
    lost = _names(name for name, how in beats.items() if how == "worse")
    open_ = _names(name for name, how in beats.items() if how == "undecided")
    won = _names(name for name, how in beats.items() if how == "better")
    if lost:
        return (
            f"The network loses to {lost} on the same data. Use that instead, or find out what it "
            "sees and the network does not."
        )
    if open_:
        more = f"; better than {won}, beyond chance" if won else ""
        return (
            f"It is about as good as {open_}: on so many rows the difference may be chance{more}."
        )
    return f"It is better than {won}, beyond what chance explains."


def _names(which: Iterable[str]) -> str:
    *names, last = [NAMES[name] for name in which] or [""]
    return f"{', '.join(names)} and {last}" if names else last


def decision(story: Story) -> str:
    """What to do, and what it would have come to."""
    told = story.metrics["decisions"]
    unit, cost = told["unit"], told["cost"]
    taken = ", ".join(f'"{name}" for {rows:,}' for name, rows in told["actions"].items())
    rule = better_rule(told)
    best, simple, sure = f'"{told[rule]}" for all', cost[rule], told["saved_against"][rule]
    said = f"Following decisions.py on these rows means {taken}. "
    said += f"It would have cost {short(cost['followed'])} {unit}; "
    if sure["low"] > 0:
        return said + (
            f"the better simple rule, {best}, {short(simple)} {unit}: "
            f"{short(simple - cost['followed'])} {unit} saved "
            f"(between {short(sure['low'])} and {short(sure['high'])})."
        )
    if sure["high"] < 0:
        return said + (
            f"{best} would have cost only {short(simple)} {unit}. Don't follow it as it is."
        )
    return said + (
        f"{best} {short(simple)} {unit}. The difference may be chance, so the simple rule is as good."
    )


def better_rule(told: dict[str, Any]) -> str:
    """Which of the simple rules would have cost less: "nothing" or "everyone" (act on none, or on all)."""
    return min(("nothing", "everyone"), key=lambda rule: told["cost"][rule])


def unfair(story: Story) -> list[str]:
    """For each sensitive column whom the model gets wrong in one direction."""
    said = []
    for name, its in story.metrics["groups"].items():
        if "note" in its:
            said.append(f'"{name}": {its["note"]}.')
            continue
        found = its["finding"]
        residual, group = found["residual"], f'"{found["group"]}"'
        by = short(abs(residual["value"]))
        if found["class"]:
            by = f"{abs(residual['value']) * 100:.1f} percentage points"
        what = f'"{found["class"]}"' if found["class"] else f'"{story.target.name}"'
        way = "low" if residual["value"] > 0 else "high"
        if found["clear"]:
            said.append(
                f"Predictions for {name} {group} lean one way: {what} is {by} too {way} there on average."
            )
        else:
            said.append(
                f"By {name}, no group is clearly predicted too high or too low; the largest gap is {by}, {group}."
            )
    return said


def limits(story: Story) -> list[str]:
    """What this run can't say, each in one sentence."""
    info, data = story.run.info, story.settings.data
    said = []
    if info["quick"]:
        said.append("This was a quick run, to see that every step works: judge nothing by it.")
    said.append(
        f"It was measured on {len(story.rows):,} rows of the same table. On data of another place, time or "
        "kind it may do worse."
    )
    if sampled := what_was_sampled(info):
        said.append(sampled)
    looks = info["test_looks"]
    if looks > 1:
        said.append(
            f"The test rows were looked at {looks} times in this project; the more often results guided "
            "choices, the rosier they are."
        )
    said.append(
        "What moves a prediction is not what causes the outcome: changing a column in the world need not change it."
    )
    if data.sensitive and data.use_sensitive:
        said.append(f"The network uses the sensitive columns: {', '.join(data.sensitive)}.")
    elif data.sensitive:
        said.append(
            f"{', '.join(data.sensitive)} is kept out of the network, which does not make it blind to it."
        )
    else:
        said.append("No sensitive column was named, so nobody knows whom it treats worse.")
    for name, its in story.metrics["groups"].items():
        small = its["too_small"]
        if small["groups"]:
            said.append(
                f"{name}: {small['groups']} groups with {small['rows']} rows in all are too small to judge."
            )
        if its["missing"] > 0.2:
            said.append(f"{name} is missing in {its['missing']:.0%} of the rows.")
    if info["git"]["dirty"]:
        said.append("Files were not committed when it ran: the commit alone does not reproduce it.")
    return said


def better(metric: str) -> str:
    """Which direction is good."""
    return "lower" if metric in LOWER_IS_BETTER else "higher"
