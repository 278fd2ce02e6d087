"""The model card's blocks on groups: who stands out, the gaps, and each group's rates."""

from __future__ import annotations

from typing import Any

from capstone.core.text import number
from capstone.reporting.card.markdown_blocks import cell, code, markdown_table

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
    parts = [_groups_of(code(name), groups[name]) for name in sensitive if name in groups]
    return "\n\n".join(parts) or NOT_MEASURED


def overlapping_groups(sensitive: list[str], metrics: dict[str, Any]) -> str:
    """The groups of pairs of sensitive columns (Mitchell's intersectional results)."""
    if len(sensitive) < 2:
        return "Fewer than two sensitive columns are named, so no groups overlap."
    groups = metrics.get("groups") or {}
    parts = [
        _groups_of(cell(name), compared)
        for name, compared in groups.items()
        if name not in sensitive
    ]
    return "\n\n".join(parts) or NOT_MEASURED


def _groups_of(name: str, compared: dict[str, Any]) -> str:
    """The groups of one column, or of a pair: who stands out, the gaps, and a table."""
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
    parts = [f"**{name}.** {_who_stands_out(compared)}", *_gaps(compared.get("gaps") or {})]
    if rows:
        parts.append(markdown_table(["Group", "Rows", *(HEADINGS[key] for key in keys)], rows))
    return "\n\n".join(parts)


def _gaps(gaps: dict[str, Any]) -> list[str]:
    """The largest differences between groups; of classes, a line for each."""
    if any(isinstance(gap, dict) for gap in gaps.values()):
        return [
            f"Between the groups for {cell(label)}: {_named_numbers(gap)}."
            for label, gap in gaps.items()
            if gap
        ]
    return [f"Between the groups: {_named_numbers(gaps)}."] if gaps else []


def _named_numbers(values: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in values.items())


def _who_stands_out(compared: dict[str, Any]) -> str:
    """The note on groups that can't be judged, or the group that is predicted worst."""
    if note := compared.get("note"):
        return f"{cell(note[:1].upper() + note[1:])}."
    finding = compared.get("finding")
    if not finding:
        return ""
    if not finding["clear"]:
        return "No group stands out by more than chance explains."
    residual = finding["residual"]
    direction = "too low" if residual["value"] > 0 else "too high"
    of = f" for {cell(finding['class'])}" if finding.get("class") else ""
    return (
        f"Predicted {direction}{of}: **{cell(finding['group'])}**, on average by {number(abs(residual['value']))} "
        f"(truth minus prediction {_interval(residual)})."
    )


def _interval(score: dict[str, Any] | None) -> str:
    if not score:
        return "too small to judge"
    return f"{number(score['value'])} ({number(score['low'])} to {number(score['high'])})"
