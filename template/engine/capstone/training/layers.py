"""The parts of a network: its first layer, its body and its head."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from capstone.core.errors import CapstoneError


def linear_layers(network: nn.Module) -> list[str]:
    """Names of the linear layers, in order. Raises CapstoneError when there are fewer than two."""
    names = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    if len(names) < 2:
        raise CapstoneError("[training] start_from needs a network of two linear layers or more.")
    return names


def body_and_head(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The weights of all layers but the last linear one, and those of the last."""
    last = linear_layers(network)[-1] + "."
    body = [weights for name, weights in network.named_parameters() if not name.startswith(last)]
    head = [weights for name, weights in network.named_parameters() if name.startswith(last)]
    return body, head


def freeze(weights: list[nn.Parameter], frozen: bool) -> None:
    """Frozen weights get no gradient, so no optimiser changes them."""
    for weight in weights:
        weight.requires_grad_(not frozen)


def check_batch(network: nn.Module, rows: int) -> None:
    """Raises CapstoneError when the network has batch norm and learns from one row at a time."""
    normalised = any(
        isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules()
    )
    if normalised and rows == 1:
        raise CapstoneError(
            "[training] batch_size is 1, but your NeuralNetwork has batch norm, which compares the rows of a "
            'batch: set batch_size = 2 or more, or "auto".'
        )


def write_in_place(network: nn.Module, inputs: int) -> None:
    """Let each ReLU overwrite its input where no other layer needs it, which saves memory and time.

    inputs  numbers that the network takes for a row
    That is so right behind a linear layer in an nn.Sequential, unless the forward pass takes its layers one by one:
    where outputs or gradients would be others than before, nothing is changed.
    """
    behind = [
        after
        for layers in network.modules()
        if isinstance(layers, nn.Sequential)
        for before, after in pairwise(layers)
        if type(before) is nn.Linear and type(after) is nn.ReLU
    ]
    try:
        before = _outputs_and_gradients(network, inputs)
        _set_in_place(behind, True)
        after = _outputs_and_gradients(network, inputs)
        same = all(map(torch.equal, before, after))
    except Exception:  # of whatever the forward pass is; or a gradient needed what was overwritten
        same = False
    _set_in_place(behind, same)


def _set_in_place(layers: list[nn.ReLU], in_place: bool) -> None:
    for layer in layers:
        layer.inplace = in_place


def _outputs_and_gradients(network: nn.Module, inputs: int) -> list[Tensor]:
    chance = torch.Generator().manual_seed(0)  # of its own, so that no other random number changes
    outputs = network(torch.randn(5, inputs, generator=chance))
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(outputs.sum(), weights, allow_unused=True)
    return [outputs.detach(), *(each for each in gradients if each is not None)]
