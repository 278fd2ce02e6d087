"""The trainer: callbacks, a state that another training goes on from, batches, and early stopping."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from capstone.core.settings import Training
from capstone.training.batches import RowsInMemory
from capstone.training.checkpoint import Checkpoint
from capstone.training.early_stopping import BestWeights
from capstone.training.ensemble import build_ensemble
from capstone.training.history import Epoch
from capstone.training.loop import Callback, EachEpoch, Trainer
from tests.engine.training.test_members import COLUMNS, MEMBERS, Chapter, some, some_data


class Dropping(Chapter):
    """Chance decides in every step."""

    def __init__(self) -> None:
        super().__init__()
        self.layers[2] = nn.Dropout(0.3)


def make_trainer(members: int = MEMBERS, seed: int = 3, **changes: Any) -> Trainer:
    model = build_ensemble(some(Dropping)[:members], COLUMNS)
    settings = Training.model_validate({"epochs": 6, "batch_size": 32, **changes})
    return Trainer(model, some_data(members=members).criterion, settings, seed)


def fit(trainer: Trainer, callbacks: Sequence[Callback] = ()) -> dict[str, Tensor]:
    """The weights after training."""
    data = some_data(members=getattr(trainer.network, "size", 1))
    trainer.fit(data.train, data.validation, callbacks)
    return trainer.network.state_dict()


def same_bits(some: dict[str, Tensor], others: dict[str, Tensor]) -> bool:
    return all(torch.equal(its, others[name]) for name, its in some.items())


class Noting:
    """A callback that notes what it is told, and how many epochs the history has then."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, int]] = []

    def on_fit_begin(self, trainer: Trainer) -> None:
        self.noted.append(("begin", len(trainer.history.epochs)))

    def on_epoch_end(self, trainer: Trainer, epoch: Epoch) -> None:
        assert trainer.history.epochs[-1] is epoch
        self.noted.append(("end", epoch.epoch))


class HandOver(Noting):
    """A callback that keeps the state after the third epoch, or begins with one that was kept."""

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.state = state

    def on_fit_begin(self, trainer: Trainer) -> None:
        if self.state:
            trainer.load_state_dict(self.state)

    def on_epoch_end(self, trainer: Trainer, epoch: Epoch) -> None:
        if epoch.epoch == 3 and not self.state:
            self.state = copy.deepcopy(trainer.state_dict())


@pytest.mark.parametrize("members", [1, MEMBERS])
def test_the_state_of_a_training_goes_on_in_another_with_the_same_bits(members: int) -> None:
    kept, whole, later = HandOver(), make_trainer(members), make_trainer(members)
    weights = fit(whole, [kept])
    for weight in later.network.parameters():
        nn.init.ones_(weight)
    assert same_bits(weights, fit(later, [HandOver(kept.state)]))
    for first, second in zip(whole.history.epochs, later.history.epochs, strict=True):
        assert {**asdict(first), "seconds": 0} == {**asdict(second), "seconds": 0}
    assert later.history.best_epoch == whole.history.best_epoch
    assert later.history.best_loss == whole.history.best_loss
    assert same_bits(whole.best.weights, later.best.weights)


def test_each_callback_is_told_of_the_beginning_and_of_every_epoch() -> None:
    first, second = Noting(), Noting()
    fit(make_trainer(epochs=2), [first, second])
    assert first.noted == second.noted == [("begin", 0), ("end", 1), ("end", 2)]


def test_a_function_is_handed_every_epoch_also_those_of_a_checkpoint(tmp_path: Path) -> None:
    seen: list[int] = []

    def note(epoch: Epoch) -> None:
        seen.append(epoch.epoch)
        if len(seen) == 4:
            raise OSError("power failure")

    path = tmp_path / "checkpoint.pt"
    with pytest.raises(OSError, match="power failure"):
        fit(make_trainer(), [Checkpoint(path, {}), EachEpoch(note)])
    assert seen == [1, 2, 3, 4]
    handed: list[Epoch] = []
    again = Noting()
    fit(make_trainer(), [Checkpoint(path, {}, resume=True), EachEpoch(handed.append), again])
    assert [epoch.epoch for epoch in handed] == [1, 2, 3, 4, 5, 6]
    assert again.noted == [("begin", 4), ("end", 5), ("end", 6)]


def test_a_checkpoint_is_taken_up_only_if_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    fit(make_trainer(epochs=4), [Checkpoint(path, {})])
    anew = Noting()
    fit(make_trainer(epochs=1), [Checkpoint(path, {}, seconds=1e9), anew])
    assert anew.noted[0] == ("begin", 0)


def test_a_checkpoint_is_written_no_sooner_than_it_is_due(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    fit(make_trainer(epochs=2), [Checkpoint(path, {}, seconds=1e9)])
    assert not path.exists()
    fit(make_trainer(epochs=2), [Checkpoint(path, {})])
    assert len(torch.load(path, weights_only=True)["epochs"]) == 2
    assert [its.name for its in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_ctrl_c_in_the_first_epoch_leaves_nothing_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(make_trainer())


def test_an_epochs_loss_is_the_mean_over_its_rows_whatever_its_batches() -> None:
    """The last batch of 30 has 20 rows; the rate is too small to change a weight."""
    data = some_data(members=1)
    losses = []
    for size in (30, 200):
        trainer = make_trainer(1, batch_size=size, epochs=1, learning_rate=1e-30)
        for layer in trainer.network.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
        losses.append(trainer.fit(data.train, data.validation).epochs[0].train_loss)
        losses.append(trainer.evaluate(data.validation).item())
    assert losses == pytest.approx([losses[-1]] * 4, rel=1e-5)


def test_batches_have_every_row_once_but_a_single_one_that_is_left_over() -> None:
    numbers = torch.arange(21.0)
    rows = RowsInMemory(numbers[:, None], numbers)
    torch.manual_seed(0)
    sizes, seen = [], []
    for inputs, targets in rows.make_batches(5):
        assert torch.equal(inputs.squeeze(1), targets)
        sizes.append(len(inputs))
        seen += targets.tolist()
    assert sizes == [5, 5, 5, 5]
    assert len(set(seen)) == 20 and seen != sorted(seen)
    assert len(list(rows.make_batches(1))) == 21


def test_the_best_weights_are_kept_with_what_batch_norm_has_counted() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    best = BestWeights(network)
    for loss, better in ((2.0, True), (1.0, True), (3.0, False)):
        network(torch.randn(4, 3))
        assert best.update(network, torch.tensor(loss)) == better
    best.restore(network)
    assert network.state_dict()["1.num_batches_tracked"] == 2
    assert best.loss == 1.0


@pytest.mark.parametrize(("rows", "threads"), [(200, 1), (10_000, 3)])
def test_a_history_says_how_many_threads_trained(
    monkeypatch: pytest.MonkeyPatch, rows: int, threads: int
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    data = some_data(rows, members=1)
    trainer = make_trainer(1, batch_size=rows, epochs=1)
    try:
        trainer.fit(data.train, data.validation)
        assert trainer.history.threads == torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
