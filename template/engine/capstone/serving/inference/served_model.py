"""The model of a run: the student's steps, the graph, and the decision for each row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from capstone.core.decisions import ROOM, as_prediction, ask
from capstone.core.errors import CapstoneError
from capstone.core.project import features_sha256, load_attribute
from capstone.core.settings_file import load_settings
from capstone.core.text import setting_text
from capstone.runs.folder import GRAPH, SCHEMA, SERVING
from capstone.serving.inference.arrays import Arrays
from capstone.serving.inference.onnx_session import OnnxSession
from capstone.serving.inference.student_steps import StudentSteps

SERVING_FORMAT = 1  # of serving.json


@dataclass
class ServedModel:
    """A run's model, ready to predict without torch and scikit-learn: made by load().

    Attributes
    ----------
    run : str
        The run's id.
    problem : {"regression", "binary", "multiclass"}
        What is predicted.
    target : str
        The name of the target column.
    classes : list of str
        Empty for regression; of two classes the second is the one to detect.
    schema : dict
        The content of schema.json: each column of the raw table.
    serving : dict
        The content of serving.json.
    """

    run: str
    problem: str
    target: str
    classes: list[str]
    schema: dict[str, Any]
    serving: dict[str, Any]
    root: Path
    steps: StudentSteps
    recommend_action: Callable[..., Any]
    session: OnnxSession

    @classmethod
    def load(cls, folder: Path, root: Path) -> Self:
        """Read a run's model.

        Parameters
        ----------
        folder : Path
            The run's folder.
        root : Path
            The project's folder, whose features.py and decisions.py are used.

        Returns
        -------
        ServedModel
            The model, which has not predicted anything yet.

        Raises
        ------
        CapstoneError
            If a file is missing or was changed after the run, or the run belongs to another project.
        """
        files = read_verified_files(folder)
        serving, schema = json.loads(files[SERVING]), json.loads(files[SCHEMA])
        if serving.get("format") != SERVING_FORMAT:
            raise CapstoneError(
                f"{folder / SERVING} has format {setting_text(serving.get('format'))}, but this version reads "
                f"{SERVING_FORMAT}: run `capstone run` again."
            )
        settings = load_settings(root).data
        if (serving["problem"], serving["target"]) != (settings.problem, settings.target):
            raise CapstoneError(
                f'The run in {folder} predicts "{serving["target"]}" ({serving["problem"]}), but capstone.toml '
                f'asks for "{settings.target}" ({settings.problem}): name a run of this project.'
            )
        tables = serving["steps"]["tables"]
        steps = StudentSteps(root, serving["raw"], serving["columns"], tables)
        return cls(
            run=folder.name,
            problem=serving["problem"],
            target=serving["target"],
            classes=serving["classes"],
            schema=schema,
            serving=serving,
            root=root,
            steps=steps,
            recommend_action=load_attribute(root, ROOM, "recommend_action"),
            session=OnnxSession(files[GRAPH]),
        )

    def notes(self) -> list[str]:
        """How the project differs from the state in which this model was measured."""
        if features_sha256(self.root) == self.serving["steps"]["sha256"]:
            return []
        return ["features.py has changed since this run: its steps are applied as they are now"]

    def prepare(self, raw: Arrays) -> Arrays:
        """Apply the student's steps.

        Parameters
        ----------
        raw : dict of str to ndarray
            The columns of a request, of shape (rows,); one that is absent is missing in every row.

        Returns
        -------
        dict of str to ndarray
            The inputs of the graph: see arrays.arrays_for_graph().

        Raises
        ------
        CapstoneError
            If a step fails, or drops or adds rows.
        """
        if refused := self.serving["steps"]["refused"]:
            raise CapstoneError(refused)
        return self.steps.apply(raw)

    def predict(self, inputs: Arrays) -> np.ndarray:
        """Predict rows.

        Parameters
        ----------
        inputs : dict of str to ndarray
            As prepare() returns them.

        Returns
        -------
        ndarray of float64
            Numbers in the target's unit, shape (rows,), or probabilities, shape (rows, classes).

        Raises
        ------
        CapstoneError
            If a number is so large that the prediction is not finite.
        """
        return self.session.predict(inputs)

    def answers(self, prediction: np.ndarray) -> list[dict[str, Any]]:
        """Turn predictions into the rows of an answer.

        Parameters
        ----------
        prediction : ndarray
            As predict() returns it.

        Returns
        -------
        list of dict
            What recommend_action() gets for each row, and its result as "recommendation".
        """
        rows = as_prediction(self, prediction, self.serving["known"])
        recommendations = ask(self.recommend_action, self.root, rows)
        for row, recommendation in zip(rows, recommendations, strict=True):
            row["recommendation"] = recommendation
        return rows

    def background(self) -> Arrays:
        """Some training rows as inputs of the graph: explanations compare with them."""
        inputs: Arrays = {}
        for name, column_info in self.serving["columns"].items():
            values = self.serving["background"][name]
            if column_info["kind"] == "category":
                inputs[name] = np.array(values, dtype=object)
            else:
                inputs[name] = np.array(values, dtype=np.float64).reshape(-1, 1)
        return inputs


def read_verified_files(folder: Path) -> dict[str, bytes]:
    """Read the files that a service needs, and compare each with its SHA-256 in run.json."""

    def refusal(reason: str) -> CapstoneError:
        return CapstoneError(
            f"The run in {folder} can't be served: {reason}; run `capstone run` again."
        )

    try:
        hashes = json.loads((folder / "run.json").read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError):
        raise refusal("its run.json can't be read") from None
    except (KeyError, TypeError):
        raise refusal("an older version wrote it, without a model to serve") from None
    files = {}
    for name in (GRAPH, SERVING, SCHEMA):
        try:
            files[name] = (folder / name).read_bytes()
        except OSError:
            raise refusal(f"{name} is missing") from None
        if hashlib.sha256(files[name]).hexdigest() != hashes.get(name):
            raise refusal(
                f"{name} is not the file that the run wrote (its SHA-256 is not the one in run.json)"
            )
    return files
