"""Several networks side by side: computed at once, they learn what each would learn alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from capstone.core.settings import Training
from capstone.training import ensemble as ensembles
from capstone.training import training_data
from capstone.training.acceleration.side_by_side import LinearSideBySide
from capstone.training.batches import RowsInMemory
from capstone.training.early_stopping import BestWeights
from capstone.training.ensemble import Ensemble, EnsembleLoss, build_ensemble
from capstone.training.loop import Trainer
from capstone.training.piecewise_linear import fit_pieces
from capstone.training.training_data import (
    TrainingData,
    data_for_ensemble,
    data_for_one,
    encoded_once,
    some_members,
)

MEMBERS, COLUMNS = 4, 5


class Chapter(nn.Module):
    """Linear layers and activations."""

    def __init__(self, inputs: int = COLUMNS) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, 8), nn.SiLU(), nn.Dropout(0.0), nn.Linear(8, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class PicksColumns(Chapter):
    """A forward pass that knows where the columns are: the rows' second dimension."""

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + x[:, :1]


class LooksAtTheBatch(Chapter):
    """In training, and only then, each row is seen against the others."""

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x - x.mean(dim=0) if self.training else x)


class CountsRows(Chapter):
    """Another way through for large batches, which few rows can't show."""

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) if len(x) < 7 else self.layers(x) * 2


