"""The model card's blocks from a run. Their words are in templates/model_card/, a file for each block."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from capstone.core.errors import short_list
from capstone.core.text import verdict_sentence
from capstone.evaluation.metrics import LOWER_IS_BETTER, METRICS
from capstone.reporting.card.group_blocks import overlapping_groups, single_groups
from capstone.reporting.card.markdown_blocks import blocks, cell, code
from capstone.reporting.rendering import environment, made_by_this_version
from capstone.runs.folder import Run, read_settings
from capstone.runs.forms import Schema
from capstone.runs.provenance import what_was_sampled
from capstone.runs.verify import check_whole
from capstone.training.description import ModelDescription

MODEL_CARD = Path("docs", "model_card.md")
MOST_COLUMNS = 60  # in the table of columns
TEMPLATES = (
    *("run", "model", "factors", "metrics", "evaluation-data", "training-data"),
    *("overall", "decision"),
)


def model_card_blocks(run: Run) -> dict[str, str]:
    """What a run writes into docs/model_card.md.

    Parameters
    ----------
    run : Run
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
    settings, metrics = read_settings(run).model_dump(), run.metrics
    sensitive = settings["data"]["sensitive"]
    schema = run.files.read_json("schema.json", Schema)
    with made_by_this_version(run):
        values = {
            "run_id": run.id,
            "info": run.info,
            "settings": settings,
            "metrics": metrics,
            "model": run.files.read_json("model.json", ModelDescription),
            "features": [
                (name, column) for name, column in schema.items() if column["role"] == "feature"
            ],
            "sampled": what_was_sampled(run.info),
        }
        return {
            "results": _results(settings["project"]["name"], run.info["data"]["path"], metrics),
            **{name: card_block(name, **values) for name in TEMPLATES},
            "groups": single_groups(sensitive, metrics),
            "intersections": overlapping_groups(sensitive, metrics),
        }


def card_block(name: str, **values: object) -> str:
    """One block in Markdown, from its template and what it shows."""
    markdown = environment(autoescape=False)
    markdown.filters |= {
        "cell": cell,
        "code": code,
        "listed": _listed,
        "short_list": short_list,
        "verdict_sentence": verdict_sentence,
    }
    template = markdown.get_template(f"model_card/{name}.md")
    shared = {
        "definitions": METRICS,
        "lower_is_better": LOWER_IS_BETTER,
        "most_columns": MOST_COLUMNS,
    }
    return template.render(**shared, **values).strip()


def run_of_card(text: str, path: Path) -> str:
    """Which run a model card quotes.

    Parameters
    ----------
    text : str
        The model card.
    path : Path
        Where it lies, for errors.

    Returns
    -------
    str
        The id of the run, or "" when the card was never filled.

    Raises
    ------
    CapstoneError
        When a marker was deleted, doubled or moved into another block.
    """
    start, end = blocks(text, path).get("run", (0, 0))
    named = re.search(r"Run `(\w+-\w+)`", text[start:end])
    return named[1] if named else ""


def _results(name: str, data_path: str, metrics: dict[str, Any]) -> str:
    """YAML for the Hugging Face Hub: https://huggingface.co/docs/hub/model-cards#evaluation-results"""
    kind = "regression" if metrics["problem"] == "regression" else "classification"
    result = {
        "task": {"type": f"tabular-{kind}"},
        "dataset": {"type": "tabular", "name": data_path, "split": "test"},
        "metrics": [
            {"type": metric, "value": round(score["value"], 6)}
            for metric, score in metrics["model"].items()
            if score["value"] is not None
        ],
    }
    index = {"model-index": [{"name": name, "results": [result]}]}
    return yaml.safe_dump(index, allow_unicode=True, sort_keys=False, width=1e9).strip()


def _listed(values: dict[str, Any]) -> str:
    """{"hidden": [64, 32], "dropout": 0.1} as "hidden 64 and 32, dropout 0.1"."""
    items = []
    for name, value in values.items():
        if isinstance(value, dict):  # of the pieces that numbers are cut into, how many there are
            value = len(next(iter(value.values()), []))
        words = " and ".join(map(str, value)) if isinstance(value, list) else str(value)
        items.append(f"{name.replace('_', ' ')} {words}")
    return cell(", ".join(items))
