"""The sims' arithmetic is torch's: `node --test` compares core.js with what torch computes here."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.support.helpers import ROOT, run

FUNCTIONS: dict[str, Any] = {
    "linear": lambda x: x,
    "step": lambda x: (x >= 0) + 0 * x,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": nn.functional.leaky_relu,
    "silu": nn.functional.silu,
    "softmax": lambda x: torch.softmax(torch.stack([x, 0 * x]), dim=0)[0],
}


def activations() -> dict[str, Any]:
    """Functions, derivatives, gradients through chains, and random numbers."""
    x = torch.cat([torch.linspace(-5, 5, 101), torch.tensor([0.0, -80.0, 80.0])]).double()
    x.requires_grad_()
    values = {name: function(x) for name, function in FUNCTIONS.items()}
    slopes = {
        name: torch.autograd.grad(value.sum(), x)[0].tolist() for name, value in values.items()
    }
    chains = [
        {"name": name, "start": start, "weight": weight, "gradients": chain(name, start, weight)}
        for name in FUNCTIONS
        for start, weight in [(0.5, 1.0), (-1.2, 2.5), (3.0, -0.7)]
    ]
    torch.manual_seed(42)
    return {
        "x": x.tolist(),
        "f": {name: value.tolist() for name, value in values.items()},
        "d": slopes,
        "chains": chains,
        "softmax": torch.softmax(torch.tensor([1000.0, 999.0]), dim=0).tolist(),
        "seed": 42,
        "rand": torch.rand(700).tolist(),
        "permutation": torch.randperm(100).tolist(),
    }


def chain(name: str, start: float, weight: float) -> list[float]:
    """Gradients of h = f(weight * h) after 1 to 8 layers, with respect to the start."""
    first = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    gradients, h = [], first
    for _ in range(8):
        h = FUNCTIONS[name](weight * h)
        gradients.append(torch.autograd.grad(h, first, retain_graph=True)[0].item())
    return gradients


def architectures() -> list[dict[str, Any]]:
    """Networks with their parameter counts, and the outputs of each layer for one row."""
    made = []
    for sizes, activation in [
        ([4, 8, 1], "relu"),
        ([4, 32, 16, 8, 1], "tanh"),
        ([4, 128, 1], "leaky_relu"),
        ([4, 16, 8, 3], "silu"),
        ([31, 64, 32, 1], "sigmoid"),
        ([2, 3, 2], "linear"),
    ]:
        torch.manual_seed(7)
        linear = [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
        x = torch.linspace(-1, 1, sizes[0])
        traced = [x]
        with torch.no_grad():
            for layer in linear[:-1]:
                traced.append(FUNCTIONS[activation](layer(traced[-1])))
            traced.append(torch.softmax(linear[-1](traced[-1]), dim=0))
        made.append(
            {
                "sizes": sizes,
                "activation": activation,
                "weights": sum(layer.weight.numel() for layer in linear),
                "biases": sum(layer.bias.numel() for layer in linear),
                "traced": [values.tolist() for values in traced],
            }
        )
    return made


LOSSES: dict[str, Any] = {
    "regression": (nn.MSELoss(), lambda x: torch.sin(3 * x[:, :1]) - x[:, 1:], 1),
    "binary": (
        nn.BCEWithLogitsLoss(),
        lambda x: (x[:, :1] + x[:, 1:].square() > 0.3).double(),
        1,
    ),
    "multiclass": (
        nn.CrossEntropyLoss(),
        lambda x: (x.sum(dim=1) > -0.5).long() + (x.sum(dim=1) > 0.5).long(),
        3,
    ),
}


def training(problem: str, deep: bool, zero: bool) -> dict[str, Any]:
    """Losses, gradients and weights of ten iterations, in double precision."""
    loss_function, target, outputs = LOSSES[problem]
    torch.manual_seed(3)
    inputs = (torch.rand(64, 2) * 2 - 1).double()
    targets = target(inputs)
    sizes = [2, *([8] * 6 if deep else [16]), outputs]
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.Sigmoid() if deep else nn.Tanh()]
    network = nn.Sequential(*layers[:-1]).double()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    losses, gradients, weights = [], [], []
    for iteration in range(10):
        if iteration % 4 == 0:
            batches = torch.randperm(64).split(16)
        rows = batches[iteration % 4]
        if zero:
            optimizer.zero_grad()
        loss = loss_function(network(inputs[rows]), targets[rows])
        loss.backward()
        gradients.append(
            [p.grad.flatten().tolist() for p in network.parameters() if p.grad is not None]
        )
        optimizer.step()
        losses.append(loss.item())
        weights.append([p.detach().flatten().tolist() for p in network.parameters()])
    settings = {"problem": problem, "deep": deep, "zero": zero, "rate": 0.1, "seed": 3}
    return {"settings": settings, "losses": losses, "gradients": gradients, "weights": weights}


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sims") / "fixtures.json"
    runs = [training(*run) for run in itertools.product(LOSSES, [False, True], [True, False])]
    values = {"activations": activations(), "architectures": architectures(), "training": runs}
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


SIMS = [
    "activation-functions",
    "network-architecture",
    "training-loop",
]


@pytest.mark.parametrize("sim", SIMS)
def test_it_agrees_with_torch(fixtures: Path, sim: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    script = ROOT / "tests" / "site" / "sims" / f"{sim}.test.js"
    done = run(node, "--test", script, cwd=ROOT, FIXTURES=str(fixtures))
    assert done.returncode == 0, done.stdout
