"""What the network predicts, and what its scores mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pandas as pd
import torch
from scipy.special import expit, softmax

from capstone.core.decisions import as_columns
from capstone.data.kinds import class_names


@dataclass(frozen=True)
class Target:
    """What the network predicts: a standardized number, or one of the classes."""

    name: str
    problem: str
    classes: list[str] = field(default_factory=list)
    mean: float = 0.0
    scale: float = 1.0
    temperature: float = (
        1.0  # classes: how much less sure than the network says; see evaluation/calibration.py
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
        """What the loss function compares with: standardized numbers, 0.0/1.0, or class numbers."""
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
        return as_columns(self, prediction)


def rescale(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Less sure (temperature above 1) or surer probabilities; which class is likeliest stays."""
    if temperature == 1:
        return probabilities
    return softmax(np.log(np.clip(probabilities, 1e-12, 1)) / temperature, axis=1)
