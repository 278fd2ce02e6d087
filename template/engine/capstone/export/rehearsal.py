"""Before training: what comes after it, tried on some rows and fresh weights, and on made-up predictions."""

from __future__ import annotations

import numpy as np

from capstone.evaluation.decision_cost import check_decisions
from capstone.export.onnx.export import ModelExport, RunRows
from capstone.training.devices import choose_device, on_device
from capstone.training.model import TrainedModel
from capstone.training.network import NetworkBuilder
from capstone.training.network_check import try_prediction, try_training

ROWS = 3  # other than the two with which a network is exported: a graph may be made for that number


def rehearse(builder: NetworkBuilder, rows: RunRows, matrix: np.ndarray, truth: np.ndarray) -> None:
    """Try decisions.py, then let a new network predict, be exported and learn. No result depends on it.

    Parameters
    ----------
    builder : NetworkBuilder
        Builds the network, with all of its members, and knows the settings.
    rows : RunRows
        The rows of the run.
    matrix : ndarray, shape (rows, inputs)
        The training rows as the network takes them.
    truth : ndarray, shape (rows,)
        What is true of them.

    Raises
    ------
    CapstoneError
        For what would fail when training is over.
    """
    root, settings, target = builder.root, builder.settings, builder.target
    check_decisions(root, target, truth, settings.decision)
    device, members = choose_device(settings.training.device), settings.network.members
    network = builder.build(None, members, device)
    few = on_device(matrix[:ROWS], device)
    try_prediction(root, network, few)
    architecture = builder.architecture(None, members)
    model = TrainedModel(builder.preprocessor, network, target, architecture)
    # With fresh weights: the two steps that follow may be large.
    ModelExport(root, settings, model, rows).graph(rows.parts["train"][:ROWS])
    try_training(root, network, few, settings.training)
