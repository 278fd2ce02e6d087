"""The five-step loop learns, stops in time, and gives the same bits for the same seed."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from capstone.core.errors import CapstoneError
from capstone.core.project import load_attribute
from capstone.core.settings import Training
from capstone.pipeline import CapstonePipeline
from capstone.training.devices import choose_device
from capstone.training.loop import History, batch_size_for, set_seed, train_model


def learn(root: Any, **changes: Any) -> tuple[nn.Module, History]:
    """Train your NeuralNetwork on 64 rows of a simple rule."""
    set_seed(7)
    network = load_attribute(root, "network", "NeuralNetwork")(inputs=3, outputs=1, hidden=[16])
    inputs = torch.randn(64, 3)
    part = (inputs, inputs[:, 0] - 2 * inputs[:, 1])
    settings = Training(**({"epochs": 30, "patience": 30, "learning_rate": 0.01} | changes))
    return network, train_model(network, part, part, nn.MSELoss(), settings, seed=7)


@pytest.fixture
def root() -> Any:
    from pathlib import Path

    return Path(__file__).parents[2]


def test_the_loss_falls(root: Any) -> None:
    _, history = learn(root)
    assert history.epochs[-1].train_loss < 0.5 * history.epochs[0].train_loss


def test_the_same_seed_gives_the_same_weights_bit_by_bit(root: Any) -> None:
    first, second = learn(root)[0].state_dict(), learn(root)[0].state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_best_weights_are_restored(root: Any) -> None:
    """Too high a rate makes the loss jump: the end is seldom the best."""
    network, history = learn(root, learning_rate=0.2)
    torch.manual_seed(7)
    best = history.epochs[history.best_epoch - 1]
    assert best.validation_loss == min(epoch.validation_loss for epoch in history.epochs)
    set_seed(7)
    load_attribute(root, "network", "NeuralNetwork")(inputs=3, outputs=1, hidden=[16])
    inputs = torch.randn(64, 3)
    network.eval()
    loss = nn.MSELoss()(network(inputs).squeeze(-1), inputs[:, 0] - 2 * inputs[:, 1]).item()
    assert math.isclose(loss, best.validation_loss, rel_tol=1e-5)


def test_training_stops_when_it_no_longer_helps(root: Any) -> None:
    _, history = learn(root, epochs=500, patience=3, learning_rate=0.2)
    assert len(history.epochs) == history.best_epoch + 3


def test_a_loss_that_is_no_number_is_one_clear_error(root: Any) -> None:
    with pytest.raises(CapstoneError, match=r"diverged in epoch .*learning_rate"):
        inputs = torch.full((8, 3), 1e30)
        network = nn.Linear(3, 1)
        part = (inputs, torch.zeros(8))
        train_model(network, part, part, nn.MSELoss(), Training(), seed=0)


def test_ctrl_c_keeps_the_best_so_far(root: Any) -> None:
    def interrupt(epoch: Any) -> None:
        if epoch.epoch == 3:
            raise KeyboardInterrupt

    network, part = nn.Linear(3, 1), (torch.randn(8, 3), torch.randn(8))
    history = train_model(network, part, part, nn.MSELoss(), Training(), 0, on_epoch=interrupt)
    assert history.ended == "stopped by Ctrl-C"
    assert len(history.epochs) == 3


def test_an_unknown_device_is_one_clear_error() -> None:
    with pytest.raises(CapstoneError, match="toaster"):
        choose_device("toaster")


@pytest.mark.parametrize(("rows", "size"), [(10, 32), (3000, 128), (10**6, 256)])
def test_the_batch_grows_with_the_table(rows: int, size: int) -> None:
    assert batch_size_for(rows) == size


def test_your_network_trains_on_your_table(finished: CapstonePipeline) -> None:
    losses = [epoch.train_loss for epoch in finished.history.epochs]
    assert losses[-1] < losses[0]
