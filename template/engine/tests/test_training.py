"""The five-step loop learns, stops in time, and gives the same bits for the same seed."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from capstone.core.errors import CapstoneError
from capstone.core.settings import Training
from capstone.core.student_code import load_attribute
from capstone.pipeline import CapstonePipeline
from capstone.training.batches import Batch, RowsInMemory, batch_size_for
from capstone.training.devices import choose_device
from capstone.training.history import Epoch, History
from capstone.training.loop import EachEpoch, Trainer
from capstone.training.seed import set_seed


def learn(root: Path, **changes: Any) -> tuple[nn.Module, History]:
    """Train your NeuralNetwork on 64 rows of a simple rule."""
    set_seed(7)
    network = load_attribute(root, "network", "NeuralNetwork")(inputs=3, outputs=1, hidden=[16])
    inputs = torch.randn(64, 3)
    rows = (inputs, inputs[:, 0] - 2 * inputs[:, 1])
    settings = Training(**({"epochs": 30, "patience": 30, "learning_rate": 0.01} | changes))
    return network, fit(network, rows, settings)


def fit(
    network: nn.Module, rows: Batch, settings: Training | None = None, *callbacks: EachEpoch
) -> History:
    """Learn from rows, and stop by the same ones."""
    trainer = Trainer(network, nn.MSELoss(), settings or Training(), seed=7)
    return trainer.fit(RowsInMemory(*rows), rows, callbacks)


@pytest.fixture
def root() -> Path:
    return Path(__file__).parents[2]


def test_the_loss_falls(root: Path) -> None:
    _, history = learn(root)
    assert history.epochs[-1].train_loss < 0.5 * history.epochs[0].train_loss


def test_the_same_seed_gives_the_same_weights_bit_by_bit(root: Path) -> None:
    first, second = learn(root)[0].state_dict(), learn(root)[0].state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_best_weights_are_restored(root: Path) -> None:
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


def test_training_stops_when_it_no_longer_helps(root: Path) -> None:
    _, history = learn(root, epochs=500, patience=3, learning_rate=0.2)
    assert len(history.epochs) == history.best_epoch + 3


def test_a_loss_that_is_no_number_is_one_clear_error(root: Path) -> None:
    with pytest.raises(CapstoneError, match=r"diverged in epoch .*learning_rate"):
        fit(nn.Linear(3, 1), (torch.full((8, 3), 1e30), torch.zeros(8)))


def test_ctrl_c_keeps_the_best_so_far() -> None:
    def interrupt(epoch: Epoch) -> None:
        if epoch.epoch == 3:
            raise KeyboardInterrupt

    rows = (torch.randn(8, 3), torch.randn(8))
    history = fit(nn.Linear(3, 1), rows, None, EachEpoch(interrupt))
    assert history.interrupted and history.ended == "stopped by Ctrl-C"
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
