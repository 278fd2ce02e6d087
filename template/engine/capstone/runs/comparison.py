"""Finished runs side by side: what each was made from, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.settings import flatten
from capstone.core.text import setting_text
from capstone.evaluation.evaluate import evaluate_model
from capstone.evaluation.metrics import LOWER_IS_BETTER
from capstone.runs.folder import Run, read_runs, read_settings
from capstone.runs.results import read_history
from capstone.runs.verify import PREDICTIONS, read_predictions, truth_and_prediction
from capstone.training.description import ModelDescription
from capstone.training.model import ARCHITECTURE

RESAMPLES = 500  # draws of the test rows, to tell a difference from chance


@dataclass(frozen=True)
class Answers:
    """What a run predicted for its test rows.

    Parameters
    ----------
    rows : list of str
        Which rows of the table they are.
    classes : list of str
        In the order of the probabilities; none for regression.
    truth, prediction : ndarray
        As the metrics take them.
    """

    rows: list[str]
    classes: list[str]
    truth: np.ndarray
    prediction: np.ndarray

    @classmethod
    def read(cls, run: Run) -> Answers:
        """Read predictions.csv. Raises CapstoneError when it is not as the run wrote it."""
        table = read_predictions(run)
        classes = run.files.read_json(ARCHITECTURE, ModelDescription)["target"]["classes"]
        try:
            truth, prediction = truth_and_prediction(table, classes)
        except (KeyError, TypeError, ValueError):
            raise run.files.unusable(PREDICTIONS, "holds no numbers of this run") from None
        return cls([str(row) for row in table["row"]], classes, truth, prediction)

    def are_for_the_rows_of(self, other: Answers) -> bool:
        """Whether both are about the same rows with the same truth."""
        same_rows = (self.rows, self.classes) == (other.rows, other.classes)
        return same_rows and np.array_equal(self.truth, other.truth)


@dataclass(frozen=True)
class ComparedRun:
    """A run with what it was made from.

    Parameters
    ----------
    run : Run
        Its folder, run.json and metrics.json.
    history : DataFrame
        history.csv, a line for each epoch.
    answers : Answers
        What it predicted for the test rows.
    settings : dict of str
        Each setting as capstone.toml would write it, by its name: {"training.epochs": "200", ...}.
    files : dict of str
        The SHA-256 of the table and of each file of the student's package, by their names.
    versions : dict of str
        Of Python, the system and the libraries.
    """

    run: Run
    history: pd.DataFrame
    answers: Answers
    settings: dict[str, str]
    files: dict[str, str]
    versions: dict[str, str]

    @classmethod
    def read(cls, run: Run) -> ComparedRun:
        """Read what the comparison needs. Raises CapstoneError when a file is not as it was written."""
        settings = flatten(read_settings(run).model_dump())
        info = run.info
        return cls(
            run,
            read_history(run),
            Answers.read(run),
            {name: setting_text(value) for name, value in settings.items()},
            {info["data"]["path"]: info["data"]["sha256"], **info.get("code", {})},
            info["versions"],
        )

    @property
    def seconds(self) -> float:
        """How long all seven steps took; 0 where the run does not say."""
        return sum(self.run.info.get("seconds", {}).values())

    @property
    def on_validation(self) -> float | None:
        """The metric that decides, on the rows that one may choose by."""
        metrics = self.run.metrics
        return metrics["validation"].get(metrics["primary_metric"])

    def changes_since(self, before: ComparedRun) -> list[str]:
        """What is not as it was in another run: settings, the table, code, libraries."""
        return [
            *_changed(before.settings, self.settings, "{name} = {now} (was {was})"),
            *_changed(before.files, self.files, "{name} changed"),
            *_changed(before.versions, self.versions, "{name} {now} (was {was})"),
        ]


def _changed(before: Mapping[str, str], now: Mapping[str, str], form: str) -> list[str]:
    """A phrase for each name that both runs know, and whose value is another."""
    return [
        form.format(name=name, now=now[name], was=before[name])
        for name in now
        if name in before and now[name] != before[name]
    ]


def compared_runs(runs: Path) -> tuple[list[ComparedRun], list[str]]:
    """All runs that can be compared, oldest first, and a sentence on each that can't.

    Parameters
    ----------
    runs : Path
        The folder of all runs, `root / "runs"`.

    Returns
    -------
    tuple of list of ComparedRun and list of str
        Those with the newest run's metric, and why the others are not among them.

    Raises
    ------
    CapstoneError
        When there is none.
    """
    readable, problems = read_runs(runs)
    sentences, compared = list(problems.values()), []
    for run in readable:
        try:
            compared.append(ComparedRun.read(run))
        except CapstoneError as error:
            sentences.append(str(error))
    if not compared:
        nothing = f"There is no finished run in {runs}: start with `capstone run`."
        raise CapstoneError(sentences[-1] if sentences else nothing)
    return compared, sentences


def same_metric(compared: list[ComparedRun]) -> list[ComparedRun]:
    """Those that have a value of the newest run's metric. Raises CapstoneError when none has."""
    metric = compared[-1].run.metrics["primary_metric"]
    found = [
        one
        for one in compared
        if one.run.metrics["primary_metric"] == metric
        and None not in one.run.metrics["model"][metric].values()
    ]
    if not found:
        raise CapstoneError(f"No run has a value of {metric}: there is nothing to compare.")
    return found


def run_before(earlier: list[ComparedRun]) -> ComparedRun | None:
    """The run to name changes against: the last one, passing over quick runs where there is another."""
    serious = [one for one in earlier if not one.run.info["quick"]]
    return (serious or earlier)[-1] if earlier else None


def best_on_validation(compared: list[ComparedRun]) -> ComparedRun | None:
    """The one to choose: the best by validation rows, a quick run only where there is no other."""
    scored = [one for one in compared if one.on_validation is not None]
    serious = [one for one in scored if not one.run.info["quick"]] or scored
    if not serious:
        return None
    sign = -1 if serious[-1].run.metrics["primary_metric"] in LOWER_IS_BETTER else 1
    return max(serious, key=lambda one: sign * (one.on_validation or 0.0))


def verdicts(chosen: ComparedRun, compared: list[ComparedRun]) -> dict[str, str]:
    """How the chosen run does beside each other one that was measured on the same test rows.

    Parameters
    ----------
    chosen : ComparedRun
        The run to judge.
    compared : list of ComparedRun
        All runs, the chosen one among them or not.

    Returns
    -------
    dict of str
        By run id: "better", "worse" or "undecided". Both are measured on the same resamples of the rows, as the
        simpler models are, so that a difference is judged pair by pair.
    """
    ours, metrics = chosen.answers, chosen.run.metrics
    others = {
        one.run.id: one.answers.prediction
        for one in compared
        if one is not chosen and one.answers.are_for_the_rows_of(ours)
    }
    predictions = {"model": ours.prediction, **others}
    problem, metric = metrics["problem"], metrics["primary_metric"]
    found = evaluate_model(ours.truth, predictions, problem, metric, RESAMPLES, seed=0)
    beats: dict[str, str] = found["beats"]
    return beats
