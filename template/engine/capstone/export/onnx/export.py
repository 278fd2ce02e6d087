"""model.onnx and serving.json: written at the end of a run, and compared with what was measured."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.files import write_json
from capstone.core.project import features_sha256, load_module, package_name
from capstone.core.settings import Settings
from capstone.evaluation.explanation import BACKGROUND, CANDIDATES
from capstone.evaluation.shapley import typical_places
from capstone.export.onnx.preprocessing_graph import build_graph
from capstone.export.onnx.steps_check import judge_steps
from capstone.runs.folder import GRAPH, SCHEMA, SERVING
from capstone.serving.inference.arrays import Arrays
from capstone.serving.inference.frames import frame_for_graph, raw_kinds
from capstone.serving.inference.graph import FORMAT, Graph
from capstone.training.model import TrainedModel

LARGEST_GAP = (
    1e-5  # between torch and the graph: of a probability, or as a share of the predictions' spread
)


@dataclass(frozen=True)
class Rows:
    """The rows of a run.

    raw       the table as loaded
    table     the same after engineer(), as far as its rows are used
    features  its columns that the network may see
    parts     row numbers of "train", "test" and so on
    """

    raw: pd.DataFrame
    table: pd.DataFrame
    features: list[str]
    parts: dict[str, pd.Index]


def export_run(
    folder: Path,
    root: Path,
    settings: Settings,
    model: TrainedModel,
    rows: Rows,
    known: dict[str, Any],
    metrics: dict[str, Any],
) -> tuple[dict[str, str], list[str]]:
    """Write model.onnx and serving.json into a run folder that has its other files already.

    known  what recommend_action is told of every row
    Returns the SHA-256 of each file that a service needs, and what the student should know.
    """
    model = replace(model, network=copy.deepcopy(model.network).cpu())
    columns = {
        name: {"kind": kind, "format": model.preprocessor.date_formats.get(name)}
        for name, kind in model.preprocessor.kinds.items()
    }
    written = build_graph(model, columns).SerializeToString()
    (folder / GRAPH).write_bytes(written)
    test = rows.table.loc[rows.parts["test"], rows.features]
    given = frame_for_graph(test, columns)
    check_agreement(Graph(written), model, test, given)
    raw = rows.raw.drop(columns=model.target.name)
    kinds, lost = raw_kinds(raw), raw.index.difference(rows.table.index)
    steps = judge_steps(root, raw, kinds, given, test.index, lost, columns)
    if steps["tables"] == "arrays" and _imports_pandas(root):
        place = f"src/{package_name(root)}/features.py"
        steps["notes"].append(
            f"{place} imports pandas without need: take the line out, and a service starts quicker"
        )
    score = metrics["model"][metrics["primary_metric"]]
    serving = {
        "format": FORMAT,
        "problem": model.target.problem,
        "target": model.target.name,
        "classes": model.target.classes,
        "columns": columns,
        "raw": kinds,
        "known": known,
        "steps": {**steps, "sha256": features_sha256(root)},
        "background": _background(model, rows, columns, settings.seed),
        "project": settings.project.model_dump(include={"name", "question"}),
        "metric": {
            "name": metrics["primary_metric"],
            "higher_is_better": metrics["higher_is_better"],
            **score,
        },
    }
    write_json(folder / SERVING, serving)
    files = {name: _sha256(folder / name) for name in (GRAPH, SERVING, SCHEMA)}
    return files, [*steps["notes"], *([steps["refused"]] if steps["refused"] else [])]


def check_agreement(graph: Graph, model: TrainedModel, table: pd.DataFrame, given: Arrays) -> float:
    """The largest gap between graph and torch on these rows, both computed by the processor.

    Of numbers it is a share of the predictions' standard deviation (or of the target's, where that is larger).
    Raises CapstoneError when it is above LARGEST_GAP.
    """
    expected, got = model.predict(table), graph.predict(given)
    gap = np.abs(expected - got)
    if model.target.problem == "regression":
        gap = gap / max(float(expected.std()), model.target.scale)
    largest = float(gap.max())
    if not largest <= LARGEST_GAP:
        row = table.index[int(np.unravel_index(gap.argmax(), gap.shape)[0])]
        raise CapstoneError(
            f"model.onnx differs from your network by {largest:.2g} in row {row} (at most {LARGEST_GAP:g} is "
            "allowed), so that a service would answer otherwise than was measured: NeuralNetwork.forward() must "
            "compute the same each time, from the row alone."
        )
    return largest


def _imports_pandas(root: Path) -> bool:
    """Whether features.py has a name for pandas."""
    return any(value is pd for value in vars(load_module(root, "features")).values())


def _background(
    model: TrainedModel, rows: Rows, columns: dict[str, Any], seed: int
) -> dict[str, list[Any]]:
    """Some training rows, spread over the predictions, as the graph takes them."""
    train = rows.parts["train"]
    some = np.sort(np.random.default_rng(seed).permutation(len(train))[:CANDIDATES])
    table = rows.table.loc[train[some], rows.features]
    predicted = model.predict(table)
    predicted = predicted[:, None] if predicted.ndim == 1 else predicted
    chosen = frame_for_graph(table.iloc[typical_places(predicted, BACKGROUND)], columns)
    return {name: column.ravel().tolist() for name, column in chosen.items()}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
