"""A trained model: preprocessing, network and what its outputs mean, as one thing to save and load."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from scipy.special import expit, softmax
from torch import nn

from capstone.core.errors import CapstoneError
from capstone.core.project import call_student, load_attribute, package_name
from capstone.data.kinds import class_names
from capstone.data.preprocessing import Preprocessor
from capstone.training.ensemble import Ensemble, build_ensemble
from capstone.training.health import describe_layers
from capstone.training.layers import write_in_place
from capstone.training.loop import predict_scores
from capstone.training.piecewise_linear import PiecewiseLinear
from capstone.training.temperature import fit_temperature, rescale

WEIGHTS, ARCHITECTURE, PREPROCESSING = "model.safetensors", "model.json", "preprocessing.skops"


@dataclass(frozen=True)
class Target:
    """What the network predicts: a standardised number, or one of the classes."""

    name: str
    problem: str
    classes: list[str] = field(default_factory=list)
    mean: float = 0.0
    scale: float = 1.0
    temperature: float = (
        1.0  # classes: how much less sure than the network says; see calibration.py
    )

    @classmethod
    def fit(cls, train: pd.Series, problem: str, positive: object = "") -> Self:
        """Learn mean and spread, or the classes, from the training part."""
        name = str(train.name)
        if problem == "regression":
            return cls(
                name, problem, mean=float(train.mean()), scale=float(train.std(ddof=0)) or 1.0
            )
        return cls(name, problem, classes=class_names(train, positive))

    @property
    def outputs(self) -> int:
        """Neurons in the output layer."""
        return len(self.classes) if self.problem == "multiclass" else 1

    def truth(self, values: pd.Series) -> np.ndarray:
        """The true numbers, or the number of each row's class, shape (rows,)."""
        if self.problem == "regression":
            return values.to_numpy(dtype=np.float64, copy=True)
        numbers = {name: number for number, name in enumerate(self.classes)}
        return values.astype(str).map(numbers).to_numpy(dtype=np.int64, copy=True)

    def tensor(self, values: pd.Series, device: torch.device) -> torch.Tensor:
        """What the loss function compares with: standardised numbers, 0.0/1.0, or class numbers."""
        truth = self.truth(values)
        if self.problem == "regression":
            truth = (truth - self.mean) / self.scale
        kind = torch.int64 if self.problem == "multiclass" else torch.float32
        return torch.tensor(truth, dtype=kind, device=device)

    def prediction(self, scores: np.ndarray) -> np.ndarray:
        """Network outputs as numbers in the target's unit, or as probabilities (rows, classes)."""
        if self.problem == "regression":
            return scores * self.scale + self.mean
        if self.problem == "binary":
            positive = expit(scores)
            return np.column_stack([1 - positive, positive])
        return softmax(scores, axis=1)

    def columns(self, prediction: np.ndarray) -> dict[str, np.ndarray]:
        """The prediction as columns of a table: `prediction`, and `probability_<class>` for classes."""
        if self.problem == "regression":
            return {"prediction": prediction}
        chosen = np.array(self.classes)[prediction.argmax(axis=1)]
        shares = {f"probability_{name}": prediction[:, i] for i, name in enumerate(self.classes)}
        return {"prediction": chosen, **shares}


