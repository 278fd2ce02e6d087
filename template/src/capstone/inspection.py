"""What the network looks like, and whether its training was healthy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

MOST_ROWS = 1000  # rows that the health check looks at
DEAD_SHARE = 0.2  # of a layer's neurons; a few dead ones do no harm
VANISHED = 1000.0  # times smaller than in the last layer
BOUNDED = (nn.Sigmoid, nn.Tanh)  # activations whose derivative goes to zero on both sides


def describe_layers(network: nn.Module, inputs: Tensor) -> list[dict[str, Any]]:
    """The layers in the order of the forward pass: kind, neurons out, parameters.

    inputs  a few rows of any numbers
    """
    outputs = _outputs(network.eval(), inputs)
    return [
        {
            "layer": type(layer).__name__,
            "outputs": int(output.shape[-1]),
            "parameters": sum(weights.numel() for weights in layer.parameters(recurse=False)),
        }
        for layer, output in outputs
    ]


def summary_lines(layers: list[dict[str, Any]]) -> list[str]:
    """The layers as a small table for the terminal."""
    lines = [f"{'layer':<12}{'outputs':>8}{'parameters':>12}"]
    for layer in layers:
        lines.append(f"{layer['layer']:<12}{layer['outputs']:>8,}{layer['parameters']:>12,}")
    return lines


def check_health(
    network: nn.Module, part: tuple[Tensor, Tensor], loss_function: nn.Module
) -> list[str]:
    """What went wrong inside the network, a sentence each with the usual remedies; [] is healthy.

    part  inputs and targets of the training part, on the network's device
    """
    inputs, targets = part[0][:MOST_ROWS], part[1][:MOST_ROWS]
    network.eval()
    network.zero_grad()
    outputs = _outputs(network, inputs)
    loss_function(network(inputs).squeeze(1), targets).backward()
    found = _dead_neurons(outputs) + _vanished_gradients(network, outputs)
    network.zero_grad()
    return found


def _dead_neurons(outputs: list[tuple[nn.Module, Tensor]]) -> list[str]:
    """ReLU layers with many neurons that are zero for every row: they can't learn any more."""
    found = []
    layers = [output for layer, output in outputs if isinstance(layer, nn.ReLU)]
    for number, output in enumerate(layers, start=1):
        dead, neurons = int((output == 0).all(dim=0).sum()), output.shape[-1]
        if dead / neurons >= DEAD_SHARE:
            found.append(
                f"{dead} of the {neurons} neurons in hidden layer {number} are dead (zero for every row): "
                'lower [training] learning_rate, or set [network] activation = "leaky_relu"'
            )
    return found


def _vanished_gradients(network: nn.Module, outputs: list[tuple[nn.Module, Tensor]]) -> list[str]:
    """Whether the first layer gets hardly any gradient, compared with the last."""
    sizes = [
        float(layer.weight.grad.abs().mean())
        for layer in network.modules()
        if isinstance(layer, nn.Linear) and layer.weight.grad is not None
    ]
    if len(sizes) < 2 or sizes[-1] == 0 or sizes[0] * VANISHED > sizes[-1]:
        return []
    bounded = any(isinstance(layer, BOUNDED) for layer, _ in outputs)
    remedy = 'set [network] activation = "relu"' if bounded else "use fewer hidden layers"
    times = "infinitely" if sizes[0] == 0 else f"{sizes[-1] / sizes[0]:,.0f} times"
    return [
        f"gradients vanish: the first layer's are {times} smaller than the last one's; {remedy}"
    ]


def _outputs(network: nn.Module, inputs: Tensor) -> list[tuple[nn.Module, Tensor]]:
    """Each innermost layer with what it puts out, in the order of the forward pass."""
    seen: list[tuple[nn.Module, Tensor]] = []
    leaves = [module for module in network.modules() if not list(module.children())]
    hooks = [
        leaf.register_forward_hook(lambda layer, _, output: seen.append((layer, output)))
        for leaf in leaves
    ]
    try:
        with torch.no_grad():
            network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return [(layer, output) for layer, output in seen if isinstance(output, Tensor)]
