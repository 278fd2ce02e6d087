"""What the network looks like, and whether its training was healthy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

MOST_ROWS = 1000  # rows that the health check looks at
STUCK_SHARE = 0.2  # of a layer's neurons; a few stuck ones do no harm
NEAR_THE_END = 0.01  # of the range of a sigmoid or tanh
MOST_OF_THE_ROWS = 0.95
VANISHED = 1000.0  # times smaller than in the last layer
BOUNDED = (nn.Sigmoid, nn.Tanh)  # activations whose derivative goes to zero on both sides
STICKING = (nn.ReLU, *BOUNDED)


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


def summary_lines(layers: list[dict[str, Any]], inputs: tuple[int, int]) -> list[str]:
    """The layers as a small table for the terminal, below what goes into the first.

    inputs  how many come from the columns, and how many from the segments of a piecewise-linear encoding
    """
    plain, segments = inputs
    lines = [f"{'layer':<12}{'outputs':>8}{'parameters':>12}"]
    note = f"   {plain:,} from the columns + {segments:,} segments of their numbers"
    lines.append(
        f"{'(input)':<12}{plain + segments:>8,}{'':>12}{note if segments else ''}".rstrip()
    )
    for layer in layers:
        lines.append(f"{layer['layer']:<12}{layer['outputs']:>8,}{layer['parameters']:>12,}")
    return lines


@dataclass(frozen=True)
class Ailment:
    """What ails a network; of those of one kind, only the one with the highest degree is told."""

    kind: str
    degree: float
    said: str
    remedy: str


def check_health(
    networks: list[nn.Module], part: tuple[Tensor, Tensor], loss_function: nn.Module
) -> list[str]:
    """What went wrong inside the networks, a sentence each with the usual remedies; [] is healthy.

    networks  the members; of what ails several of them, the worst is told, and how many they are
    part      inputs and targets of the training part, on the networks' device
    """
    inputs, targets = part[0][:MOST_ROWS], part[1][:MOST_ROWS]
    found: dict[str, list[Ailment]] = {}
    for network in networks:
        network.eval()
        network.zero_grad()
        outputs = _outputs(network, inputs)
        loss_function(network(inputs).squeeze(1), targets).backward()
        for ailment in _stuck_neurons(outputs) + _vanished_gradients(network, outputs):
            found.setdefault(ailment.kind, []).append(ailment)
        network.zero_grad()
    told = []
    for alike in found.values():
        worst = max(alike, key=lambda ailment: ailment.degree)
        among = f", in {len(alike)} of the {len(networks)} networks"
        among += " (this is the worst)" * (len(alike) > 1)
        told.append(f"{worst.said}{among * (len(networks) > 1)}: {worst.remedy}")
    return told


def _stuck_neurons(outputs: list[tuple[nn.Module, Tensor]]) -> list[Ailment]:
    """Layers with many neurons that hardly learn any more.

    A ReLU is dead when it is zero for every row; a sigmoid or tanh is saturated when it is at an end of its range
    for nearly every row: their derivative is zero there.
    """
    found = []
    layers = [(layer, output) for layer, output in outputs if isinstance(layer, STICKING)]
    for number, (layer, output) in enumerate(layers, start=1):
        if isinstance(layer, nn.ReLU):
            stuck, how = (output == 0).all(dim=0), "dead (zero for every row)"
            remedy = 'lower [training] learning_rate, or set [network] activation = "leaky_relu"'
        else:
            low = 0.0 if isinstance(layer, nn.Sigmoid) else -1.0
            place = (output - low) / (1.0 - low)  # from 0 to 1
            at_an_end = (place - 0.5).abs() > 0.5 - NEAR_THE_END
            stuck = at_an_end.float().mean(dim=0) >= MOST_OF_THE_ROWS
            how = f"saturated (at an end of their range for {MOST_OF_THE_ROWS:.0%} of the rows)"
            remedy = 'lower [training] learning_rate, or set [network] activation = "relu"'
        count, neurons = int(stuck.sum()), output.shape[-1]
        if count / neurons >= STUCK_SHARE:
            said = f"{count} of the {neurons} neurons in hidden layer {number} are {how}"
            found.append(Ailment(f"layer {number}", count / neurons, said, remedy))
    return found


def _vanished_gradients(
    network: nn.Module, outputs: list[tuple[nn.Module, Tensor]]
) -> list[Ailment]:
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
    times = sizes[-1] / sizes[0] if sizes[0] else math.inf
    how = f"{times:,.0f} times" if sizes[0] else "infinitely"
    said = f"gradients vanish, the first layer's are {how} smaller than the last one's"
    return [Ailment("gradients", times, said, remedy)]


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
