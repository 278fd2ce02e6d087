"""The optimizer: torch's AdamW, whatever training asks of it, and a rate that changes from epoch to epoch."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from capstone.core.settings import Training
from capstone.training.optimizer import make_optimizer, make_schedule

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


def make(ours: bool) -> tuple[Network, torch.optim.Optimizer]:
    """A network that is always the same, and its optimizer: ours, or torch's own with the same settings."""
    torch.manual_seed(0)
    network = Network()
    if ours:
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
    ours, theirs = (learn(*make(ours), turns) for ours in (True, False))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_it_goes_on_from_another_optimizers_memory_to_the_last_bit() -> None:
    (network, ours), (other, plain) = make(True), make(False)
    used = lambda number: number % 2 + 2  # noqa: E731
    learn(network, ours, used)
    learn(other, plain, used)
    # Each takes over the other's memory, as a resumed run takes over a checkpoint's.
    states = ours.state_dict(), plain.state_dict()
    assert states[0]["param_groups"] == states[1]["param_groups"]
    ours.load_state_dict(states[1])
    plain.load_state_dict(states[0])
    mine, theirs = learn(network, ours, used), learn(other, plain, used)
    assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


def test_a_body_that_is_frozen_at_first_has_a_rate_of_its_own() -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    settings = SETTINGS.model_copy(update={"freeze": "body", "unfrozen_rate": 0.1})
    optimizer = make_optimizer(network, settings)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.01, 0.001])
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 2]


def test_its_step_can_be_recorded_on_a_card_alone() -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 1))
    assert make_optimizer(network, SETTINGS).defaults["capturable"] is False


@pytest.mark.parametrize(("schedule", "epochs"), [("constant", 4), ("one_cycle", 1)])
def test_the_rate_stays_as_it_is_where_it_is_to(schedule: str, epochs: int) -> None:
    network, optimizer = make(True)
    settings = Training.model_validate({"learning_rate": 0.01, "schedule": schedule})
    rates = make_schedule(optimizer, settings, epochs)
    network(torch.randn(2, 4), 1).mean().backward()
    for _ in range(epochs):
        assert rates.get_last_lr() == [0.01]
        optimizer.step()
        rates.step()


def test_one_cycle_goes_up_to_the_rate_that_is_set_and_down_again() -> None:
    network, optimizer = make(True)
    schedule = make_schedule(optimizer, SETTINGS, epochs=20)
    network(torch.randn(2, 4), 1).mean().backward()
    rates = []
    for _ in range(20):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    peak = rates.index(max(rates))
    assert 0 < peak < 19 and max(rates) == pytest.approx(0.01, rel=0.05)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
