"""Whether a run folder is whole and all of one piece, before anyone quotes it."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError, deserialize

from capstone.core.decisions import PROBABILITY
from capstone.core.errors import CapstoneError
from capstone.core.sealed_files import (
    LARGEST_ALONE,
    Unreadable,
    check_form,
    parse_json,
    read_file,
)
from capstone.core.settings import Data
from capstone.core.text import setting_text
from capstone.evaluation.metrics import METRICS, brier, mae
from capstone.runs.folder import GRAPH, SCHEMA, SERVING, SETTINGS, VERDICT, Run, read_settings
from capstone.runs.forms import Schema, Serving, Verdict
from capstone.training.description import ModelDescription
from capstone.training.model import ARCHITECTURE, PREPROCESSING, WEIGHTS

METRICS_FILE, PREDICTIONS = "metrics.json", "predictions.csv"
# What every run writes, besides run.json.
RUN_FILES = (
    *(SETTINGS, METRICS_FILE, PREDICTIONS, "history.csv", SCHEMA),
    *(ARCHITECTURE, WEIGHTS, PREPROCESSING, GRAPH, SERVING),
)


def check_whole(run: Run) -> None:
    """Prove that a run's files are all there, are those that it wrote, and agree with each other.

    Raises
    ------
    CapstoneError
        When a file is missing, was changed, or is of another run: it names the file and what is wrong with it.
    """
    run.files.check()
    for name in RUN_FILES:
        run.files.read(name)
    run.files.read_json(SCHEMA, Schema)
    run.files.read_json(SERVING, Serving)
    model = run.files.read_json(ARCHITECTURE, ModelDescription)
    _check_model(run)
    _check_scores(run)
    table = read_predictions(run)
    rows = run.info["rows"]["test"]
    if len(table) != rows:
        raise run.files.unusable(
            PREDICTIONS, f"has {len(table):,} rows, not the {rows} of the test part"
        )
    _check_fit(run, table, model["target"]["classes"])


def note_on_hashes(run: Run) -> str:
    """What nobody can know of a run that release 0.1.0 made; "" for any other."""
    if run.files.all_hashed:
        return ""
    return (
        f"{run.id} was made by release 0.1.0, which noted the SHA-256 of three files only: whether "
        "the others were changed since, nobody can see; `capstone run` makes a run that knows all of its files"
    )


def read_verdict(run: Run) -> Verdict | None:
    """What `capstone reproduce` found; None when it was never asked, or the run is not as it was then."""
    path = run.folder / VERDICT
    if not path.exists():
        return None
    try:
        verdict = check_form(Verdict, parse_json(read_file(path, LARGEST_ALONE)))
    except Unreadable as error:
        raise CapstoneError(
            f"{path} {error}; `capstone reproduce {run.id}` writes a new one."
        ) from None
    of_this_run = verdict.run == run.files.sha256 or not (verdict.run or run.files.all_hashed)
    return verdict if of_this_run else None


def predictions_table(
    test: pd.DataFrame, truth: pd.Series, data: Data, columns: dict[str, Any]
) -> pd.DataFrame:
    """predictions.csv: row number, id, groups of the sensitive columns, truth, and what was predicted."""
    table = pd.DataFrame({"row": test.index})
    for name in [data.id, *data.sensitive]:
        if name and name in test:
            table[name] = test[name].to_numpy()
    table["truth"] = truth.to_numpy()
    return table.assign(**columns)


def read_predictions(run: Run) -> pd.DataFrame:
    """predictions.csv; classes and groups stay as they were written ("NA" or "01" is a name like any other).

    Raises CapstoneError when it can't be read.
    """
    words = {} if run.metrics["problem"] == "regression" else {"truth": str, "prediction": str}
    table = read_csv(run, PREDICTIONS, words)
    if absent := {"row", "truth", "prediction"} - set(table):
        raise run.files.unusable(PREDICTIONS, f'has no column "{min(absent)}"')
    return table


def read_csv(run: Run, name: str, dtype: Mapping[str, type]) -> pd.DataFrame:
    """A table that the run wrote. Raises CapstoneError."""
    content = io.BytesIO(run.files.read(name))
    try:
        return pd.read_csv(content, dtype=dtype, keep_default_na=False, na_values=[""])
    except (ValueError, OverflowError, MemoryError) as error:  # pandas' own are ValueErrors
        raise run.files.unusable(name, f"can't be read ({type(error).__name__})") from None


def truth_and_prediction(table: pd.DataFrame, classes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """What predictions.csv holds, as the metrics take it.

    Parameters
    ----------
    table : DataFrame
        predictions.csv, as `read_predictions` gives it.
    classes : list of str
        In the order of the model's outputs; none for regression.

    Returns
    -------
    tuple of ndarray
        The truth, shape (rows,): numbers, or the number of each row's class. The prediction: numbers of shape
        (rows,), or probabilities of shape (rows, classes).

    Raises
    ------
    KeyError, ValueError
        When the table is not of these classes.
    """
    if not classes:
        return table["truth"].to_numpy(float), table["prediction"].to_numpy(float)
    truth = np.array([classes.index(name) for name in table["truth"]])
    return truth, table[[f"{PROBABILITY}{name}" for name in classes]].to_numpy(float)


def _check_model(run: Run) -> None:
    """Weights and preprocessing must be complete; what they hold is looked at when the model is loaded."""
    try:
        deserialize(run.files.read(WEIGHTS))
    except SafetensorError:
        raise run.files.unusable(WEIGHTS, "is cut short") from None
    if not zipfile.is_zipfile(io.BytesIO(run.files.read(PREPROCESSING))):
        raise run.files.unusable(PREPROCESSING, "is cut short")


def _check_scores(run: Run) -> None:
    """metrics.json must hold every metric of its problem, for the network and each baseline."""
    metrics, problem = run.metrics, read_settings(run).data.problem
    if metrics["problem"] != problem:
        raise run.files.unusable(
            METRICS_FILE,
            f'is of another project: its problem is {setting_text(metrics["problem"])}, not "{problem}"',
        )
    for scores in (metrics["model"], *metrics["baselines"].values()):
        if absent := [name for name in METRICS[problem] if name not in scores]:
            raise run.files.unusable(METRICS_FILE, f'is not complete (no "{absent[0]}")')


def _check_fit(run: Run, table: pd.DataFrame, classes: list[str]) -> None:
    """A metric computed again from predictions.csv must be the one in metrics.json."""
    once = np.ones((1, len(table)))
    name, metric = ("mae", mae) if run.metrics["problem"] == "regression" else ("brier", brier)
    try:
        truth, prediction = truth_and_prediction(table, classes)
        value = metric(truth, prediction, once)[0]
    except (KeyError, TypeError, ValueError):
        raise run.files.unusable(PREDICTIONS, "holds no numbers of this run") from None
    written = run.metrics["model"][name]["value"]
    if written is None or not math.isclose(value, written, rel_tol=1e-6):
        raise run.files.unusable(
            METRICS_FILE,
            f"is of another run or project: by predictions.csv {name} is {value:.6g}, it says {written}",
        )
