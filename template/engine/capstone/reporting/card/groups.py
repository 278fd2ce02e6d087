"""How each group fares, in the model card's words and tables. A run may have measured none."""

from __future__ import annotations

from typing import Any

from capstone.core.text import number
from capstone.reporting.card.markdown_blocks import cell, code, table

HEADINGS = {
    "mae": "Mean absolute error",
    "residual": "Truth minus prediction",
    "accuracy": "Accuracy",
    "selection_rate": "Chosen",
    "true_positive_rate": "Found of those it happens to",
    "false_positive_rate": "Chosen of the others",
    "happened": "Happened",
}
NOT_MEASURED = "This run has no such numbers: `capstone run` makes them."


def single_groups(sensitive: list[str], metrics: dict[str, Any]) -> str:
    """The groups of each sensitive column (Mitchell's unitary results)."""
    if not sensitive:
        return "No sensitive column is named, so there are no groups to compare."
    groups = metrics.get("groups") or {}
    told = [_one(code(name), groups[name]) for name in sensitive if name in groups]
    return "\n\n".join(told) or NOT_MEASURED


def overlapping_groups(sensitive: list[str], metrics: dict[str, Any]) -> str:
    """The groups of pairs of sensitive columns (Mitchell's intersectional results)."""
    if len(sensitive) < 2:
        return "Fewer than two sensitive columns are named, so no groups overlap."
    groups = metrics.get("groups") or {}
    told = [_one(cell(name), its) for name, its in groups.items() if name not in sensitive]
    return "\n\n".join(told) or NOT_MEASURED


def decision_rule(metrics: dict[str, Any]) -> str:
    """From which probability on the model says yes, or how wide a prediction's interval is."""
    if threshold := metrics.get("threshold"):
        return (
            f"- Yes from a probability of {number(threshold['value'])} on, chosen on the "
            f"{threshold['chosen_on']} part: a false alarm costs {threshold['cost_false_positive']:g}, "
            f"a miss {threshold['cost_false_negative']:g}."
        )
    if intervals := metrics.get("intervals"):
        inside = intervals["coverage"]
        widths = " / ".join(number(width) for width in intervals["half_widths"])
        return (
            f"- No threshold: the prediction is a number. It stands with plus or minus "
            f"{widths} (lowest to highest quarter of predictions), meant "
            f"to hold {intervals['level']:.0%} of the truths; on the "
            f"test part it held {inside['value']:.1%} ({inside['low']:.1%} to {inside['high']:.1%})."
        )
    if metrics["problem"] == "multiclass":
        return "- No threshold: the most probable class is taken."
    return NOT_MEASURED


def _one(name: str, compared: dict[str, Any]) -> str:
    """What was found in the groups of one column, or of a pair."""
    lines = compared.get("by_group", [])
    keys = [key for key in HEADINGS if any(key in line for line in lines)]
    rows = [
        [
            cell(line["group"]),
            f"{line['rows']:,}",
            *(_interval(line.get(key)) for key in keys),
        ]
        for line in lines
    ]
    parts = [f"**{name}.** {_sentence(compared)}", *_gaps(compared.get("gaps") or {})]
    if rows:
        parts.append(table(["Group", "Rows", *(HEADINGS[key] for key in keys)], rows))
    return "\n\n".join(parts)


def _gaps(gaps: dict[str, Any]) -> list[str]:
    """The largest differences between groups; of classes, a line for each."""
    if any(isinstance(its, dict) for its in gaps.values()):
        return [line for label, its in gaps.items() for line in _gaps_of(f"for {cell(label)}", its)]
    return _gaps_of("", gaps)


def _gaps_of(what: str, gaps: dict[str, float]) -> list[str]:
    told = [f"{name.replace('_', ' ')} {number(value)}" for name, value in gaps.items()]
    return [f"Between the groups{f' {what}' if what else ''}: {', '.join(told)}."] if told else []


def _sentence(compared: dict[str, Any]) -> str:
    """The note on groups that can't be judged, or the group that is predicted worst."""
    if note := compared.get("note"):
        return f"{cell(note[:1].upper() + note[1:])}."
    finding = compared.get("finding")
    if not finding:
        return ""
    if not finding["clear"]:
        return "No group stands out by more than chance explains."
    residual = finding["residual"]
    way = "too low" if residual["value"] > 0 else "too high"
    of = f" for {cell(finding['class'])}" if finding.get("class") else ""
    return (
        f"Predicted {way}{of}: **{cell(finding['group'])}**, on average by {number(abs(residual['value']))} "
        f"(truth minus prediction {_interval(residual)})."
    )


def _interval(score: dict[str, Any] | None) -> str:
    if not score:
        return "too small to judge"
    return f"{number(score['value'])} ({number(score['low'])} to {number(score['high'])})"
