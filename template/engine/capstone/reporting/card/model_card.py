"""The model card's blocks from a run: its numbers in words and Markdown tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from capstone.core.errors import CapstoneError, short_list
from capstone.core.text import number, verdict_sentence
from capstone.evaluation.metrics import LOWER_IS_BETTER, METRICS
from capstone.reporting.card.markdown_blocks import blocks, cell, code, markdown_table
from capstone.runs.folder import Run
from capstone.runs.provenance import what_was_sampled
from capstone.runs.verify import check_whole, read_json, read_settings

MODEL_CARD = Path("docs", "model_card.md")
MOST_COLUMNS = 60  # in a table
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


def model_card_blocks(run: Run) -> dict[str, str]:
    """What a run writes into docs/model_card.md.

    Parameters
    ----------
    run
        A finished run.

    Returns
    -------
    dict
        The text of every block by its name.

    Raises
    ------
    CapstoneError
        When the run is not whole, or was made by a version whose numbers are others.
    """
    check_whole(run)
    try:
        return _blocks(run)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CapstoneError(
            f"The run in {run.folder} can't be put into a card ({type(error).__name__}: {error}): "
            "it was made by another version; make a new one with `capstone run`."
        ) from None


def run_of_card(text: str, path: Path) -> str:
    """The id of the run that the card's numbers are from; "" when it was never filled."""
    start, end = blocks(text, path).get("run", (0, 0))
    named = re.search(r"Run `(\w+-\w+)`", text[start:end])
    return named[1] if named else ""


def _blocks(run: Run) -> dict[str, str]:
    settings, info, metrics = read_settings(run), run.info, run.metrics
    return {
        "results": _results(settings, info, metrics),
        "run": _run(run),
        "model": _model(settings, info, read_json(run.folder / "model.json")),
        "factors": _factors(settings),
        "metrics": _metrics(settings, metrics),
        "evaluation-data": _evaluation_data(settings, info),
        "training-data": _training_data(settings, info, read_json(run.folder / "schema.json")),
        "overall": scores_block(info["rows"]["test"], metrics),
        "decision": decision_rule(metrics),
        "groups": single_groups(settings["data"]["sensitive"], metrics),
        "intersections": overlapping_groups(settings["data"]["sensitive"], metrics),
    }


def _results(settings: dict[str, Any], info: dict[str, Any], metrics: dict[str, Any]) -> str:
    """YAML for the Hugging Face Hub: https://huggingface.co/docs/hub/model-cards#evaluation-results"""
    kind = "regression" if metrics["problem"] == "regression" else "classification"
    result = {
        "task": {"type": f"tabular-{kind}"},
        "dataset": {"type": "tabular", "name": info["data"]["path"], "split": "test"},
        "metrics": [
            {"type": name, "value": round(score["value"], 6)}
            for name, score in metrics["model"].items()
            if score["value"] is not None
        ],
    }
    model = {"name": settings["project"]["name"], "results": [result]}
    text = yaml.safe_dump({"model-index": [model]}, allow_unicode=True, sort_keys=False, width=1e9)
    return text.strip()


def _run(run: Run) -> str:
    """Which run it is: the one block that differs when the same run is made again."""
    info = run.info
    commit = f"commit {info['git']['commit']}" if info["git"]["commit"] else "not in git"
    dirty = ", with changes that were not committed" if info["git"]["dirty"] else ""
    looks = info["test_looks"]
    versions = {
        name: info["versions"].get(name, "?") for name in ("python", "torch", "scikit-learn")
    }
    made_with = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines = [
        f"- Run `{run.id}`, finished {info['finished']}, seed {info['seed']}.",
        f"- Code: {commit}{dirty}.",
        f"- Made with {made_with} on {info['device']}.",
        f"- Looks at the test part until then, this run's included: {looks}.",
        f"- To make it again: `capstone reproduce {run.id}`.",
    ]
    if info["quick"]:
        lines.append(
            "- **This was a quick run, to see that every step works. Its numbers say nothing about the model.**"
        )
    return "\n".join(lines)


def _model(settings: dict[str, Any], info: dict[str, Any], model: dict[str, Any]) -> str:
    training = settings["training"]
    shape = _listed(model["architecture"])
    how = _listed({name: training[name] for name in ("learning_rate", "weight_decay", "patience")})
    return "\n".join(
        [
            f"- A neural network in PyTorch with {model['parameters']:,} parameters ({shape}).",
            f"- Trained for {info['epochs']} epochs, the best was {info['best_epoch']} ({info['ended']}); "
            f"batches of {info['batch_size']} rows; {how}.",
            "- No constraint of fairness was put on the training.",
        ]
    )