@dataclass
class TrainedModel:
    """Rows in, predictions out.

    architecture  arguments of NeuralNetwork, how many `members` there are, and the `pieces` of numbers
    """

    preprocessor: Preprocessor
    network: nn.Module
    target: Target
    architecture: dict[str, Any]

    def predict(self, table: pd.DataFrame) -> np.ndarray:
        """Predictions for a table as `engineer` returns it: see Target.prediction for the shape."""
        return self.predict_matrix(self.preprocessor.transform(table))

    def predict_matrix(self, matrix: np.ndarray, folds: np.ndarray | None = None) -> np.ndarray:
        """Predictions for a matrix as the preprocessor makes it: the mean of the members'.

        folds  predict each row by the one member that never learnt from it
        """
        device = next(self.network.parameters()).device
        scores = predict_scores(self.network, torch.from_numpy(matrix).to(device))
        members = self.architecture["members"]
        if members == 1:
            prediction = self.target.prediction(scores)
        else:
            each = np.stack([self.target.prediction(scores[..., m]) for m in range(members)])
            prediction = each.mean(axis=0) if folds is None else each[folds, np.arange(len(matrix))]
        if self.target.problem == "regression":
            return prediction
        return rescale(prediction, self.target.temperature)

    def calibrate(self, truth: np.ndarray, prediction: np.ndarray, seed: int) -> np.ndarray:
        """Fit the temperature on validation rows, where that helps; predictions have it from now on.

        Returns the predictions of these rows, as the model makes them now.
        """
        if self.target.problem == "regression":
            return prediction
        self.target = replace(self.target, temperature=fit_temperature(truth, prediction, seed))
        return rescale(prediction, self.target.temperature)

    def parameters(self) -> int:
        """How many weights and biases the network has."""
        return sum(weights.numel() for weights in self.network.parameters())

    def layers(self) -> list[dict[str, Any]]:
        """The layers of the network; of one member, when there are several."""
        encoding, network = one_member(self.network)
        device = next(network.parameters()).device
        return describe_layers(
            network, encoding(torch.zeros(2, self.architecture["inputs"], device=device))
        )

    def save(self, folder: Path) -> None:
        """Write weights, architecture and preprocessing; nothing in them is code."""
        save_file(
            {k: v.contiguous() for k, v in self.network.state_dict().items()}, folder / WEIGHTS
        )
        description = {
            "architecture": self.architecture,
            "target": vars(self.target),
            "inputs": self.preprocessor.inputs,
            "parameters": self.parameters(),
            "layers": self.layers(),
        }
        (folder / ARCHITECTURE).write_text(
            json.dumps(description, indent=2) + "\n", encoding="utf-8"
        )
        self.preprocessor.save(folder / PREPROCESSING)

    @classmethod
    def load(cls, folder: Path, root: Path) -> Self:
        """Read a saved model; the network's class is the student's, as it is now."""
        path = folder / ARCHITECTURE
        try:
            description = json.loads(path.read_text(encoding="utf-8"))
            architecture, target = description["architecture"], Target(**description["target"])
            path = folder / WEIGHTS
            weights = load_file(path)
        except Exception as error:  # a missing, cut or foreign file: each library has its own error
            raise CapstoneError(
                f"The model's {path} can't be read ({type(error).__name__}): run `capstone run` again."
            ) from None
        pieces = architecture["pieces"]
        network = build_model(root, architecture, PiecewiseLinear(**pieces) if pieces else None)
        try:
            network.load_state_dict(weights)
        except RuntimeError:
            raise CapstoneError(
                f"The weights in {folder} don't fit NeuralNetwork in src/{package_name(root)}/network.py, "
                "which has changed since that run: run `capstone run` again."
            ) from None
        return cls(Preprocessor.load(folder / PREPROCESSING), network, target, architecture)


def build_model(
    root: Path,
    architecture: dict[str, Any],
    encoding: PiecewiseLinear | None = None,
    prepare: Callable[..., Any] | None = None,
) -> nn.Module:
    """As many of the student's networks as there are members, side by side, behind the encoding.

    prepare  is called with each of them and its number, from 0, e.g. to copy weights into it
    """
    ours = ("members", "pieces")
    arguments = {name: value for name, value in architecture.items() if name not in ours}
    if encoding:
        arguments["inputs"] += len(encoding.column)
    networks = [build_network(root, arguments) for _ in range(architecture["members"])]
    if prepare:
        for number, network in enumerate(networks):
            prepare(network, number=number)
    network = build_ensemble(networks, arguments["inputs"])
    return nn.Sequential(encoding, network) if encoding else network


def one_member(model: nn.Module, number: int = 0) -> tuple[nn.Module, nn.Module]:
    """The encoding, and the student's network: the one of that number, when there are several."""
    encoding: nn.Module = nn.Identity()
    if isinstance(model, nn.Sequential) and isinstance(model[0], PiecewiseLinear):
        encoding, model = model
    return encoding, model.member(number) if isinstance(model, Ensemble) else model


def all_members(model: nn.Module) -> tuple[nn.Module, list[nn.Module]]:
    """The encoding, and each of the student's networks."""
    encoding, first = one_member(model)
    ensemble = model[1] if isinstance(model, nn.Sequential) and model[0] is encoding else model
    if not isinstance(ensemble, Ensemble):
        return encoding, [first]
    return encoding, [ensemble.member(number) for number in range(ensemble.size)]


def build_network(root: Path, architecture: dict[str, Any]) -> nn.Module:
    """The student's NeuralNetwork with these arguments, checked on two rows of zeros."""
    network: nn.Module = call_student(
        load_attribute(root, "network", "NeuralNetwork"), root, **architecture
    )
    if not list(network.parameters()):
        raise CapstoneError(
            f"NeuralNetwork in src/{package_name(root)}/network.py has no weights to train: give it a layer."
        )
    rows = torch.zeros(2, architecture["inputs"])
    shape = tuple(call_student(network.eval(), root, rows).shape)
    if shape != (2, architecture["outputs"]):
        raise CapstoneError(
            f"NeuralNetwork in src/{package_name(root)}/network.py returns shape {shape} for 2 rows, "
            f"but (2, {architecture['outputs']}) is needed: see its output layer."
        )
    write_in_place(network, architecture["inputs"])
    return network
