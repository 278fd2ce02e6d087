"""On a card, steps are recorded and played back: the same weights, and what can't be recorded is computed as ever.

What needs a card is marked gpu; elsewhere a "recording" is the work itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from capstone.core.settings import Training
from capstone.training.acceleration import cuda_graph
from capstone.training.acceleration.cuda_graph import ReplayedEpoch
from capstone.training.checkpoint import Checkpoint
from capstone.training.devices import in_bf16
from capstone.training.ensemble import build_ensemble
from capstone.training.loop import Epoch, set_seed, train_model
from tests.engine.training.test_members import (
    COLUMNS,
    MEMBERS,
    Chapter,
    LooksAtTheBatch,
    a_lesson,
    some,
)

EPOCHS = 6
ROWS = 300  # batches of 32, and a shorter one at the end
no_card = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="this machine has no CUDA device"
)


class WithDropout(Chapter):
    """Other neurons are dropped in each step, by the card's own random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(COLUMNS, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1)
        )


class Normalises(Chapter):
    """Batch norm keeps means of the batches it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(COLUMNS, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1)
        )


class ThrowsDice(Chapter):
    """Python decides for each batch whether a layer is left out."""

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) * (1 if random.random() < 0.5 else 2)


class AsksNumpy(ThrowsDice):
    """NumPy decides."""

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) * float(np.random.rand())


class AsksTorch(ThrowsDice):
    """The processor's random numbers decide."""

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) * torch.rand(1).item()


class Counts(ThrowsDice):
    """It changes as time goes by."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.layers(x) / self.calls


class ReadsNumbers(WithDropout):
    """It asks the card for a number, which no recording can."""

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) * (2.0 if x.mean().item() > 0 else 1.0)


DECIDED_BY_PYTHON = [ThrowsDice, AsksNumpy, AsksTorch, Counts]


def learnt(
    kind: Callable[[], nn.Module],
    one_pass: Callable[..., float] | None,
    members: int = 1,
    device: str = "cpu",
    precision: str = "float32",
    settings: dict[str, Any] | None = None,
    **how: Any,
) -> dict[str, Tensor]:
    """The weights after training."""
    set_seed(5)
    network = build_ensemble(some(kind)[:members], COLUMNS).to(device)
    lesson = a_lesson(ROWS)
    train, loss = lesson.train, lesson.loss_function.to(device)
    if members == 1:
        train, loss = (train[0], train[1][:, 0]), nn.MSELoss()
    held_out = train if members == 1 else lesson.validation
    to_learn_from = train[0].to(device), train[1].to(device)
    held_out = held_out[0].to(device), held_out[1].to(device)
    if precision == "bf16":
        network.forward = in_bf16(network.forward, device)
    chosen = Training(epochs=EPOCHS, batch_size=32, patience=4, **(settings or {}))
    train_model(network, to_learn_from, held_out, loss, chosen, seed=3, one_pass=one_pass, **how)
    return network.state_dict()


def same_bits(some: dict[str, Tensor], others: dict[str, Tensor]) -> bool:
    return all(torch.equal(its, others[name]) for name, its in some.items())


Recordings = list[Callable[[], None]]


@pytest.fixture
def recordings(monkeypatch: pytest.MonkeyPatch) -> Recordings:
    """What has been recorded; where there is no card, the work itself plays itself."""
    made: Recordings = []
    real = cuda_graph.record

    def watched(work: Callable[[], None], pool: Any) -> Callable[[], None]:
        made.append(work)
        return real(work, pool) if torch.cuda.is_available() else work

    monkeypatch.setattr(cuda_graph, "record", watched)
    return made


@pytest.fixture(autouse=True)
def as_if_there_were_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of torch.cuda beside the recording."""
    if not torch.cuda.is_available():
        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "a pool")
        monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", lambda mode: None)


@pytest.mark.parametrize(
    ("kind", "members"), [(Chapter, 1), (Chapter, MEMBERS), (LooksAtTheBatch, MEMBERS)]
)
def test_a_step_is_recorded_once_an_epoch_and_learns_the_same(
    kind: Callable[[], nn.Module], members: int, recordings: Recordings
) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    replayed = learnt(kind, ReplayedEpoch(), members, device)
    assert len(recordings) == EPOCHS
    assert same_bits(replayed, learnt(kind, None, members, device))


@pytest.mark.parametrize("kind", DECIDED_BY_PYTHON)
def test_what_python_decides_anew_for_each_batch_is_not_recorded(
    kind: Callable[[], nn.Module], recordings: Recordings
) -> None:
    assert same_bits(learnt(kind, ReplayedEpoch()), learnt(kind, None))
    assert not recordings


def test_where_a_recording_fails_the_epoch_goes_on_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []

    def refuse(work: Callable[[], None], pool: Any) -> None:
        tried.append(work)
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(cuda_graph, "record", refuse)
    assert same_bits(learnt(Chapter, ReplayedEpoch()), learnt(Chapter, None))
    assert len(tried) == 1, "it is not tried again"


def test_with_a_frozen_body_the_plain_loop_is_used(recordings: Recordings) -> None:
    frozen = {"start_from": "runs/a", "freeze": "body", "unfreeze_after": 2}
    both = [learnt(Chapter, its, settings=frozen) for its in (ReplayedEpoch(), None)]
    assert same_bits(*both)
    assert not recordings


def test_stopped_and_resumed_it_gives_the_same_bits(tmp_path: Path, recordings: Recordings) -> None:
    kind, device = (WithDropout, "cuda") if torch.cuda.is_available() else (Chapter, "cpu")
    whole = learnt(kind, ReplayedEpoch(), device=device)

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 3:
            raise OSError("power failure")

    path = tmp_path / "checkpoint.pt"
    with pytest.raises(OSError, match="power failure"):
        own = Checkpoint(path, {})
        learnt(kind, ReplayedEpoch(), device=device, checkpoint=own, on_epoch=stop)
    again = Checkpoint(path, {})
    resumed = learnt(kind, ReplayedEpoch(), device=device, checkpoint=again, resume=True)
    assert same_bits(whole, resumed)
    assert len(recordings) == 2 * EPOCHS


@pytest.mark.gpu
@no_card
@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize(
    ("kind", "members"), [(WithDropout, 1), (WithDropout, MEMBERS), (Normalises, 1)]
)
def test_on_a_card_a_recording_draws_and_keeps_what_the_plain_loop_does(
    kind: Callable[[], nn.Module], members: int, precision: str, recordings: Recordings
) -> None:
    replayed = learnt(kind, ReplayedEpoch(), members, "cuda", precision)
    assert len(recordings) == EPOCHS
    assert same_bits(replayed, learnt(kind, None, members, "cuda", precision))


@pytest.mark.gpu
@no_card
def test_on_a_card_what_reads_numbers_from_it_is_computed_as_ever(recordings: Recordings) -> None:
    assert same_bits(
        learnt(ReadsNumbers, ReplayedEpoch(), device="cuda"),
        learnt(ReadsNumbers, None, device="cuda"),
    )
    assert not recordings


@pytest.mark.gpu
@no_card
def test_on_a_card_a_recording_that_fails_changes_nothing(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwatched(step: Callable[[], None], network: nn.Module) -> bool:
        step()
        return True

    monkeypatch.setattr(cuda_graph, "stays_on_the_card", unwatched)
    tried = ReplayedEpoch()
    replayed = learnt(ReadsNumbers, tried, device="cuda")
    assert (len(recordings), tried.recordable) == (1, False)
    assert same_bits(replayed, learnt(ReadsNumbers, None, device="cuda"))
