"""The parts of a network: its first layer, its body and its head."""

from __future__ import annotations

from torch import nn

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
