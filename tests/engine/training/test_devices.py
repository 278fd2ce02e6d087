"""Graphics cards: what is said when memory is short, and how CUDA is told to repeat itself.

Most of this needs no card; what does is marked gpu.
"""

import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from capstone.core.errors import CapstoneError
from capstone.core.settings import Training
from capstone.streaming.prepared import PreparedRows
from capstone.training.acceleration.cuda_graph import ReplayedEpoch
from capstone.training.devices import card_memory, on_device, train_within_limits
from capstone.training.distributed import Team
from capstone.training.ensemble import build_ensemble
from capstone.training.fit import lesson_with_folds
from capstone.training.loop import History, batches, set_seed, train_epoch, train_model
from capstone.training.optimizer import make_optimizer
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


def test_short_of_memory_the_batch_is_halved_once_from_the_very_start(
    copy_of: Render, capstone: Capstone
) -> None:
    project = copy_of(problem="regression")
    short_of_memory(project, most_rows=40)
    code, said, error = capstone(project, *QUICK, "--set", "training.batch_size=64")
    assert (code, error) == (0, "")
    assert said.count("out of memory with batches of 64 rows: starting again with 32") == 1
    run = latest(project)
    assert json.loads((run / "run.json").read_text(encoding="utf-8"))["batch_size"] == 32
    assert capstone(project, *QUICK, "--set", "training.batch_size=32")[0] == 0
    weights = [(folder / "model.safetensors").read_bytes() for folder in (run, latest(project))]
    assert weights[0] == weights[1], "the first try leaves no trace"


@pytest.mark.parametrize("error", [CARD, PROCESSOR])
def test_when_half_the_batch_is_too_much_too_it_is_one_sentence(
    copy_of: Render, capstone: Capstone, error: str
) -> None:
    project = copy_of(problem="regression")
    short_of_memory(project, 20, error)
    code, _, said = capstone(project, *QUICK, "--set", "training.batch_size=64")
    assert (code, said.count("\n")) == (2, 1), said
    assert "memory is too small, even for batches of 32 rows" in said
    assert not (project / "runs").exists() or not [*(project / "runs").glob("*Z-*")]


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
    def fit(*_: object) -> None:
        raise error

    monkeypatch.setattr("capstone.pipeline.fit_model", fit)
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
    seen = []

    def learn(settings: Training) -> History:
        seen.append(torch.get_float32_matmul_precision())
        return History()

    weights = SimpleNamespace(device=torch.device(device))  # as if it were there
    network: Any = SimpleNamespace(state_dict=dict, parameters=lambda: iter([weights]))
    settings = Training(precision=precision)  # type: ignore[arg-type]
    train_within_limits(learn, network, settings, 100, lambda notes: None)
    assert (*seen, torch.get_float32_matmul_precision()) == (while_training, "highest")


def test_in_bf16_products_are_rounded_while_training_and_never_afterwards() -> None:
    weights, seen = [], []
    for precision in ("float32", "bf16"):
        torch.manual_seed(0)
        rows = torch.randn(100, 5)
        part, network = (rows, rows[:, 0] * rows[:, 1]), nn.Sequential(nn.Linear(5, 8), nn.SiLU())
        network.append(nn.Linear(8, 1))
        network[2].register_forward_hook(lambda layer, given, scores: seen.append(scores.dtype))
        learn = functools.partial(train_model, network, part, part, nn.MSELoss(), seed=1)
        settings = Training(precision=precision, epochs=3)
        train_within_limits(learn, network, settings, len(rows), lambda notes: None)
        weights.append(torch.cat([its.detach().flatten() for its in network.parameters()]))
        assert {*seen} == {torch.bfloat16 if precision == "bf16" else torch.float32}
        seen.clear()
        assert network(rows).dtype == torch.float32
        assert seen == [torch.float32]
        seen.clear()
    assert weights[1].dtype == torch.float32
    assert 0 < (weights[0] - weights[1]).abs().max() < 0.02


Given = tuple[nn.Module, tuple[Tensor, Tensor], nn.Module, torch.optim.Optimizer, int, Team]
WAITS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


def lesson_of(members: int, device: str) -> Given:
    """What train_epoch takes, for one network or several: 1,000 rows, to be cut into batches of 100."""
    inputs = torch.randn(1000, 5, device=device)
    train, loss = (inputs, inputs[:, 0]), cast(nn.Module, nn.MSELoss())
    networks: list[nn.Module] = [
        nn.Sequential(nn.Linear(5, 8), nn.SiLU(), nn.Linear(8, 1)) for _ in range(members)
    ]
    network = build_ensemble(networks, 5).to(device)
    if members > 1:
        lesson = lesson_with_folds(train, np.arange(1000) % members, loss)
        train, loss = lesson.train, lesson.loss_function
    return network, train, loss, make_optimizer(network, Training()), 100, Team()


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
    given = lesson_of(members, "cpu")
    with Reading() as reading:
        train_epoch(*given)
    assert len(reading.noted) == 2, "the losses' sum and the count of rows"
    loss = given[2]
    loss.register_forward_hook(lambda layer, given, told: told.item() and None)
    with Reading() as reading:
        train_epoch(*given)
    assert len(reading.noted) == 2 + 10, "a read in each batch would be seen"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
@pytest.mark.parametrize("members", [1, 4])
@pytest.mark.parametrize("where", ["on the card", "in a file"])
@pytest.mark.parametrize("kind", ["plain", "replayed"])
def test_within_an_epoch_the_processor_never_waits_for_the_card(
    members: int, where: str, kind: str, tmp_path: Path
) -> None:
    given = lesson_of(members, "cuda")
    train = given[1]
    cut = batches
    if where == "in a file":  # as a table is that does not fit on the card
        numbers = [its.cpu().numpy() for its in train]
        rows = PreparedRows(tmp_path, 1000, 5, 1 if members == 1 else 2, torch.float32, seed=0)
        rows.add(*numbers)
        cut = rows.batches

    def watched(*rows: Any) -> Iterator[tuple[Tensor, Tensor]]:
        torch.cuda.set_sync_debug_mode("error")
        yield from cut(*rows)
        torch.cuda.set_sync_debug_mode("default")  # the epoch's loss is read once, at its end

    one_pass: Any = ReplayedEpoch() if kind == "replayed" else train_epoch
    one_pass(*given, cut)  # what is set up the first time may wait
    try:
        one_pass(*given, cut=watched)
        assert one_pass is train_epoch or one_pass.recordable
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
