"""The report's part on whom the model fails: groups, slices, the worst rows."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pandas as pd

from capstone.evaluation.error_analysis import row_errors
from capstone.reporting import charts
from capstone.reporting.pages import chart, scrolling, section, short, text
from capstone.reporting.report.sentences import unfair
from capstone.runs.results import Story


def whom_it_fails(story: Story) -> str:
    """Groups of sensitive columns first, then other slices, then single rows."""
    groups = story.metrics["groups"]
    parts = [section("Whom does it fail?", *unfair(story))]
    if not groups:
        parts.append(text("No sensitive column is named in capstone.toml: [data] sensitive."))
    for name, its in groups.items():
        if "note" not in its:
            parts += [_gap_chart(story, name, its), _group_table(name, its), _gaps(its)]
            parts.append(_equal_treatment(name, its))
        if its.get("proxy"):
            parts.append(text(_proxy(name, its["proxy"], story.settings.data.use_sensitive)))
    return "".join([*parts, _slices(story), _worst_rows(story)])


def _gap_chart(story: Story, name: str, its: dict[str, Any]) -> str:
    judged = [line for line in its["by_group"] if line["judged"]]
    found = its["finding"]
    what = f'"{found["class"]}"' if found["class"] else f'"{story.target.name}"'
    rows = {line["group"]: line["residual"] for line in judged}
    axis = "truth minus prediction, with 95 % intervals: above 0, predicted too low"
    drawn = charts.dots(
        list(rows),
        [value["value"] for value in rows.values()],
        [value["low"] for value in rows.values()],
        [value["high"] for value in rows.values()],
        f"gap-{_slug(name)}",
        axis,
        found["group"] if found["clear"] else "",
        zero=True,
    )
    way = "low" if found["residual"]["value"] > 0 else "high"
    title = (
        f"{what} is predicted too {way} for {found['group']}"
        if found["clear"]
        else f"No clear difference by {name}"
    )
    table = pd.DataFrame(
        [
            {
                name: line["group"],
                "rows": line["rows"],
                "truth minus prediction": line["residual"]["value"],
                "from": line["residual"]["low"],
                "to": line["residual"]["high"],
            }
            for line in judged
        ]
    )
    return chart(title, drawn, table)


def _group_table(name: str, its: dict[str, Any]) -> str:
    """One line per group: rows, and each rate with its interval."""
    lines = []
    for line in its["by_group"]:
        shown: dict[str, Any] = {name: line["group"], "rows": f"{line['rows']:,}"}
        for rate, value in line.items():
            if isinstance(value, dict) and rate != "residual":
                low, high = short(value["low"]), short(value["high"])
                shown[rate.replace("_", " ")] = f"{short(value['value'])} ({low} to {high})"
        if not line["judged"]:
            shown["note"] = "too small to judge"
        lines.append(shown)
    hidden = its["groups"] - len(lines)
    more = f"{hidden:,} smaller groups are not shown." if hidden else ""
    return scrolling(pd.DataFrame(lines).fillna(""), f"Scores by {name}") + text(more)


def _gaps(its: dict[str, Any]) -> str:
    gaps = its["gaps"]
    if "mae_difference" in gaps:
        return text(
            f"Largest difference of the average error between two groups: {short(gaps['mae_difference'])}."
        )
    label = its["finding"]["class"]
    gap = gaps[label]
    return text(
        f'Deciding for "{label}": the most and the least often chosen group differ by '
        f"{gap['demographic_parity_difference']:.0%} of their rows (demographic parity; ratio "
        f"{gap['demographic_parity_ratio']:.2f}); hits or false alarms differ by up to "
        f"{gap['equalized_odds_difference']:.0%} (equalised odds; ratio {gap['equalized_odds_ratio']:.2f}). "
        "0 % and 1 would be equal."
    )


def _equal_treatment(name: str, its: dict[str, Any]) -> str:
    lines = its["equal_treatment"]
    if not lines:
        return text("Too few rows per group to try a threshold for each.")
    names = {
        "demographic_parity": "a threshold per group, equally often chosen",
        "equalized_odds": "a threshold per group, equal hits and false alarms",
        "mean of each group": "shifted by each group's mean residual",
    }
    more = ""
    if "accuracy" in lines[0]:
        more = " The rules per group aim at accuracy, not at your costs: compare them with 0.5 for all."
    table = pd.DataFrame(lines)
    table["rule"] = [names.get(rule, rule) for rule in table["rule"]]
    table.columns = [str(column).replace("_", " ") for column in table.columns]
    return (
        f"<h3>What equal treatment by {escape(name)} would cost</h3>\n"
        + text(
            "Each rule was fitted on validation rows and measured on the test rows. It needs to know the group "
            "when it predicts, which may itself be forbidden: ask before you use one." + more
        )
        + scrolling(table, f"Equal treatment by {name}")
    )


def _proxy(name: str, proxy: dict[str, Any], used: bool) -> str:
    if used:
        return f"{name} is one of the features, so the network sees it directly."
    said = (
        f"From the features left, {name} is guessed with a balanced accuracy of {proxy['score']:.0%}; "
        f"chance gives {proxy['chance']:.0%}. "
    )
    if proxy["proxy"]:
        return said + "So other columns stand in for it: leaving it out does not hide it."
    return said + "So no combination of features stands in for it."


def _slices(story: Story) -> str:
    its = story.metrics["slices"]
    whole = its["all"]["error"]
    head = "<h3>Where it errs most</h3>\n"
    regression = story.problem == "regression"
    shown = f"{short(whole)} on average" if regression else f"{whole:.0%} of the rows wrong"
    if not its["worst"]:
        return head + text(
            f"No group of {30} rows or more, by one column or two, is clearly worse than the rest ({shown})."
        )
    table = pd.DataFrame(its["worst"])
    drawn = charts.bars(
        [*table["slice"], "all rows"],
        [*table["error"], whole],
        "slices",
        "average error" if regression else "share of wrong answers",
        "all rows",
    )
    worst = its["worst"][0]
    factor = worst["error"] / whole if whole else float("inf")
    title = f"Where {worst['slice']}, errors are {factor:.1f} times as large as overall"
    return head + chart(title, drawn, table, f"Over all rows: {shown}.")


def _worst_rows(story: Story) -> str:
    """The rows that it got most wrong: look at them one by one."""
    truth, prediction = story.truth(), story.prediction()
    wrong = row_errors(truth, prediction, story.problem)
    if story.problem != "regression":
        wrong = 1 - prediction[np.arange(len(truth)), truth]
    order = np.argsort(-wrong, kind="stable")[:10]
    hidden = ("low", "high")
    table = story.rows.iloc[order].drop(columns=[c for c in hidden if c in story.rows])
    return (
        "<h3>The ten worst predictions</h3>\n"
        + text(
            "Is the row wrong in the table, or is something missing that the network should know?"
        )
        + scrolling(table, "The ten worst predictions")
    )


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
