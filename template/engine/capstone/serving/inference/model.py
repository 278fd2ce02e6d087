"""The model of a run, ready to answer: its graph, the student's steps before it, the decision after it."""

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
from capstone.runs.folder import GRAPH, SCHEMA, SERVING
from capstone.serving.inference.arrays import Arrays
from capstone.serving.inference.graph import FORMAT, Graph
from capstone.serving.inference.steps import Steps


@dataclass
class ServedModel:
    """Rows of a request in, answers out.

    schema   each column of the raw table: see schema.py
    serving  the contents of serving.json
    """

    run: str
    problem: str
    target: str
    classes: list[str]
    schema: dict[str, Any]
    serving: dict[str, Any]
    root: Path
    steps: Steps
    recommend_action: Callable[..., Any]
    graph: Graph

    @classmethod
    def load(cls, folder: Path, root: Path) -> Self:
        """Read a run's model. Raises CapstoneError where a file of it is not the one that the run wrote."""
        files = read_files(folder)
        serving, schema = json.loads(files[SERVING]), json.loads(files[SCHEMA])
        if serving.get("format") != FORMAT:
            raise CapstoneError(
                f"{folder / SERVING} has format {serving.get('format')!r}, but this version reads {FORMAT}: "
                "run `capstone run` again."
            )
        asked = load_settings(root).data
        if (serving["problem"], serving["target"]) != (asked.problem, asked.target):
            raise CapstoneError(
                f'The run in {folder} predicts "{serving["target"]}" ({serving["problem"]}), but capstone.toml '
                f'asks for "{asked.target}" ({asked.problem}): name a run of this project.'
            )
        steps = Steps(root, serving["raw"], serving["columns"], serving["steps"]["tables"])
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
            graph=Graph(files[GRAPH]),
        )

    def notes(self) -> list[str]:
        """What is otherwise than when the run measured this model."""
        if features_sha256(self.root) == self.serving["steps"]["sha256"]:
            return []
        return ["features.py has changed since this run: its steps are applied as they are now"]

    def prepare(self, columns: Arrays) -> Arrays:
        """Raw columns of a request to what the graph takes, by the student's clean() and engineer()."""
        if refused := self.serving["steps"]["refused"]:
            raise CapstoneError(refused)
        return self.steps.apply(columns)

    def predict(self, prepared: Arrays) -> np.ndarray:
        """Numbers in the target's unit, shape (rows,), or probabilities of shape (rows, classes)."""
        return self.graph.predict(prepared)

    def answers(self, prediction: np.ndarray) -> list[dict[str, Any]]:
        """Each row as recommend_action gets it, and what it says, as "recommendation"."""
        rows = as_prediction(self, prediction, self.serving["known"])
        said = ask(self.recommend_action, self.root, rows)
        for row, answer in zip(rows, said, strict=True):
            row["recommendation"] = answer
        return rows

    def background(self) -> Arrays:
        """Some training rows, as predict() takes them: what "not known" means in an explanation."""
        made: Arrays = {}
        for name, about in self.serving["columns"].items():
            values = self.serving["background"][name]
            if about["kind"] == "category":
                made[name] = np.array(values, dtype=object)
            else:
                made[name] = np.array(values, dtype=np.float64).reshape(-1, 1)
        return made


def read_files(folder: Path) -> dict[str, bytes]:
    """The files that a service needs, each as the run wrote it: their SHA-256s are in run.json."""
    again = "run `capstone run` again"
    try:
        info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        written = info["files"]
    except (OSError, ValueError):
        raise CapstoneError(
            f"The run in {folder} can't be served: its run.json can't be read; {again}."
        ) from None
    except (KeyError, TypeError):
        raise CapstoneError(
            f"The run in {folder} has no model to serve, for an older version wrote it: {again}."
        ) from None
    files = {}
    for name in (GRAPH, SERVING, SCHEMA):
        try:
            files[name] = (folder / name).read_bytes()
        except OSError:
            raise CapstoneError(
                f"The run in {folder} can't be served: {name} is missing; {again}."
            ) from None
        if hashlib.sha256(files[name]).hexdigest() != written.get(name):
            raise CapstoneError(
                f"The run in {folder} can't be served: {name} is not the file that the run wrote "
                f"(its SHA-256 is not the one in run.json); {again}."
            )
    return files
