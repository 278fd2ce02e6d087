"""What a model learns from, and what tells how good it is: for one network, or for an ensemble."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from capstone.training.batches import Batch, RowsInMemory, TrainingRows
from capstone.training.ensemble import EnsembleLoss, own_folds, with_folds
from capstone.training.loop import CRITERIA
from capstone.training.network import split_model
from capstone.training.piecewise_linear import PiecewiseLinear

MOST_ENCODED = 2**26  # numbers, 256 MB of them, that may be encoded before training
TRIAL_ROWS = 2500  # held out are enough to choose by: of a large table, some members try alone


@dataclass(frozen=True)
class TrainingData:
    """What a model learns from, and what tells how good it is.

    Parameters
    ----------
    train : TrainingRows
        The rows to learn from.
    validation : tuple of Tensor
        Inputs and targets that tell when to stop: other rows; of an ensemble, each member's own fold.
    criterion : nn.Module
        The loss.
    members : int
        How many networks learn.
    trial : TrainingData, optional
        Fewer rows, to choose the encoding by. All of them, if there is none.
    """

    train: TrainingRows
    validation: Batch
    criterion: nn.Module
    members: int = 1
    trial: TrainingData | None = None


def data_for_one(train: Batch, validation: Batch, problem: str) -> TrainingData:
    """For a single network: it learns from the training part, and the validation part tells when to stop."""
    return TrainingData(RowsInMemory(*train), validation, CRITERIA[problem]())


def data_for_ensemble(train: Batch, folds: np.ndarray, problem: str) -> TrainingData:
    """For several members: each learns from all rows but its own fold, which tells when it was best.

    Parameters
    ----------
    train : tuple of Tensor
        Inputs of shape (rows, inputs), and targets of shape (rows,).
    folds : ndarray
        Number of each row's fold, shape (rows,), one fold for each member.
    problem : str
        "regression", "binary" or "multiclass".
    """
    members = int(folds.max()) + 1
    inputs, targets = train[0], with_folds(train[1], folds)
    criterion = EnsembleLoss(CRITERIA[problem](), members).to(inputs.device)
    validation = own_folds(inputs, targets, members)
    return TrainingData(RowsInMemory(inputs, targets), validation, criterion, members)


def some_members(data: TrainingData) -> TrainingData:
    """The data for so many of the members, two at least, that hold out enough rows to choose by."""
    enough = math.ceil(data.members * TRIAL_ROWS / len(data.train))
    few = min(data.members, max(2, enough))
    if few == data.members:
        return data
    inputs, targets = data.validation
    criterion = copy.deepcopy(data.criterion)
    criterion.numbers = torch.arange(few, device=inputs.device)
    return TrainingData(data.train, (inputs[:few], targets[:few]), criterion, few)


def encoded_once(model: nn.Module, data: TrainingData) -> tuple[nn.Module, TrainingData]:
    """The model without its encoding of numbers, and rows that are encoded already.

    The encoding is not trained, so every epoch would compute the same again. Both stay as they are where the encoded
    rows would take too much memory, or where the rows are read from a file.
    """
    encoding, networks = split_model(model)
    rows = data.train
    if not isinstance(encoding, PiecewiseLinear) or not isinstance(rows, RowsInMemory):
        return model, data
    held_out, targets = data.validation
    count = len(rows) + held_out.shape[:-1].numel()
    if count * (rows.inputs.shape[1] + len(encoding.column)) > MOST_ENCODED:
        return model, data
    train = RowsInMemory(encoding(rows.inputs), rows.targets)
    return networks, replace(data, train=train, validation=(encoding(held_out), targets))
