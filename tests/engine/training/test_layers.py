"""ReLUs that overwrite their input: only where nothing else needs it, and with the same bits."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from capstone.training.layers import write_in_place


class OneByOne(nn.Module):
    """A forward pass that takes the layers of its nn.Sequential one by one, and needs what the first gave again."""

    def __init__(self, again: Callable[[Tensor, nn.Module], Tensor]) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))
        self.again = again

    def forward(self, x: Tensor) -> Tensor:
        """Shape (rows, 4) to shape (rows, 1)."""
        first = self.layers[0](x)
        return self.layers[2](self.again(first, self.layers[1]))


class Stern(nn.Module):
    """A forward pass that takes no negative number."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Shape (rows, 4) to shape (rows, 1)."""
        if (x < 0).any():
            raise ValueError("a negative number")
        return self.layers(x)


def plain() -> nn.Sequential:
    """Always the same network."""
    torch.manual_seed(0)
    shared = nn.ReLU()
    return nn.Sequential(
        nn.Linear(4, 8), shared, nn.Linear(8, 8), nn.LeakyReLU(), nn.Linear(8, 8), shared
    )


def in_place(network: nn.Module) -> list[bool]:
    return [layer.inplace for layer in network.modules() if isinstance(layer, nn.ReLU)]


def test_a_relu_behind_a_linear_layer_writes_in_place_and_learns_the_same_bits() -> None:
    usual, ours = plain(), plain()
    write_in_place(ours, inputs=4)
    assert (in_place(usual), in_place(ours)) == ([False], [True])
    rows = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
    for network in (usual, ours):
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
        for _ in range(20):
            optimizer.zero_grad()
            network(rows).square().mean().backward()
            optimizer.step()
    pairs = zip(usual.parameters(), ours.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(lambda first, relu: relu(first) + first, id="the outputs would be others"),
        pytest.param(
            lambda first, relu: 0 * first.square() + relu(first), id="the gradients need it"
        ),
    ],
)
def test_what_is_needed_again_is_not_overwritten(
    again: Callable[[Tensor, nn.Module], Tensor],
) -> None:
    network = OneByOne(again)
    write_in_place(network, inputs=4)
    assert in_place(network) == [False]
    network(torch.randn(3, 4)).sum().backward()


def test_networks_that_can_not_be_tried_stay_as_they_are() -> None:
    network = Stern()
    write_in_place(network, inputs=4)
    assert in_place(network) == [False]


def test_trying_changes_no_random_number_and_no_gradient() -> None:
    network = plain()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    write_in_place(network, inputs=4)
    assert torch.equal(torch.rand(4), expected)
    assert all(weight.grad is None for weight in network.parameters())
