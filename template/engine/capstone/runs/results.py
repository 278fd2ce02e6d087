"""The results of a run: its files, proved to be of one run, and read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from capstone.core.settings import Settings
from capstone.evaluation.error_analysis import decided_class
from capstone.runs.folder import Run
from capstone.runs.verify import (
    check_whole,
    not_whole,
    read_json,
    read_predictions,
    read_settings,
    truth_and_prediction,
)
from capstone.training.target import Target


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
        When a file is missing, cut short, or of another run.
    """
    check_whole(run)
    folder = run.folder
    try:
        target = Target(**read_json(folder / "model.json")["target"])
    except (KeyError, TypeError):
        raise not_whole(folder / "model.json", "does not say what was predicted") from None
    settings = Settings.model_validate(read_settings(run))
    history = _read_table(folder / "history.csv")
    results = RunResults(run, settings, target, read_predictions(run), history)
    if "explanation" not in run.metrics:
        return results
    shap = _read_table(folder / "shap.csv")
    return replace(results, shap=shap, shap_values=_read_table(folder / "shap_values.parquet"))


def _read_table(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, keep_default_na=False, na_values=[""])
    except Exception as error:  # each reader has its own errors for a damaged file
        raise not_whole(path, f"can't be read ({type(error).__name__})") from None
