"""Transfer learning: begin with the network of an earlier run, often of a related task with more rows."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from capstone.artifacts import Run
from capstone.errors import CapstoneError
from capstone.layers import linear_layers
from capstone.members import Ensemble
from capstone.model import TrainedModel


def start_from(network: nn.Module, number: int, inputs: list[str], source: TrainedModel) -> None:
    """Copy the body of an earlier run's network into this one, the one of that number among several.

    Inputs are matched by name; one that the earlier network did not know starts at zero. The head (the
    last layer) stays new, since the task is another.
    """
    known = known_inputs(inputs, source)
    layers = linear_layers(network)
    first, head = f"{layers[0]}.weight", f"{layers[-1]}."
    old = earlier_member(source, number).state_dict()
    new = network.state_dict()
    body = {name: weights for name, weights in new.items() if not name.startswith(head)}
    for name, weights in body.items():
        same = name in old and old[name].shape[:1] == weights.shape[:1]
        if not same or (name != first and old[name].shape != weights.shape):
            raise CapstoneError(
                "[training] start_from: the network of that run has other layers; set [network] hidden "
                f"to {source.architecture['hidden']}, as it was there."
            )
        body[name] = old[name]
    matched = torch.zeros_like(new[first])
    for name in known:
        matched[:, inputs.index(name)] = old[first][:, source.preprocessor.inputs.index(name)]
    network.load_state_dict({**new, **body, first: matched})


def load_source(run: Run, inputs: list[str], root: Path) -> TrainedModel:
    """The model of an earlier run. Raises CapstoneError when it has nothing in common with this one."""
    source = TrainedModel.load(run.folder, root)
    if source.architecture["pieces"]:
        raise CapstoneError(
            f"[training] start_from: {run.id} cut its numbers into pieces, which are its own; train it again "
            'with [preprocessing] numbers = "plain".'
        )
    if not known_inputs(inputs, source):
        raise CapstoneError(
            f"[training] start_from: {run.id} was trained on other columns; none has the same name."
        )
    return source


def known_inputs(inputs: list[str], source: TrainedModel) -> list[str]:
    """Those inputs that the earlier network had too."""
    return [name for name in inputs if name in source.preprocessor.inputs]


def earlier_member(source: TrainedModel, number: int) -> nn.Module:
    """The earlier network of that number; when it had fewer members, they come again from the first."""
    network = source.network
    return network.member(number % network.size) if isinstance(network, Ensemble) else network
