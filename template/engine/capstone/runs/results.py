"""A run as the report tells it: its files, read and checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.settings import Settings
from capstone.core.settings_file import load_settings
from capstone.runs.folder import Run
from capstone.training.target import Target


@dataclass(frozen=True)
class Story:
    """Everything that the report shows."""

    run: Run
    settings: Settings
    target: Target
    rows: pd.DataFrame  # predictions.csv
    history: pd.DataFrame
    shap: pd.DataFrame | None
    shap_values: pd.DataFrame | None

    @property
    def metrics(self) -> dict[str, Any]:
        """metrics.json."""
        return self.run.metrics

    @property
    def problem(self) -> str:
        """regression, binary or multiclass."""
        return self.target.problem

    def truth(self) -> np.ndarray:
        """The true numbers, or the number of each row's class."""
        return self.target.truth(self.rows["truth"])

    def prediction(self) -> np.ndarray:
        """The predicted numbers, or the probabilities (rows, classes)."""
        if self.problem == "regression":
            return self.rows["prediction"].to_numpy(float)
        return self.rows[[f"probability_{name}" for name in self.target.classes]].to_numpy(float)


def read_story(run: Run) -> Story:
    """Read a run's files. Raises CapstoneError for a file that is missing, cut short or another run's."""
    folder = run.folder
    settings = load_settings(folder, file_name="settings.toml")
    reading = "model.json"
    try:
        model = json.loads((folder / reading).read_text(encoding="utf-8"))
        target = Target(**model["target"])
        reading = "predictions.csv"
        keep = {} if target.problem == "regression" else {"truth": str, "prediction": str}
        rows = pd.read_csv(folder / reading, dtype=keep, keep_default_na=False, na_values=[""])
        reading = "history.csv"
        history = pd.read_csv(folder / reading)
        shap = values = None
        if "explanation" in run.metrics:
            reading = "shap.csv"
            shap = pd.read_csv(folder / reading, keep_default_na=False)
            reading = "shap_values.parquet"
            values = pd.read_parquet(folder / reading)
        story = Story(run, settings, target, rows, history, shap, values)
        reading = "metrics.json"
        _check_belongs(story)
    except CapstoneError:
        raise
    except (
        Exception
    ) as error:  # each reader has its own errors for a file that is missing or cut short
        raise CapstoneError(
            f"{folder / reading} can't be read ({type(error).__name__}): the run is not whole, "
            "so delete its folder and run again."
        ) from None
    return story


def _check_belongs(story: Story) -> None:
    """metrics.json must be about the rows of predictions.csv."""
    metrics, truth, prediction = story.metrics, story.truth(), story.prediction()
    if story.problem == "regression":
        name, again = "mae", float(np.abs(truth - prediction).mean())
    else:
        name, again = "accuracy", float((prediction.argmax(axis=1) == truth).mean())
    said = metrics["model"].get(name, {}).get("value", float("nan"))
    if metrics["problem"] != story.problem or not np.isclose(said, again, rtol=1e-6):
        raise CapstoneError(
            f"{story.run.folder / 'metrics.json'} is not about the predictions beside it ({name} {said:.6g} "
            f"there, {again:.6g} here): it belongs to another run or project, so run again."
        )