class InTwoHalves(Chapter):
    """A layer for some columns, another for the rest: none that knows how many there are."""

    def __init__(self) -> None:
        super().__init__(4)
        self.first, self.second = nn.Linear(2, 1), nn.Linear(COLUMNS - 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(torch.cat([self.first(x[:, :2]), self.second(x[:, 2:])], dim=1))


class Normalised(Chapter):
    """Layers that have weights of another kind."""

    def __init__(self) -> None:
        super().__init__()
        self.layers.insert(1, nn.LayerNorm(8))


def some(network: Callable[[], nn.Module]) -> list[nn.Module]:
    torch.manual_seed(0)
    return [network() for _ in range(MEMBERS)]


def some_data(rows: int = 200, members: int = MEMBERS) -> TrainingData:
    """Rows to learn from: with several members, a fold for each."""
    torch.manual_seed(1)
    inputs = torch.randn(rows, COLUMNS)
    targets = inputs[:, 0] * inputs[:, 1] + inputs[:, 2].abs()
    if members == 1:
        return data_for_one((inputs, targets), (inputs, targets), "regression")
    folds = torch.arange(rows).numpy() % members
    return data_for_ensemble((inputs, targets), folds, "regression")


def in_memory(data: TrainingData) -> RowsInMemory:
    """Its rows to learn from."""
    assert isinstance(data.train, RowsInMemory)
    return data.train


@pytest.mark.parametrize(
    "network", [Chapter, PicksColumns, InTwoHalves, LooksAtTheBatch, CountsRows, Normalised]
)
@pytest.mark.parametrize("training", [True, False])
def test_members_side_by_side_compute_what_each_computes_alone(
    network: Callable[[], nn.Module], training: bool
) -> None:
    members, rows = some(network), torch.randn(7, COLUMNS)
    ensemble = build_ensemble(members, COLUMNS)
    assert isinstance(ensemble, Ensemble)
    ensemble.train(training)
    alone = [member.train(training)(rows) for member in members]
    torch.testing.assert_close(ensemble(rows), torch.stack(alone, dim=-1))
    for number, member in enumerate(members):
        torch.testing.assert_close(ensemble.member(number)(rows), member(rows), rtol=0, atol=0)
        assert not any(
            isinstance(layer, LinearSideBySide) for layer in ensemble.member(number).modules()
        )


def test_only_what_treats_each_number_by_itself_is_computed_at_once() -> None:
    assert Ensemble(some(Chapter), COLUMNS).at_once
    for network in (PicksColumns, InTwoHalves, LooksAtTheBatch, CountsRows, Normalised):
        assert not Ensemble(some(network), COLUMNS).at_once, network


@pytest.mark.parametrize("encoded", [False, True])
def test_computed_at_once_members_learn_the_bits_that_they_learn_under_vmap(
    encoded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, learned = some_data(), []
    encoding = fit_pieces(in_memory(data).inputs.numpy())
    wide = COLUMNS + len(encoding.column) * encoded
    for at_once in (True, False):
        if not at_once:
            monkeypatch.setattr(ensembles, "side_by_side", lambda *_: None)
        ensemble = Ensemble(some(lambda: Chapter(wide)), wide)
        assert ensemble.at_once == at_once
        whole: nn.Module = nn.Sequential(encoding, ensemble) if encoded else ensemble
        model, its = encoded_once(whole, data)
        trainer = Trainer(model, its.criterion, Training(epochs=3, batch_size=32), seed=3)
        trainer.fit(its.train, its.validation)
        learned.append(ensemble.state_dict())
    assert learned[0].keys() == learned[1].keys()
    assert all(torch.equal(learned[0][name], learned[1][name]) for name in learned[0])


def test_the_gradients_are_each_members_own() -> None:
    members, data = some(Chapter), some_data()
    inputs, targets = in_memory(data).inputs, in_memory(data).targets
    ensemble = Ensemble(members, COLUMNS)
    data.criterion(ensemble(inputs).squeeze(1), targets).backward()
    counted = targets[:, 1].ne(torch.arange(MEMBERS)[:, None])
    for number, member in enumerate(members):
        losses = (member(inputs).squeeze(1) - targets[:, 0]) ** 2
        ((losses * counted[number]).sum() / counted.sum()).backward()
    stacks = dict(ensemble.network.named_parameters())
    for name, stack in stacks.items():
        own = [member.get_parameter(name).grad for member in members]
        assert stack.grad is not None
        for its, gradient in zip(stack.grad, own, strict=True):
            torch.testing.assert_close(its, gradient)


def test_each_member_keeps_the_weights_of_its_own_best_epoch() -> None:
    ensemble = Ensemble(some(Chapter), COLUMNS)
    best = BestWeights(ensemble)
    losses = [[4.0, 1.0, 3.0, 2.0], [3.0, 2.0, 1.0, 2.0], [5.0, 5.0, 5.0, 1.0], [9.0] * 4]
    better, epochs = [], []
    for number, loss in enumerate(losses):
        with torch.no_grad():
            for weight in ensemble.parameters():
                weight.fill_(number)
        better.append(best.update(ensemble, torch.tensor(loss)))
        epochs.append(best.loss.tolist())
    assert better == [True, True, True, False]
    assert epochs[-1] == [3.0, 1.0, 1.0, 1.0]
    best.restore(ensemble)
    for number, epoch in enumerate([1, 0, 1, 2]):
        weights = torch.cat([its.flatten() for its in ensemble.member(number).parameters()])
        assert weights.unique().tolist() == [epoch]


def test_the_best_of_a_checkpoint_come_to_the_device_of_the_model() -> None:
    """A checkpoint is read on the processor; on the device "meta", which is no processor, training goes on."""
    kept = BestWeights(Chapter())
    with torch.device("meta"):
        network = Chapter()
    best = BestWeights(network)
    best.load(kept.weights, torch.tensor(1.0))
    assert {its.device.type for its in best.weights.values()} == {"meta"}


def test_rows_encoded_once_teach_the_same_as_rows_encoded_in_every_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = some_data()
    encoding = fit_pieces(in_memory(data).inputs.numpy())
    wide = COLUMNS + len(encoding.column)
    learned = []
    for most in (training_data.MOST_ENCODED, 0):
        monkeypatch.setattr(training_data, "MOST_ENCODED", most)
        whole = nn.Sequential(encoding, Ensemble(some(lambda: Chapter(wide)), wide))
        network, its = encoded_once(whole, data)
        assert (network is whole) == (most == 0)
        Trainer(network, its.criterion, Training(epochs=2), seed=3).fit(its.train, its.validation)
        learned.append(whole.state_dict())
    assert learned[0].keys() == learned[1].keys()
    assert all(torch.equal(learned[0][name], learned[1][name]) for name in learned[0])


def test_of_a_large_table_some_members_choose_the_encoding_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = some_data()
    assert some_members(data) is data
    monkeypatch.setattr(training_data, "TRIAL_ROWS", 100)
    few = some_members(data)
    assert few.members == 2
    held_out = few.validation[1]
    assert [fold.unique().tolist() for fold in held_out[..., 1]] == [[0], [1]]
    assert isinstance(few.criterion, EnsembleLoss)
    ensemble = build_ensemble(some(Chapter)[:2], COLUMNS)
    Trainer(ensemble, few.criterion, Training(epochs=1), seed=3).fit(few.train, few.validation)
    assert isinstance(data.criterion, EnsembleLoss)
    assert data.criterion.numbers.tolist() == [0, 1, 2, 3]
