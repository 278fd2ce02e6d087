"""Transfer learning: begin with the network of an earlier run, often of a related task with more rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from capstone.core.errors import CapstoneError
from capstone.training.layers import linear_layers
from capstone.training.piecewise_linear import PiecewiseLinear

if TYPE_CHECKING:
    from capstone.training.model import TrainedModel


def copy_body(old: nn.Module, new: nn.Module, known: list[str], names: list[str]) -> None:
    """Copy the body of an earlier network into a new one. The head (the last layer) stays new: the task is another.

    Parameters
    ----------
    old, new : nn.Module
        The earlier network and the one to copy into.
    known, names : list of str
        What they take for inputs. They are matched by name; one that the earlier network did not know starts at zero.

    Raises
    ------
    CapstoneError
        When the two have other layers.
    """
    layers = linear_layers(new)
    first, head = f"{layers[0]}.weight", f"{layers[-1]}."
    before, after = old.state_dict(), new.state_dict()
    body = {name: weights for name, weights in after.items() if not name.startswith(head)}
    for name, weights in body.items():
        same = name in before and before[name].shape[:1] == weights.shape[:1]
        if not same or (name != first and before[name].shape != weights.shape):
            hidden = [old.get_submodule(layer).out_features for layer in linear_layers(old)[:-1]]
            raise CapstoneError(
                "[training] start_from: the network of that run has other layers; set [network] hidden "
                f"to {hidden}, as it was there."
            )
        body[name] = before[name]
    matched = torch.zeros_like(after[first])
    for position, name in enumerate(names):
        if name in known:
            matched[:, position] = before[first][:, known.index(name)]
    new.load_state_dict({**after, **body, first: matched})


def check_source(source: TrainedModel, run: str, inputs: list[str]) -> list[str]:
    """What to say of the earlier run's model. Raises CapstoneError when it has nothing in common with this one."""
    known = len(set(inputs) & set(source.preprocessor.inputs))
    if not known:
        raise CapstoneError(
            f"[training] start_from: {run} was trained on other columns; none has the same name."
        )
    return [f"starting from {run}: {known} of {len(inputs)} inputs are known there; a new head"]


def adopt_pieces(inputs: list[str], source: TrainedModel) -> PiecewiseLinear | None:
    """The earlier run's pieces of those inputs that this one has too; None when it cut none."""
    pieces = source.architecture["pieces"]
    if not pieces:
        return None
    owners = [source.preprocessor.inputs[column] for column in pieces["column"]]
    shared = [number for number, owner in enumerate(owners) if owner in inputs]
    return PiecewiseLinear(
        [inputs.index(owners[number]) for number in shared],
        [pieces["start"][number] for number in shared],
        [pieces["width"][number] for number in shared],
    )


def input_names(inputs: list[str], encoding: nn.Module | None) -> list[str]:
    """Names of what the network gets: the inputs, and then their pieces."""
    if not isinstance(encoding, PiecewiseLinear):
        return inputs
    pieces = encoding.pieces()
    places = zip(pieces["column"], pieces["start"], strict=True)
    return inputs + [f"{inputs[int(column)]} from {start}" for column, start in places]
