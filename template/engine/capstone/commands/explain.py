"""`capstone explain --row ID`: why the network predicts what it predicts for one row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError, did_you_mean
from capstone.core.settings_file import load_settings
from capstone.data.reading import fingerprint
from capstone.evaluation.explanation import explain
from capstone.pipeline import RunOptions
from capstone.reporting.explanation_page import RowExplanation
from capstone.runs.folder import Run
from capstone.streaming.pipeline import open_pipeline
from capstone.training.model import TrainedModel


def explain_row(root: Path, run: Run, wanted: str) -> RowExplanation:
    """Explain a row of the run's table, named by its id or, without an id column, by its row number."""
    settings = load_settings(run.folder, file_name="settings.toml")
    path = root / settings.data.path
    model = TrainedModel.load(run.folder, root)
    options = RunOptions(keep_row=wanted, streamed=run.info.get("streamed", False))
    pipeline = open_pipeline(settings, root, options, say=lambda line: None)
    pipeline.load().clean().engineer().split()
    if fingerprint(path) != run.info["data"]["sha256"]:
        raise CapstoneError(
            f"{settings.data.path} has changed since {run.id}: explain a newer run, or run again."
        )
    row = _find(pipeline.table, settings.data.id, wanted)
    features = pipeline.table[pipeline.features]
    rows = model.preprocessor.transform(features.loc[[row]])
    background = model.preprocessor.transform(features.loc[pipeline.parts["train"]])
    origins = model.preprocessor.origins
    found = explain(
        model.predict_matrix, rows, background, origins, settings.seed, model.parameters()
    )
    predicted, target = model.predict_matrix(rows)[0], model.target
    number, output = 0, target.name
    if target.problem != "regression":
        number = 1 if target.problem == "binary" else int(np.argmax(predicted))
        output, predicted = f"probability of {target.classes[number]}", predicted[number]
    columns = pd.DataFrame(
        {
            "column": found.columns,
            "value": [_shown(features.loc[row, name]) for name in found.columns],
            "moved": found.values[0, :, number],
        }
    )
    order = columns["moved"].abs().sort_values(ascending=False, kind="stable").index
    parts = [part for part, its in pipeline.parts.items() if row in its]
    return RowExplanation(
        row=wanted,
        part=parts[0] if parts else "none",
        output=output,
        base=float(found.base[number]),
        predicted=float(predicted),
        truth=_shown(pipeline.target[row]),
        columns=columns.loc[order].reset_index(drop=True),
        method=found.method,
    )


def _find(table: pd.DataFrame, id_column: str, wanted: str) -> int:
    """The row number of an id, or the number itself."""
    if id_column in table:
        ids = table[id_column].astype(str)
        matches = table.index[ids == wanted]
        if len(matches):
            return int(matches[0])
        known, what = ids.head(5000).tolist(), f'{id_column} "{wanted}"'
    else:
        if wanted.isdigit() and int(wanted) in table.index:
            return int(wanted)
        known, what = [str(number) for number in table.index[:3]], f"row number {wanted}"
    raise CapstoneError(
        f"No row of the table, as clean() leaves it, has the {what}{did_you_mean(wanted, known)}"
    )


def _shown(value: object) -> str:
    if pd.isna(value):
        return "(missing)"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
