"""The results of a run: its files, proved to be of one run, and read."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from capstone.core.settings import Settings
from capstone.evaluation.error_analysis import decided_class
from capstone.runs.folder import Run, read_settings
from capstone.runs.verify import (
    check_whole,
    read_csv,
    read_predictions,
    truth_and_prediction,
)
from capstone.training.description import ModelDescription
from capstone.training.model import ARCHITECTURE
from capstone.training.target import Target

HISTORY = "history.csv"
CURVES = {"epoch", "train_loss", "validation_loss"}


@dataclass(frozen=True)
class RunResults:
    """Everything that a report shows.

    Parameters
    ----------
    run : Run
        The run's folder, run.json and metrics.json.
    settings : Settings
        As they were for this run.
    target : Target
        What was predicted.
    rows : DataFrame
        predictions.csv, a line for each row of the test part.
    history : DataFrame
        history.csv, a line for each epoch.
    shap, shap_values : DataFrame, optional
        How much each column counts, on average and row by row; None where nothing was explained.
    """

    run: Run
    settings: Settings
    target: Target
    rows: pd.DataFrame
    history: pd.DataFrame
    shap: pd.DataFrame | None = None
    shap_values: pd.DataFrame | None = None

    @property
    def metrics(self) -> dict[str, Any]:
        """metrics.json."""
        return self.run.metrics

    @property
    def problem(self) -> str:
        """regression, binary or multiclass."""
        return self.target.problem

    def truth(self) -> np.ndarray:
        """The true numbers, or the number of each row's class, shape (rows,)."""
        return truth_and_prediction(self.rows, self.target.classes)[0]

    def decided(self) -> np.ndarray:
        """The number of the class decided for: of two, at the threshold of the decisions; else the likeliest."""
        threshold = self.metrics["threshold"]["value"] if self.problem == "binary" else None
        return decided_class(self.prediction(), threshold)

    def prediction(self) -> np.ndarray:
        """The predicted numbers, shape (rows,), or the probabilities, shape (rows, classes)."""
        return truth_and_prediction(self.rows, self.target.classes)[1]


def read_results(run: Run) -> RunResults:
    """Read all that a run has written.

    Raises
    ------
    CapstoneError
        When a file is missing, was changed, or is of another run.
    """
    check_whole(run)
    target = Target(**run.files.read_json(ARCHITECTURE, ModelDescription)["target"])
    results = RunResults(run, read_settings(run), target, read_predictions(run), read_history(run))
    if "explanation" not in run.metrics:
        return results
    shap = read_csv(run, "shap.csv", {})
    return replace(results, shap=shap, shap_values=_read_parquet(run, "shap_values.parquet"))


def read_history(run: Run) -> pd.DataFrame:
    """history.csv, a line for each epoch. Raises CapstoneError."""
    history = read_csv(run, HISTORY, {})
    numbers = history.select_dtypes("number").columns
    if len(history) != run.info["epochs"] or not set(numbers) >= CURVES:
        raise run.files.unusable(HISTORY, f"does not hold {run.info['epochs']} epochs of training")
    return history


def _read_parquet(run: Run, name: str) -> pd.DataFrame:
    content = io.BytesIO(run.files.read(name))
    try:
        return pd.read_parquet(content)
    except Exception as error:  # pyarrow has many for a damaged file
        raise run.files.unusable(name, f"can't be read ({type(error).__name__})") from None
