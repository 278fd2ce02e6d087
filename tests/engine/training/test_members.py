"""Several networks side by side: computed at once, they learn what each would learn alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from capstone.core.settings import Training
from capstone.training import fit
from capstone.training.ensemble import Ensemble, LinearSideBySide, MembersLoss, build_ensemble
from capstone.training.fit import Lesson, encoded_once, for_a_trial, lesson_with_folds
from capstone.training.loop import train_model
from capstone.training.piecewise_linear import fit_pieces

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


def a_lesson(rows: int = 200) -> Lesson:
    torch.manual_seed(1)
    inputs = torch.randn(rows, COLUMNS)
    targets = inputs[:, 0] * inputs[:, 1] + inputs[:, 2].abs()
    return lesson_with_folds((inputs, targets), torch.arange(rows).numpy() % MEMBERS, nn.MSELoss())


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


def test_the_gradients_are_each_members_own() -> None:
    members, lesson = some(Chapter), a_lesson()
    ensemble = Ensemble(members, COLUMNS)
    lesson.loss_function(ensemble(lesson.train[0]).squeeze(1), lesson.train[1]).backward()
    counted = lesson.train[1][:, 1].ne(torch.arange(MEMBERS)[:, None])
    for number, member in enumerate(members):
        losses = (member(lesson.train[0]).squeeze(1) - lesson.train[1][:, 0]) ** 2
        ((losses * counted[number]).sum() / counted.sum()).backward()
    stacks = dict(ensemble.network.named_parameters())
    for name, stack in stacks.items():
        own = [member.get_parameter(name).grad for member in members]
        assert stack.grad is not None
        for its, gradient in zip(stack.grad, own, strict=True):
            torch.testing.assert_close(its, gradient)


def test_rows_encoded_once_teach_the_same_as_rows_encoded_in_every_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lesson = a_lesson()
    encoding = fit_pieces(lesson.train[0].numpy())
    wide = COLUMNS + len(encoding.column)
    learnt = []
    for most in (fit.MOST_ENCODED, 0):
        monkeypatch.setattr(fit, "MOST_ENCODED", most)
        whole = nn.Sequential(encoding, Ensemble(some(lambda: Chapter(wide)), wide))
        network, its = encoded_once(whole, lesson)
        assert (network is whole) == (most == 0)
        train_model(
            network, its.train, its.validation, its.loss_function, Training(epochs=2), seed=3
        )
        learnt.append(whole.state_dict())
    assert learnt[0].keys() == learnt[1].keys()
    assert all(torch.equal(learnt[0][name], learnt[1][name]) for name in learnt[0])


def test_of_a_large_table_some_members_choose_the_encoding_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lesson = a_lesson()
    assert for_a_trial(lesson) is lesson
    monkeypatch.setattr(fit, "TRIAL_ROWS", 100)
    few = for_a_trial(lesson)
    assert few.members == 2
    held_out = few.validation[1]
    assert [fold.unique().tolist() for fold in held_out[..., 1]] == [[0], [1]]
    assert isinstance(few.loss_function, MembersLoss)
    train_model(
        build_ensemble(some(Chapter)[:2], COLUMNS),
        few.train,
        few.validation,
        few.loss_function,
        Training(epochs=1),
        seed=3,
    )
    assert isinstance(lesson.loss_function, MembersLoss)
    assert lesson.loss_function.numbers.tolist() == [0, 1, 2, 3]
