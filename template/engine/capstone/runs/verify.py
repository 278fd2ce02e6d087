"""Whether a run folder is whole and all of one piece, before anyone quotes it."""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from capstone.core.decisions import PROBABILITY
from capstone.core.errors import CapstoneError
from capstone.core.settings import Data
from capstone.core.settings_file import load_settings
from capstone.core.text import VERDICTS, setting_text
from capstone.evaluation.metrics import METRICS, brier, mae
from capstone.runs.folder import GRAPH, SCHEMA, SERVING, Run

INFO = {
    *("finished", "seed", "data", "rows", "git", "versions", "files"),
    *("quick", "test_looks", "device"),
}
SECTIONS = ("project", "data", "split", "preprocessing", "network", "training", "evaluation")
RUN_FILES = (
    *("run.json", "settings.toml", "metrics.json", "predictions.csv", "history.csv", "schema.json"),
    *("model.json", "model.safetensors", "preprocessing.skops", "model.onnx", "serving.json"),
)


def check_whole(run: Run) -> None:
    """Prove that a run's files are all there, whole, and of one run.

    Raises
    ------
    CapstoneError
        When a file is missing, cut short, or of another run: it names the file and what is wrong with it.
    """
    for name in RUN_FILES:
        path = run.folder / name
        if not path.is_file() or path.stat().st_size == 0:
            raise not_whole(path, "is empty" if path.is_file() else "is missing")
        if name.endswith(".json"):
            read_json(path)
    _check_info(run)
    for name in (GRAPH, SERVING, SCHEMA):
        sha256 = hashlib.sha256((run.folder / name).read_bytes()).hexdigest()
        if sha256 != run.info["files"].get(name):
            raise not_whole(run.folder / name, "is not the file that the run wrote")
    _check_model(run.folder)
    _check_scores(run)
    table = read_predictions(run)
    rows = run.info["rows"].get("test")
    if len(table) != rows:
        raise not_whole(
            run.folder / "predictions.csv",
            f"has {len(table):,} rows, not the {rows} of the test part",
        )
    _check_fit(run, table)


def _check_info(run: Run) -> None:
    """run.json must say what is asked of it."""
    info, path = run.info, run.folder / "run.json"
    if absent := INFO - set(info):
        raise not_whole(path, f'does not say "{min(absent)}"')
    for name in ("data", "rows", "git", "versions", "files"):
        if not isinstance(info[name], dict):
            raise not_whole(path, f'says "{name}" in an unknown form')
    if not {"path", "sha256"} <= set(info["data"]):
        raise not_whole(path, "does not say which data")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of a run, which holds an object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise not_whole(path, f"can't be read ({type(error).__name__})") from None
    if not isinstance(value, dict):
        raise not_whole(path, "holds no JSON object")
    return value


def read_settings(run: Run) -> dict[str, Any]:
    """The sections of a run's settings.toml, as they were then."""
    path = run.folder / "settings.toml"
    try:
        settings = load_settings(run.folder, file_name=path.name).model_dump()
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except (CapstoneError, OSError, ValueError) as error:
        raise not_whole(path, f"can't be read ({error})") from None
    if absent := [name for name in SECTIONS if name not in written]:
        raise not_whole(path, f"is cut short: it has no section [{absent[0]}]")
    return settings


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
    path = run.folder / "predictions.csv"
    numbers = run.metrics.get("problem") == "regression"
    words = {} if numbers else {"truth": str, "prediction": str}
    try:
        table = pd.read_csv(path, dtype=words, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        raise not_whole(path, f"can't be read ({type(error).__name__})") from None
    if absent := {"row", "truth", "prediction"} - set(table):
        raise not_whole(path, f'has no column "{min(absent)}"')
    return table


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


def _check_model(folder: Path) -> None:
    weights, preprocessing = folder / "model.safetensors", folder / "preprocessing.skops"
    try:
        with safe_open(weights, framework="np"):  # reads the header, and compares it with the size
            pass
    except (SafetensorError, OSError):
        raise not_whole(weights, "is cut short") from None
    if not zipfile.is_zipfile(preprocessing):
        raise not_whole(preprocessing, "is cut short")


def _check_scores(run: Run) -> None:
    """metrics.json must hold every metric of its problem, for the network and each baseline."""
    path, metrics = run.folder / "metrics.json", run.metrics
    problem = read_settings(run)["data"]["problem"]
    if metrics.get("problem") != problem:
        raise not_whole(
            path,
            f'is of another project: its problem is {setting_text(metrics.get("problem"))}, not "{problem}"',
        )
    try:
        names = list(METRICS[problem])
        for scores in (metrics["model"], *metrics["baselines"].values()):
            for name in names:
                _ = scores[name]["value"], scores[name]["low"], scores[name]["high"]
        _ = metrics["model"][metrics["primary_metric"]]
        if odd := [word for word in metrics["beats"].values() if word not in VERDICTS]:
            raise not_whole(path, f'has the unknown verdict "{odd[0]}"')
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise not_whole(path, f"is not complete (no {error})") from None


def _check_fit(run: Run, table: pd.DataFrame) -> None:
    """A metric computed again from predictions.csv must be the one in metrics.json."""
    once = np.ones((1, len(table)))
    name, metric = ("mae", mae) if run.metrics["problem"] == "regression" else ("brier", brier)
    try:
        classes = read_json(run.folder / "model.json")["target"]["classes"]
        truth, prediction = truth_and_prediction(table, classes)
        value = metric(truth, prediction, once)[0]
    except (KeyError, TypeError, ValueError):
        raise not_whole(run.folder / "predictions.csv", "holds no numbers of this run") from None
    written = run.metrics["model"][name]["value"]
    if not isinstance(written, (int, float)) or not math.isclose(value, written, rel_tol=1e-6):
        raise not_whole(
            run.folder / "metrics.json",
            f"is of another run or project: by predictions.csv {name} is {value:.6g}, it says {written}",
        )


def not_whole(path: Path, what: str) -> CapstoneError:
    """The one sentence on a file of a run that can't be used."""
    return CapstoneError(
        f"The run in {path.parent} is not whole: {path.name} {what}. Delete that folder and run again: `capstone run`."
    )
