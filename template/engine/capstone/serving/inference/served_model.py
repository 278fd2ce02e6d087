"""The model of a run: the student's steps, the graph, and the decision for each row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from capstone.core.decisions import ROOM, as_prediction, ask
from capstone.core.errors import CapstoneError
from capstone.core.sealed_files import SealedFiles
from capstone.core.settings_file import load_settings
from capstone.core.student_code import features_sha256, load_attribute
from capstone.core.text import setting_text
from capstone.runs.folder import GRAPH, SCHEMA, SERVING
from capstone.runs.forms import Schema, Serving
from capstone.serving.inference.arrays import Arrays
from capstone.serving.inference.onnx_session import OnnxSession
from capstone.serving.inference.student_steps import StudentSteps

SERVING_FORMAT = 1  # of serving.json


@dataclass
class ServedModel:
    """A run's model, ready to predict without torch and scikit-learn: made by load().

    Attributes
    ----------
    files : SealedFiles
        The run's files.
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

    files: SealedFiles
    problem: str
    target: str
    classes: list[str]
    schema: dict[str, Any]
    serving: dict[str, Any]
    root: Path
    steps: StudentSteps
    recommend_action: Callable[..., Any]
    session: OnnxSession

    @property
    def run(self) -> str:
        """The run's id."""
        return self.files.folder.name

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
            The model, which has predicted once, to see that its parts fit each other.

        Raises
        ------
        CapstoneError
            If a file is missing or was changed after the run, or the run belongs to another project.
        """
        files = SealedFiles.open(folder)
        graph = files.read(GRAPH)
        serving, schema = files.read_json(SERVING, Serving), files.read_json(SCHEMA, Schema)
        if serving["format"] != SERVING_FORMAT:
            raise CapstoneError(
                f"{folder / SERVING} has format {setting_text(serving['format'])}, but this version reads "
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
        model = cls(
            files=files,
            problem=serving["problem"],
            target=serving["target"],
            classes=serving["classes"],
            schema=schema,
            serving=serving,
            root=root,
            steps=steps,
            recommend_action=load_attribute(root, ROOM, "recommend_action"),
            session=OnnxSession(graph),
        )
        model.check_graph()
        return model

    def check_graph(self) -> None:
        """Predict the background: graph, columns and classes fit each other. The first prediction is the slowest.

        Raises
        ------
        CapstoneError
            If they don't.
        """
        try:
            shape = self.predict(self.background()).shape[1:]
        except (CapstoneError, KeyError, ValueError, TypeError) as error:
            raise self.files.unusable(
                GRAPH, f"and {SERVING} are not of one run ({error})"
            ) from None
        except Exception as error:  # onnxruntime has many, and no base of its own
            raise self.files.unusable(
                GRAPH, f"and {SERVING} are not of one run ({type(error).__name__})"
            ) from None
        if shape != ((len(self.classes),) if self.classes else ()):
            raise self.files.unusable(GRAPH, f"and {SERVING} have not the same classes")

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
