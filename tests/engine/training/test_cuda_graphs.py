"""On a card, steps are recorded and played back: the same weights, and what can't be recorded is computed as ever.

What needs a card is marked gpu; elsewhere a "recording" is the work itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from capstone.core.settings import Training
from capstone.training.acceleration import cuda_graph
from capstone.training.acceleration.cuda_graph import RecordedSteps, accelerated
from capstone.training.batches import Batch, RowsInMemory
from capstone.training.checkpoint import Checkpoint
from capstone.training.ensemble import build_ensemble
from capstone.training.history import Epoch
from capstone.training.layers import body_and_head, freeze
from capstone.training.loop import Callback, EachEpoch, Trainer
from capstone.training.seed import set_seed
from tests.engine.training.test_members import (
    COLUMNS,
    MEMBERS,
    Chapter,
    LooksAtTheBatch,
    in_memory,
    some,
    some_data,
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


def moved(rows: Batch, device: str) -> Batch:
    return rows[0].to(device), rows[1].to(device)


def make_trainer(
    kind: Callable[[], nn.Module],
    recorded: bool,
    members: int = 1,
    device: str = "cpu",
    settings: dict[str, Any] | None = None,
) -> Trainer:
    """What trains so many networks of a kind: by recorded steps, or by those that are computed one by one."""
    set_seed(5)
    network = build_ensemble(some(kind)[:members], COLUMNS).to(device)
    chosen = {"epochs": EPOCHS, "batch_size": 32, "patience": 4, **(settings or {})}
    criterion = some_data(ROWS, members).criterion.to(device)
    trainer = Trainer(network, criterion, Training.model_validate(chosen), seed=3)
    trainer.take_step = RecordedSteps(trainer) if recorded else trainer.train_step
    return trainer


def learn(trainer: Trainer, callbacks: Sequence[Callback] = ()) -> dict[str, Tensor]:
    """The weights after training."""
    device = trainer.loss_sum.device.type
    members = getattr(trainer.network, "size", 1)
    data = some_data(ROWS, members)
    rows = in_memory(data)
    train = RowsInMemory(*moved((rows.inputs, rows.targets), device))
    trainer.fit(train, moved(data.validation, device), callbacks)
    return trainer.network.state_dict()


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


def test_steps_are_recorded_on_an_nvidia_card_alone() -> None:
    trainer = make_trainer(Chapter, recorded=False)
    assert accelerated(trainer) == trainer.train_step
    on_a_card = SimpleNamespace(loss_sum=SimpleNamespace(device=torch.device("cuda")))
    assert isinstance(accelerated(cast(Trainer, on_a_card)), RecordedSteps)


@pytest.mark.parametrize(
    ("kind", "members"), [(Chapter, 1), (Chapter, MEMBERS), (LooksAtTheBatch, MEMBERS)]
)
def test_a_step_is_recorded_once_an_epoch_and_learns_the_same(
    kind: Callable[[], nn.Module], members: int, recordings: Recordings
) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    recorded = learn(make_trainer(kind, True, members, device))
    assert len(recordings) == EPOCHS
    assert same_bits(recorded, learn(make_trainer(kind, False, members, device)))


@pytest.mark.parametrize("kind", DECIDED_BY_PYTHON)
def test_what_python_decides_anew_for_each_batch_is_not_recorded(
    kind: Callable[[], nn.Module], recordings: Recordings
) -> None:
    assert same_bits(learn(make_trainer(kind, True)), learn(make_trainer(kind, False)))
    assert not recordings


def test_where_a_recording_fails_training_goes_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def refuse(work: Callable[[], None], pool: Any) -> None:
        tried.append(work)
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(cuda_graph, "record", refuse)
    assert same_bits(learn(make_trainer(Chapter, True)), learn(make_trainer(Chapter, False)))
    assert len(tried) == 1, "it is not tried again"


def test_no_step_is_recorded_before_the_optimizer_has_its_memory_of_every_weight() -> None:
    trainer = make_trainer(Chapter, True, settings={"start_from": "runs/a", "freeze": "body"})
    recorded, (body, _) = trainer.take_step, body_and_head(trainer.network)
    assert isinstance(recorded, RecordedSteps)
    batch = torch.randn(32, COLUMNS), torch.randn(32)
    for frozen in (True, False):
        freeze(body, frozen)
        assert not recorded._is_set_up()
        trainer.train_step(*batch)
        assert recorded._is_set_up()


def test_a_body_that_is_set_free_learns_the_same_by_recorded_steps(
    recordings: Recordings,
) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    frozen = {"start_from": "runs/a", "freeze": "body", "unfreeze_after": 2}
    recorded, plain = (
        learn(make_trainer(Chapter, kind, device=device, settings=frozen)) for kind in (True, False)
    )
    assert same_bits(recorded, plain)
    assert len(recordings) == EPOCHS


def test_stopped_and_resumed_it_gives_the_same_bits(tmp_path: Path, recordings: Recordings) -> None:
    kind, device = (WithDropout, "cuda") if torch.cuda.is_available() else (Chapter, "cpu")
    whole = learn(make_trainer(kind, True, device=device))

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 3:
            raise OSError("power failure")

    path = tmp_path / "checkpoint.pt"
    with pytest.raises(OSError, match="power failure"):
        learn(make_trainer(kind, True, device=device), [Checkpoint(path, {}), EachEpoch(stop)])
    again = Checkpoint(path, {}, resume=True)
    resumed = learn(make_trainer(kind, True, device=device), [again])
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
    settings = {"precision": precision}
    recorded = learn(make_trainer(kind, True, members, "cuda", settings))
    assert len(recordings) == EPOCHS
    assert same_bits(recorded, learn(make_trainer(kind, False, members, "cuda", settings)))


@pytest.mark.gpu
@no_card
def test_on_a_card_what_reads_numbers_from_it_is_computed_as_ever(recordings: Recordings) -> None:
    assert same_bits(
        learn(make_trainer(ReadsNumbers, True, device="cuda")),
        learn(make_trainer(ReadsNumbers, False, device="cuda")),
    )
    assert not recordings


@pytest.mark.gpu
@no_card
def test_on_a_card_a_recording_that_fails_changes_nothing(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwatched(step: Callable[[], None], model: nn.Module) -> bool:
        step()
        return True

    monkeypatch.setattr(cuda_graph, "stays_on_the_card", unwatched)
    trainer = make_trainer(ReadsNumbers, True, device="cuda")
    learned, steps = learn(trainer), trainer.take_step
    assert isinstance(steps, RecordedSteps)
    assert (len(recordings), steps.recordable) == (1, False)
    assert same_bits(learned, learn(make_trainer(ReadsNumbers, False, device="cuda")))
