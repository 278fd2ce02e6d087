"""A run's numbers in words and Markdown tables: what `capstone card` writes into the model card."""

from __future__ import annotations

from typing import Any

import yaml

from capstone.core.errors import short_list
from capstone.core.text import number
from capstone.evaluation.metrics import LOWER_IS_BETTER, METRICS
from capstone.reporting.card.groups import decision_rule, overlapping_groups, single_groups
from capstone.reporting.card.markdown_blocks import cell, code, table
from capstone.runs.folder import Run
from capstone.runs.provenance import what_was_sampled
from capstone.runs.verify import read_json, read_settings

MOST_COLUMNS = 60
MODELS = {
    "dummy": "a dummy that ignores the columns",
    "linear": "a linear model",
    "gradient_boosting": "gradient boosting",
}
WORDS = {"better": "better than", "worse": "worse than", "undecided": "undecided against"}


def card_blocks(run: Run) -> dict[str, str]:
    """Every block of docs/model_card.md by its name, from a run that is whole."""
    settings, info, metrics = read_settings(run), run.info, run.metrics
    return {
        "results": _results(settings, info, metrics),
        "run": _run(run),
        "model": _model(settings, info, read_json(run.folder / "model.json")),
        "factors": _factors(settings),
        "metrics": _metrics(settings, metrics),
        "evaluation-data": _evaluation_data(settings, info),
        "training-data": _training_data(settings, info, read_json(run.folder / "schema.json")),
        "overall": _overall(info, metrics),
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
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines = [
        f"- Run `{run.id}`, finished {info['finished']}, seed {info['seed']}.",
        f"- Code: {commit}{dirty}.",
        f"- Made with {told} on {info['device']}.",
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
            table(["Column of the table", "Kind", "Missing in training"], kinds),
            *([f"\n... and {more:,} more columns: see `schema.json` of the run."] if more else []),
        ]
    )


def _overall(info: dict[str, Any], metrics: dict[str, Any]) -> str:
    """The network beside the simpler models. When it does not win, the first sentence says so."""
    said = [
        f"{WORDS.get(verdict, verdict)} {MODELS.get(name, name)}"
        for name, verdict in metrics["beats"].items()
    ]
    lost = [name for name, verdict in metrics["beats"].items() if verdict != "better"]
    warning = "**Not every simpler model is beaten.** " if lost else ""
    baselines = metrics["baselines"]
    rows = [
        [
            name,
            number(score["value"]),
            f"{number(score['low'])} to {number(score['high'])}",
            *(number(scores[name]["value"]) for scores in baselines.values()),
        ]
        for name, score in metrics["model"].items()
    ]
    header = [
        "Metric",
        "This model",
        "95 % interval",
        *(name.replace("_", " ") for name in baselines),
    ]
    return "\n".join(
        [
            f"{warning}By {metrics['primary_metric']}, the network is {', '.join(said)}. "
            f"On {info['rows']['test']:,} test rows:",
            "",
            table(header, rows),
        ]
    )


def _listed(values: dict[str, Any]) -> str:
    """{"hidden": [64, 32], "dropout": 0.1} as "hidden 64 and 32, dropout 0.1"."""
    told = []
    for name, value in values.items():
        words = " and ".join(map(str, value)) if isinstance(value, list) else str(value)
        told.append(f"{name.replace('_', ' ')} {words}")
    return cell(", ".join(told))


def _stopped_on(rows: dict[str, int], settings: dict[str, Any]) -> str:
    """The rows that told when to stop."""
    if "validation" in rows:
        return f"{rows['validation']:,} to decide when to stop"
    return f"of which each of {settings['network']['members']} networks held out its own part to decide when to stop"
