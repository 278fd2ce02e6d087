"""The network is described as it is, and what ails it is found."""

import pytest
import torch
from torch import nn

from capstone.pipeline import CapstonePipeline
from capstone.training.health import check_health, describe_layers
from capstone.training.network import encoding_of, members_of

ROWS = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
PART = (ROWS, ROWS[:, 0])


def deep(activation: type[nn.Module], layers: int) -> nn.Module:
    torch.manual_seed(0)
    hidden = [module for _ in range(layers) for module in (nn.Linear(16, 16), activation())]
    return nn.Sequential(nn.Linear(4, 16), activation(), *hidden, nn.Linear(16, 1))


def test_layers_shapes_and_parameters_are_counted() -> None:
    layers = describe_layers(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)), ROWS)
    assert [layer["layer"] for layer in layers] == ["Linear", "ReLU", "Linear"]
    assert [layer["outputs"] for layer in layers] == [8, 8, 1]
    assert [layer["parameters"] for layer in layers] == [40, 0, 9]


def test_a_sound_network_is_healthy() -> None:
    assert check_health([deep(nn.ReLU, 1)], PART, nn.MSELoss()) == []


def test_dead_neurons_are_counted_with_a_remedy() -> None:
    first = nn.Linear(4, 8)
    with torch.no_grad():
        first.bias[:3] = -1000.0
    network = nn.Sequential(first, nn.ReLU(), nn.Linear(8, 1))
    (found,) = check_health([network], PART, nn.MSELoss())
    assert found.startswith("3 of the 8 neurons in hidden layer 1 are dead")
    assert "leaky_relu" in found


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.Tanh])
def test_saturated_neurons_of_any_member_are_counted_with_a_remedy(
    activation: type[nn.Module],
) -> None:
    networks: list[nn.Module] = []
    for stuck in (0, 3, 5):
        first = nn.Linear(4, 8)
        with torch.no_grad():
            first.weight.mul_(0.1)
            first.bias[:stuck] = torch.tensor([30.0, -30.0, 30.0, -30.0, 30.0])[:stuck]
        networks.append(nn.Sequential(first, activation(), nn.Linear(8, 1)))
    assert check_health(networks[:1], PART, nn.MSELoss()) == []
    (found,) = check_health(networks, PART, nn.MSELoss())
    assert found.startswith("5 of the 8 neurons in hidden layer 1 are saturated")
    assert ", in 2 of the 3 networks (this is the worst): " in found
    assert "learning_rate" in found


@pytest.mark.parametrize(("activation", "remedy"), [(nn.Sigmoid, '"relu"'), (nn.ReLU, "fewer")])
def test_vanished_gradients_are_found_with_a_remedy(
    activation: type[nn.Module], remedy: str
) -> None:
    found = check_health([deep(activation, 20)], PART, nn.MSELoss())
    assert any("gradients vanish" in line and remedy in line for line in found), found


def test_the_check_changes_nothing() -> None:
    network = deep(nn.ReLU, 1)
    before = [weights.clone() for weights in network.parameters()]
    check_health([network], PART, nn.MSELoss())
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    assert all(weights.grad is None for weights in network.parameters())


def test_your_networks_layers_are_saved_with_its_parameters(finished: CapstonePipeline) -> None:
    layers, members = finished.model.layers(), finished.model.architecture["members"]
    assert members * sum(layer["parameters"] for layer in layers) == finished.model.parameters()


def test_every_member_is_examined(finished: CapstonePipeline) -> None:
    network = finished.model.network
    encoding, networks = encoding_of(network), members_of(network)
    inputs = torch.from_numpy(finished.matrices["test"][:50])
    assert len(networks) == finished.model.architecture["members"]
    with torch.no_grad():
        scores = torch.stack([network(encoding(inputs)) for network in networks], dim=-1)
        together = finished.model.network(inputs).reshape(scores.shape)
    torch.testing.assert_close(scores, together)
