"""Graphics cards: what is said when memory is short, and how CUDA is told to repeat itself.

Most of this needs no card; what does is marked gpu.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from capstone.core.errors import CapstoneError
from capstone.core.settings import Training
from capstone.streaming.prepared import PreparedRows, RowShape
from capstone.training.acceleration.cuda_graph import RecordedSteps
from capstone.training.batches import Batch, RowsInMemory, TrainingRows
from capstone.training.devices import card_memory, matrix_products, on_device
from capstone.training.ensemble import build_ensemble
from capstone.training.loop import Trainer
from capstone.training.seed import set_seed
from tests.engine.training.test_members import Chapter, in_memory, some, some_data
from tests.support.helpers import Capstone, Render

QUICK = ("run", "--quick", "--set", "network.dropout=0.2", "--set", "preprocessing.numbers=plain")
FORWARD = "        return self.layers(x)\n"


def latest(project: Path) -> Path:
    return project / "runs" / (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()


CARD = 'torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")'
PROCESSOR = "torch.empty(2**55)"  # what torch's own allocator refuses, with an error of its own


def short_of_memory(project: Path, most_rows: int, error: str = CARD) -> None:
    """Make the network behave as where memory holds so many rows while it learns."""
    path = project / "src" / "my_capstone" / "network.py"
    short = f"""        if self.training and len(x) > {most_rows}:
            raise {error}
