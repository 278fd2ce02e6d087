"""The optimiser: torch's AdamW to the last bit, whatever training asks of it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from capstone.core.settings import Training
from capstone.training.optimizer import QuickAdamW, make_optimizer, make_schedule

SETTINGS = Training(learning_rate=0.01, weight_decay=0.1)


class Network(nn.Module):
    """Of two ways through it, one is taken; what lies on the other gets no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 1), nn.Linear(4, 1)
        self.both = nn.Linear(1, 1)

    def forward(self, x: Tensor, turn: int) -> Tensor:
        """Shape (rows, 4) to shape (rows, 1)."""
        return self.both(self.first(x) if turn % 3 else self.second(x))


def make(quick: bool) -> tuple[Network, torch.optim.Optimizer]:
    """A network that is always the same, and its optimiser: ours, or torch's own."""
    torch.manual_seed(0)
    network = Network()
    if quick:
        return network, make_optimizer(network, SETTINGS)
    return network, torch.optim.AdamW(
        network.parameters(),
        lr=SETTINGS.learning_rate,
        weight_decay=SETTINGS.weight_decay,
        fused=True,
    )


def learn(
    network: nn.Module, optimizer: torch.optim.Optimizer, turns: Callable[[int], int]
) -> list[Tensor]:
    """Forty steps at a rate that goes up and down, and the weights after them."""
    schedule = make_schedule(optimizer, SETTINGS, epochs=4)
    chance = torch.Generator().manual_seed(1)
    for number in range(40):
        optimizer.zero_grad()
        rows = torch.randn(8, 4, generator=chance)
        network(rows, turns(number)).square().mean().backward()
        optimizer.step()
        if number % 10 == 9:
            schedule.step()
    return [its.detach().clone() for its in network.parameters()]


@pytest.mark.parametrize(
    "turns",
    [lambda _: 1, lambda number: number, lambda number: number // 5],
    ids=["a layer that is never used", "now and then", "for some steps"],
)
def test_it_takes_the_steps_of_torchs_own_to_the_last_bit(turns: Callable[[int], int]) -> None:
    ours, theirs = (learn(*make(quick), turns) for quick in (True, False))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_it_goes_on_from_another_optimisers_memory_to_the_last_bit() -> None:
    (network, quick), (other, plain) = make(True), make(False)
    used = lambda number: number % 2 + 2  # noqa: E731
    learn(network, quick, used)
    learn(other, plain, used)
    # Each takes over the other's memory, as a resumed run takes over a checkpoint's.
    states = quick.state_dict(), plain.state_dict()
    assert states[0]["param_groups"] == states[1]["param_groups"]
    quick.load_state_dict(states[1])
    plain.load_state_dict(states[0])
    ours, theirs = learn(network, quick, used), learn(other, plain, used)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_body_that_is_frozen_at_first_has_a_rate_of_its_own() -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    settings = SETTINGS.model_copy(update={"freeze": "body", "unfrozen_rate": 0.1})
    optimizer = make_optimizer(network, settings)
    assert not isinstance(optimizer, QuickAdamW), "it has one group of weights only"
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.01, 0.001])