def _factors(settings: dict[str, Any]) -> str:
    data = settings["data"]
    if not data["sensitive"]:
        return "No column is named as sensitive (`[data] sensitive` in `capstone.toml`)."
    names = ", ".join(code(name) for name in data["sensitive"])
    seen = (
        "and **the network sees them**"
        if data["use_sensitive"]
        else "the network does not see them"
    )
    return f"Sensitive columns: {names}; {seen}. Results are compared between their groups below."


def _metrics(settings: dict[str, Any], metrics: dict[str, Any]) -> str:
    lines = [
        f"- **{name}**{' (decides)' if name == metrics['primary_metric'] else ''}: "
        f"{(function.__doc__ or '').splitlines()[0]} "
        f"{'Lower' if name in LOWER_IS_BETTER else 'Higher'} is better."
        for name, function in METRICS[metrics["problem"]].items()
    ]
    resamples = settings["evaluation"]["bootstrap"]
    return "\n".join(
        [
            *lines,
            "",
            f"Intervals hold with 95 %: the test rows are drawn anew {resamples:,} times (bootstrap). A simpler "
            "model counts as beaten when the interval of the difference, on the same draws, leaves out zero.",
        ]
    )


def _evaluation_data(settings: dict[str, Any], info: dict[str, Any]) -> str:
    rows, split = info["rows"], settings["split"]
    by = {
        "group": f" by {code(split['group_column'])}",
        "time": f" by {code(split['time_column'])}",
    }
    return "\n".join(
        [
            f"- {code(info['data']['path'])}, SHA-256 {info['data']['sha256']}.",
            f"- {rows['test']:,} of {sum(rows.values()):,} rows, set apart before training; method: "
            f"{split['method']}{by.get(split['method'], '')}. Equal rows are never in two parts.",
            *([f"- {sampled}"] if (sampled := what_was_sampled(info)) else []),
        ]
    )


def _training_data(settings: dict[str, Any], info: dict[str, Any], schema: dict[str, Any]) -> str:
    data, rows = settings["data"], info["rows"]
    features = [name for name, about in schema.items() if about["role"] == "feature"]
    kinds = [
        [code(name), schema[name]["kind"], f"{schema[name]['missing']:.1%}"]
        for name in features[:MOST_COLUMNS]
    ]
    more = len(features) - len(kinds)
    left_out = short_list([code(name) for name in data["leave_out"]], 20)
    return "\n".join(
        [
            f"- {rows['train']:,} rows to learn from, {_stopped_on(rows, settings)}.",
            f"- Target: {code(data['target'])}. Columns left out: {left_out or 'none'}.",
            "",
            markdown_table(["Column of the table", "Kind", "Missing in training"], kinds),
            *([f"\n... and {more:,} more columns: see `schema.json` of the run."] if more else []),
        ]
    )


def scores_block(rows: int, metrics: dict[str, Any]) -> str:
    """The network beside the simpler models. When it does not win, the first sentence says so.

    rows  of the test part
    """
    wins = all(outcome == "better" for outcome in metrics["beats"].values())
    warning = "" if wins else "**Not every simpler model is beaten.** "
    baselines = metrics["baselines"]
    lines = [
        [
            name,
            number(score["value"]),
            f"{number(score['low'])} to {number(score['high'])}",
            *(number(scores[name]["value"]) for scores in baselines.values()),
        ]
        for name, score in metrics["model"].items()
    ]
    header = [
        *("Metric", "This model", "95 % interval"),
        *(name.replace("_", " ") for name in baselines),
    ]
    return "\n".join(
        [
            f"{warning}{verdict_sentence(metrics, 'the network')} On {rows:,} test rows:",
            "",
            markdown_table(header, lines),
        ]
    )


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


def _listed(values: dict[str, Any]) -> str:
    """{"hidden": [64, 32], "dropout": 0.1} as "hidden 64 and 32, dropout 0.1"."""
    items = []
    for name, value in values.items():
        words = " and ".join(map(str, value)) if isinstance(value, list) else str(value)
        items.append(f"{name.replace('_', ' ')} {words}")
    return cell(", ".join(items))


def _stopped_on(rows: dict[str, int], settings: dict[str, Any]) -> str:
    """The rows that told when to stop."""
    if "validation" in rows:
        return f"{rows['validation']:,} to decide when to stop"
    return f"of which each of {settings['network']['members']} networks held out its own part to decide when to stop"
