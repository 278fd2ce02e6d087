"""model.onnx and serving.json: written at the end of a run, and compared with what was measured."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.files import write_bytes, write_json
from capstone.core.project import package_name
from capstone.core.settings import Settings
from capstone.core.student_code import features_sha256, load_module, student_code
from capstone.evaluation.explanation import CANDIDATES, Plan
from capstone.evaluation.shapley import typical_places
from capstone.export.bundle.imports import unused_import
from capstone.export.onnx.preprocessing_graph import build_graph
from capstone.export.onnx.steps_check import StepsCheck, StepsResult
from capstone.runs.folder import GRAPH, SERVING
from capstone.serving.inference.arrays import Arrays
from capstone.serving.inference.frames import frame_for_graph
from capstone.serving.inference.onnx_session import OnnxSession
from capstone.serving.inference.served_model import SERVING_FORMAT
from capstone.training.model import TrainedModel
from capstone.training.network_check import network_place

# Between torch and the graph: of a probability, or as a share of the predictions' standard deviation.
MAX_DIFFERENCE = 1e-5

Json = dict[str, Any]


@dataclass(frozen=True)
class RunRows:
    """The rows of a run.

    Parameters
    ----------
    raw : DataFrame
        The table as loaded.
    table : DataFrame
        The same after engineer(), with the rows that are used.
    features : list of str
        The columns of `table` that the network may see.
    parts : dict of str to Index
        Row numbers of "train", "test" and so on.
    """

    raw: pd.DataFrame
    table: pd.DataFrame
    features: list[str]
    parts: dict[str, pd.Index]


class ModelExport:
    """Exports a trained model as ONNX.

    Parameters
    ----------
    root : Path
        The project's folder.
    settings : Settings
        The settings of the run.
    model : TrainedModel
        It is copied to the CPU.
    rows : RunRows
        The test rows are those on which the graph is compared with the model.
    """

    def __init__(self, root: Path, settings: Settings, model: TrainedModel, rows: RunRows) -> None:
        self.root, self.settings, self.rows = root, settings, rows
        self.model = replace(model, network=copy.deepcopy(model.network).cpu())
        date_formats = model.preprocessor.date_formats
        self.columns = {
            name: {"kind": kind, "format": date_formats.get(name)}
            for name, kind in model.preprocessor.kinds.items()
        }

    def write(self, folder: Path, known: Json, metrics: Json) -> list[str]:
        """Write model.onnx and serving.json.

        Parameters
        ----------
        folder : Path
            The run's folder, which has its other files already.
        known : dict
            What recommend_action() gets with every row.
        metrics : dict
            The content of metrics.json.

        Returns
        -------
        list of str
            What the student should know.

        Raises
        ------
        CapstoneError
            If the network can't be exported, or the graph predicts something else.
        """
        test = self.rows.parts["test"]
        graph, inputs = self.graph(test)
        write_bytes(folder / GRAPH, graph)
        raw = self.rows.raw.drop(columns=self.model.target.name)
        check = StepsCheck(self.root, raw, self.columns)
        steps = check.check(inputs, test, raw.index.difference(self.rows.table.index))
        if steps.tables == "arrays":
            steps.notes += _notes_on_imports(self.root)
        write_json(folder / SERVING, self._serving(check.kinds, steps, metrics, known))
        return [*steps.notes, *([steps.refused] if steps.refused else [])]

    def graph(self, rows: pd.Index) -> tuple[bytes, Arrays]:
        """model.onnx, compared with the model on these rows, and the rows as its inputs."""
        table = self.rows.table.loc[rows, self.rows.features]
        inputs = frame_for_graph(table, self.columns)
        with student_code(f"{network_place(self.root)}, as ONNX"):
            graph = build_graph(self.model, self.columns).SerializeToString()
            check_agreement(OnnxSession(graph), self.model, table, inputs)
        return graph, inputs

    def _serving(
        self, kinds: dict[str, str], steps: StepsResult, metrics: Json, known: Json
    ) -> Json:
        """What a service needs to know beside the graph."""
        target, metric = self.model.target, metrics["primary_metric"]
        names = list(dict.fromkeys(self.model.preprocessor.origins))
        plan = Plan.of_run(metrics, names, self.model.parameters())
        train = len(self.rows.parts["train"])
        return {
            "format": SERVING_FORMAT,
            "problem": target.problem,
            "target": target.name,
            "classes": target.classes,
            "columns": self.columns,
            "raw": kinds,
            "known": known,
            "steps": {**asdict(steps), "sha256": features_sha256(self.root)},
            "background": self._background(plan),
            "explanation": {
                "columns": names,
                **asdict(plan),
                "seed": self.settings.seed,
                "rows": train,
            },
            "project": self.settings.project.model_dump(include={"name", "question"}),
            "metric": {
                "name": metric,
                "higher_is_better": metrics["higher_is_better"],
                **metrics["model"][metric],
            },
        }

    def _background(self, plan: Plan) -> dict[str, list[Any]]:
        """Some training rows, spread over the predictions, as inputs of the graph."""
        train = self.rows.parts["train"]
        rng = np.random.default_rng(self.settings.seed)
        candidates = np.sort(rng.permutation(len(train))[:CANDIDATES])
        table = self.rows.table.loc[train[candidates], self.rows.features]
        prediction = self.model.predict(table)
        prediction = prediction[:, None] if prediction.ndim == 1 else prediction
        chosen = table.iloc[typical_places(prediction, plan.background)]
        inputs = frame_for_graph(chosen, self.columns)
        return {name: column.ravel().tolist() for name, column in inputs.items()}


def check_agreement(
    session: OnnxSession, model: TrainedModel, table: pd.DataFrame, inputs: Arrays
) -> float:
    """The largest difference between graph and torch on these rows, both computed by the processor.

    For numbers it is a share of the predictions' standard deviation, or of the target's if that is larger.
    Raises CapstoneError when it is above MAX_DIFFERENCE.
    """
    expected, actual = model.predict(table), _predictions(session, inputs)
    if actual is None or actual.shape != expected.shape:
        raise CapstoneError(
            f"model.onnx can't predict {len(table)} rows as your network does: NeuralNetwork.forward() must not "
            "depend on how many rows there are, as a loop over the rows does."
        )
    difference = np.abs(expected - actual)
    if model.target.problem == "regression":
        difference = difference / max(float(expected.std()), model.target.scale)
    largest = float(difference.max())
    if not largest <= MAX_DIFFERENCE:
        row = table.index[int(np.unravel_index(difference.argmax(), difference.shape)[0])]
        raise CapstoneError(
            f"model.onnx differs from your network by {largest:.2g} in row {row} (at most {MAX_DIFFERENCE:g} is "
            "allowed), so that a service would answer otherwise than was measured: NeuralNetwork.forward() must "
            "compute the same each time, from the row alone."
        )
    return largest


def _predictions(session: OnnxSession, inputs: Arrays) -> np.ndarray | None:
    """What the graph predicts; None where it was made for another number of rows."""
    try:
        return session.predict(inputs)
    except CapstoneError:
        raise
    except Exception:  # the runtime has many kinds of errors, and none that a student could read
        return None


def _notes_on_imports(root: Path) -> list[str]:
    """Whether features.py imports pandas, although nothing in it uses the name."""
    features = Path(str(load_module(root, "features").__file__))
    line = unused_import(features.read_text(encoding="utf-8-sig"), "pandas")
    place = f"src/{package_name(root)}/features.py, line {line}"
    without = "pandas is imported and never used; without it a service starts quicker"
    return [f"{place}: {without}"] if line else []
