"""Transfer learning: begin with the network of an earlier run, often of a related task with more rows."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from capstone.artifacts import Run
from capstone.errors import CapstoneError
from capstone.layers import linear_layers
from capstone.model import TrainedModel


def start_from(network: nn.Module, inputs: list[str], run: Run, root: Path) -> str:
    """Copy the body of an earlier run's network into this one; returns a line on what was copied.

    Inputs are matched by name; one that the earlier network did not know starts at zero. The head (the
    last layer) stays new, since the task is another.
    """
    source = TrainedModel.load(run.folder, root)
    known = [name for name in inputs if name in source.preprocessor.inputs]
    if not known:
        raise CapstoneError(
            f"[training] start_from: {run.id} was trained on other columns; none has the same name."
        )
    layers = linear_layers(network)
    first, head = f"{layers[0]}.weight", f"{layers[-1]}."
    old, new = source.network.state_dict(), network.state_dict()
    body = {name: weights for name, weights in new.items() if not name.startswith(head)}
    for name, weights in body.items():
        same = name in old and old[name].shape[:1] == weights.shape[:1]
        if not same or (name != first and old[name].shape != weights.shape):
            raise CapstoneError(
                f"[training] start_from: the network of {run.id} has other layers; set [network] hidden "
                f"to {source.architecture['hidden']}, as it was there."
            )
        body[name] = old[name]
    matched = torch.zeros_like(new[first])
    for name in known:
        matched[:, inputs.index(name)] = old[first][:, source.preprocessor.inputs.index(name)]
    network.load_state_dict({**new, **body, first: matched})
    return (
        f"starting from {run.id}: {len(known)} of {len(inputs)} inputs are known there; a new head"
    )
