"""A trained model: preprocessing, network and what its outputs mean, as one thing to save and load."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from capstone.core.errors import CapstoneError
from capstone.core.files import write_bytes, write_text
from capstone.core.project import package_name
from capstone.core.sealed_files import SealedFiles
from capstone.core.student_code import student_code
from capstone.data.preprocessing import Preprocessor
from capstone.training.batches import ROWS_AT_ONCE
from capstone.training.description import ModelDescription
from capstone.training.devices import use_threads_for
from capstone.training.health import describe_layers
from capstone.training.network import build_model, encoding_of, members_of
from capstone.training.piecewise_linear import PiecewiseLinear
from capstone.training.target import Target, rescale

WEIGHTS, ARCHITECTURE, PREPROCESSING = "model.safetensors", "model.json", "preprocessing.skops"


@dataclass
class TrainedModel:
    """Rows in, predictions out. `TrainedModel.load(run.folder, root)` gives the one of a run.

    Parameters
    ----------
    preprocessor : Preprocessor
        From a table to a matrix, as fitted on the training part.
    network : Module
        The student's NeuralNetwork with its weights, or several of them side by side.
    target : Target
        What the network's outputs mean.
    architecture : dict
        Arguments of NeuralNetwork, how many `members` there are, and the `pieces` of numbers.
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
        with student_code():  # forward() is the student's
            scores = predict_scores(self.network, matrix)
        members = self.architecture["members"]
        if members == 1:
            prediction = self.target.prediction(scores)
        else:
            each = np.stack([self.target.prediction(scores[..., m]) for m in range(members)])
            prediction = each.mean(axis=0) if folds is None else each[folds, np.arange(len(matrix))]
        if self.target.problem == "regression":
            return prediction
        return rescale(prediction, self.target.temperature)

    def parameters(self) -> int:
        """How many weights and biases the network has."""
        return sum(weights.numel() for weights in self.network.parameters())

    def inputs(self) -> tuple[int, int]:
        """How many numbers reach the first layer: from the columns, and by the encoding of numbers."""
        pieces = self.architecture["pieces"]
        return self.architecture["inputs"], len(pieces["column"]) if pieces else 0

    def layers(self) -> list[dict[str, Any]]:
        """The layers of the network; of one member, when there are several."""
        device = next(self.network.parameters()).device
        rows = torch.zeros(2, self.architecture["inputs"], device=device)
        return describe_layers(members_of(self.network)[0], encoding_of(self.network)(rows))

    def save(self, folder: Path) -> None:
        """Write weights, architecture and preprocessing; nothing in them is code."""
        weights = {k: v.contiguous() for k, v in self.network.state_dict().items()}
        write_bytes(folder / WEIGHTS, save(weights))
        description = {
            "architecture": self.architecture,
            "target": vars(self.target),
            "inputs": self.preprocessor.inputs,
            "parameters": self.parameters(),
            "layers": self.layers(),
        }
        write_text(folder / ARCHITECTURE, json.dumps(description, indent=2) + "\n")
        self.preprocessor.save(folder / PREPROCESSING)

    @classmethod
    def load(cls, folder: Path, root: Path) -> Self:
        """Read a saved model; the network's class is the student's, as it is now."""
        files = SealedFiles.open(folder)
        description = files.read_json(ARCHITECTURE, ModelDescription)
        architecture, pieces = description["architecture"], description["architecture"]["pieces"]
        try:
            weights = load(files.read(WEIGHTS))
            encoding = PiecewiseLinear(**pieces) if pieces else None
            network = build_model(root, architecture, encoding)
            network.load_state_dict(weights)
        except SafetensorError as error:
            raise files.unusable(WEIGHTS, f"can't be read ({error})") from None
        except (RuntimeError, IndexError):  # of another shape; pieces of a column that is none
            raise CapstoneError(
                f"The weights in {folder} don't fit NeuralNetwork in src/{package_name(root)}/network.py, "
                "which has changed since that run: run `capstone run` again."
            ) from None
        preprocessor = Preprocessor.load(files.read(PREPROCESSING), folder / PREPROCESSING)
        return cls(preprocessor, network, Target(**description["target"]), architecture)


@torch.inference_mode()
def predict_scores(network: nn.Module, matrix: np.ndarray) -> np.ndarray:
    """The network's raw outputs as float64: shape (rows,), or (rows, classes) for multiclass.

    Of several members, each its own: the last dimension is the members'.
    """
    network.eval()
    inputs = torch.from_numpy(matrix).to(next(network.parameters()).device)
    use_threads_for(len(inputs))
    blocks = [network(block).squeeze(1).cpu() for block in inputs.split(ROWS_AT_ONCE)]
    return torch.cat(blocks).numpy().astype(np.float64)