"""
    text = path.read_text(encoding="utf-8")
    assert FORWARD in text
    path.write_text(text.replace(FORWARD, short + FORWARD), encoding="utf-8")


def test_a_table_too_large_for_the_card_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_: Tensor, device: torch.device) -> Tensor:
        raise torch.OutOfMemoryError(f"{device} out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(Tensor, "to", full)
    rows = np.zeros((1000, 20), dtype=np.float32)
    with pytest.raises(
        CapstoneError, match=r"too small for 1,000 rows of 20 numbers: save .* Parquet"
    ):
        on_device(rows, torch.device("cuda"))


def test_only_a_card_has_memory_of_its_own() -> None:
    assert card_memory(torch.device("cpu")) == card_memory(torch.device("mps")) == float("inf")


@pytest.mark.parametrize("numbers", ["plain", "auto"])
@pytest.mark.parametrize("error", [CARD, PROCESSOR])
def test_a_batch_too_large_for_memory_is_one_sentence(
    copy_of: Render, capstone: Capstone, error: str, numbers: str
) -> None:
    """Also while the encoding of numbers is tried."""
    project = copy_of(problem="regression")
    short_of_memory(project, 20, error)
    changes = ("training.batch_size=64", f"preprocessing.numbers={numbers}")
    words = [word for change in changes for word in ("--set", change)]
    code, _, said = capstone(project, *QUICK, *words)
    assert (code, said.count("\n")) == (2, 1), said
    assert "Memory is too small for train() (" in said
    assert "make [training] batch_size, [network] hidden or members" in said
    assert not (project / "runs").exists() or not [*(project / "runs").glob("*Z-*")]
    assert capstone(project, *QUICK, "--set", "training.batch_size=16")[0] == 0


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB\nmore"), "CUDA out of memory."),
        (MemoryError(), "MemoryError)"),
    ],
)
def test_memory_that_is_short_elsewhere_is_one_sentence_too(
    copy_of: Render,
    capstone: Capstone,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    named: str,
) -> None:
    def train(*_: object) -> None:
        raise error

    monkeypatch.setattr("capstone.pipeline.train_model", train)
    code, _, said = capstone(copy_of(problem="regression"), *QUICK)
    assert (code, said.count("\n")) == (2, 1), said
    assert f"Memory is too small for train() ({named}" in said


def test_cuda_is_told_to_repeat_itself_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that it is put back afterwards
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")

    def available() -> bool:
        seen.setdefault("workspace", os.environ.get("CUBLAS_WORKSPACE_CONFIG"))
        return True

    monkeypatch.setattr(torch.cuda, "is_available", available)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda on, **_: seen.update(on=on))
    set_seed(1)
    assert seen == {"workspace": ":4096:8", "on": True}


@pytest.mark.parametrize(
    ("precision", "device", "while_training"),
    [("tf32", "cuda", "high"), ("tf32", "cpu", "highest"), ("float32", "cuda", "highest")],
)
def test_a_lower_precision_is_for_training_on_cuda_alone(
    precision: str, device: str, while_training: str
) -> None:
    with matrix_products(precision, torch.device(device)):
        assert torch.get_float32_matmul_precision() == while_training
    assert torch.get_float32_matmul_precision() == "highest"
    with pytest.raises(CapstoneError), matrix_products(precision, torch.device(device)):
        raise CapstoneError("Training diverged.")
    assert torch.get_float32_matmul_precision() == "highest"


def test_in_bf16_products_are_rounded_while_training_and_never_afterwards() -> None:
    weights, seen = [], []
    for precision in ("float32", "bf16"):
        torch.manual_seed(0)
        rows = torch.randn(100, 5)
        part, network = (rows, rows[:, 0] * rows[:, 1]), nn.Sequential(nn.Linear(5, 8), nn.SiLU())
        network.append(nn.Linear(8, 1))
        network[2].register_forward_hook(lambda layer, inputs, scores: seen.append(scores.dtype))
        settings = Training.model_validate({"precision": precision, "epochs": 3})
        Trainer(network, nn.MSELoss(), settings, seed=1).fit(RowsInMemory(*part), part)
        weights.append(torch.cat([its.detach().flatten() for its in network.parameters()]))
        assert {*seen} == {torch.bfloat16 if precision == "bf16" else torch.float32}
        seen.clear()
        assert network(rows).dtype == torch.float32
        assert seen == [torch.float32]
        seen.clear()
    assert weights[1].dtype == torch.float32
    assert 0 < (weights[0] - weights[1]).abs().max() < 0.02


WAITS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


def a_trainer(members: int, device: str) -> tuple[Trainer, TrainingRows]:
    """What trains one network or several, and 1,000 rows to learn from in batches of 100."""
    data = some_data(1000, members)
    model = build_ensemble(some(Chapter)[:members], 5).to(device)
    trainer = Trainer(model, data.criterion.to(device), Training(), seed=3)
    trainer.batch_size = 100
    rows = in_memory(data)
    return trainer, RowsInMemory(rows.inputs.to(device), rows.targets.to(device))


class Reading(TorchDispatchMode):
    """Notes each operation that waits for the device, because it needs a value or a count of them."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        if WAITS & {*func.tags}:
            self.noted.append(func.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("members", [1, 4])
def test_nothing_in_an_epoch_reads_from_the_device_until_its_end(members: int) -> None:
    trainer, rows = a_trainer(members, "cpu")
    with Reading() as reading:
        trainer.train_epoch(rows)
    assert len(reading.noted) == 1, "the sum of the losses"
    trainer.criterion.register_forward_hook(lambda layer, scores, loss: loss.item() and None)
    with Reading() as reading:
        trainer.train_epoch(rows)
    assert len(reading.noted) == 1 + 10, "a read in each batch would be seen"


class Watched:
    """Rows to learn from; while they are learned from, the processor must not wait for the card."""

    def __init__(self, rows: TrainingRows) -> None:
        self.rows, self.device = rows, rows.device

    def __len__(self) -> int:
        return len(self.rows)

    def make_batches(self, batch_size: int) -> Iterator[Batch]:
        """Those of the rows."""
        torch.cuda.set_sync_debug_mode("error")
        yield from self.rows.make_batches(batch_size)
        torch.cuda.set_sync_debug_mode("default")  # the epoch's loss is read once, at its end


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
@pytest.mark.parametrize("members", [1, 4])
@pytest.mark.parametrize("where", ["on the card", "in a file"])
@pytest.mark.parametrize("kind", ["plain", "recorded"])
def test_within_an_epoch_the_processor_never_waits_for_the_card(
    members: int, where: str, kind: str, tmp_path: Path
) -> None:
    trainer, rows = a_trainer(members, "cuda")
    if where == "in a file":  # as a table is that does not fit on the card
        assert isinstance(rows, RowsInMemory)
        shape = RowShape(5, 1 if members == 1 else 2, classes=False)
        prepared = PreparedRows(tmp_path, 1000, shape, seed=0, device=rows.device)
        prepared.add(rows.inputs.cpu().numpy(), rows.targets.cpu().numpy())
        rows = prepared
    recorded = trainer.take_step
    assert isinstance(recorded, RecordedSteps)
    if kind == "plain":
        trainer.take_step = trainer.train_step
    trainer.train_epoch(rows)  # what is set up the first time may wait
    try:
        trainer.train_epoch(Watched(rows))
        assert kind == "plain" or recorded.recordable
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
def test_two_runs_on_a_card_give_the_same_bytes(project: Path, capstone: Capstone) -> None:
    weights = []
    for _ in range(2):
        assert capstone(project, *QUICK, "--set", "training.device=cuda")[0] == 0
        weights.append((latest(project) / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
    info = json.loads((latest(project) / "run.json").read_text(encoding="utf-8"))
    assert info["device"] == torch.cuda.get_device_name()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
def test_a_card_and_the_processor_agree(copy_of: Render, capstone: Capstone) -> None:
    project = copy_of(problem="regression")
    scores = []
    for device in ("cpu", "cuda"):
        assert capstone(project, *QUICK, "--set", f"training.device={device}")[0] == 0
        metrics = json.loads((latest(project) / "metrics.json").read_text(encoding="utf-8"))
        scores.append(metrics["model"]["r2"]["value"])
    assert scores[0] == pytest.approx(scores[1], abs=0.05), "dropout draws other numbers there"
