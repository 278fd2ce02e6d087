"""`[training] compile = true`: the compiled steps learn what the plain loop learns, and say when they can't."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from capstone.training.acceleration.compiled import STEPS, CompiledEpoch, compiler
from torch import nn

from capstone.core.errors import CapstoneError
from capstone.core.settings import Training
from capstone.training.acceleration import compiled
from capstone.training.checkpoint import Checkpoint
from capstone.training.ensemble import build_ensemble
from capstone.training.loop import Epoch, train_model
from tests.engine.training.test_members import COLUMNS, Chapter, LooksAtTheBatch, a_lesson, some
from tests.support.helpers import Capstone, Render

NETWORKS = [Chapter, LooksAtTheBatch]  # all members at once, and one by one under vmap


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled steps as torch gets them: Python, which gives the same numbers without the wait."""
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    monkeypatch.setattr(compiled, "compiler", lambda: "c++")


def learnt(
    kind: Callable[[], nn.Module],
    one_pass: Callable[..., float] | None,
    epochs: int = 6,
    **how: Any,
) -> dict[str, torch.Tensor]:
    """The weights after training; of 300 rows, each batch of 32 but the last."""
    network, lesson = build_ensemble(some(kind), COLUMNS), a_lesson(300)
    settings = Training(epochs=epochs, batch_size=32, patience=4)
    parts = (lesson.train, lesson.validation, lesson.loss_function)
    train_model(network, *parts, settings, seed=3, one_pass=one_pass, **how)
    return network.state_dict()


def farthest(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> float:
    return max((its - others[name]).abs().max().item() for name, its in some.items())


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("kind", NETWORKS)
def test_it_learns_what_the_plain_loop_learns(kind: Callable[[], nn.Module]) -> None:
    assert farthest(learnt(kind, CompiledEpoch()), learnt(kind, None)) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.filterwarnings("ignore")  # torch's compiler uses old parts of itself and of Python
def test_torch_follows_every_step_of_it(
    kind: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the making of machine code, which takes longer."""
    follow = functools.partial(torch.compile, backend="eager")
    monkeypatch.setattr(torch, "compile", follow)
    monkeypatch.setattr(compiled, "compiler", lambda: "c++")
    assert farthest(learnt(kind, CompiledEpoch()), learnt(kind, None)) < 1e-5


@pytest.mark.usefixtures("uncompiled")
def test_only_full_groups_of_batches_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise each new shape would be compiled anew."""
    sizes: list[list[int]] = []
    real = compiled.several_steps

    def watched(*given: Any) -> torch.Tensor:
        sizes.append([len(inputs) for inputs, _ in given[-1]])
        return real(*given)

    monkeypatch.setattr(compiled, "several_steps", watched)
    learnt(Chapter, CompiledEpoch(), epochs=2)
    assert sizes == [[32] * STEPS] * (2 * (300 // 32 // STEPS))


@pytest.mark.usefixtures("uncompiled")
def test_stopped_and_resumed_it_gives_the_same_bits(tmp_path: Path) -> None:
    whole = learnt(Chapter, CompiledEpoch())

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 3:
            raise OSError("power failure")

    path = tmp_path / "checkpoint.pt"
    with pytest.raises(OSError, match="power failure"):
        learnt(Chapter, CompiledEpoch(), checkpoint=Checkpoint(path, {}), on_epoch=stop)
    resumed = learnt(Chapter, CompiledEpoch(), checkpoint=Checkpoint(path, {}), resume=True)
    assert farthest(whole, resumed) == 0


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(compiler() is None, reason="no C++ compiler on this machine")
@pytest.mark.parametrize("kind", NETWORKS)
def test_compiled_in_earnest_it_learns_the_same_to_a_few_millionths(
    kind: Callable[[], nn.Module],
) -> None:
    assert 0 < farthest(learnt(kind, CompiledEpoch()), learnt(kind, None)) < 1e-5


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("layer", [nn.BatchNorm1d(8), nn.Dropout(0.1)])
def test_layers_that_are_another_in_each_step_are_refused(layer: nn.Module) -> None:
    network, lesson = nn.Sequential(nn.Linear(5, 8), layer, nn.Linear(8, 1)), a_lesson()
    parts = (lesson.train, lesson.validation, nn.MSELoss())
    with pytest.raises(CapstoneError, match=type(layer).__name__):
        train_model(network, *parts, Training(epochs=1), seed=3, one_pass=CompiledEpoch())


@pytest.mark.usefixtures("uncompiled")
def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "Team", lambda: SimpleNamespace(size=2))
    with pytest.raises(CapstoneError, match="compile = true is for one process"):
        CompiledEpoch()


@pytest.mark.usefixtures("uncompiled")
def test_what_torch_cannot_compile_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> torch.Tensor:
        raise RuntimeError("backend raised:\nUnsupported: print\n  a page of explanation")

    monkeypatch.setattr(compiled, "several_steps", fails)
    with pytest.raises(CapstoneError) as told:
        learnt(Chapter, CompiledEpoch())
    assert str(told.value) == (
        "[training] compile = true: torch can't compile this network "
        "(backend raised: Unsupported: print): set it to false."
    )


REFUSALS = {
    "training.freeze=body": 'compile = true does not go with freeze = "body"',
    "network.dropout=0.1": "compile = true does not go with [network] dropout",
}


@pytest.mark.parametrize("setting", REFUSALS)
def test_settings_that_do_not_go_with_it_are_refused(
    setting: str, render: Render, capstone: Capstone
) -> None:
    asked = ("training.compile=true", "training.start_from=runs/LATEST", setting)
    words = [word for one in asked for word in ("--set", one)]
    code, _, said = capstone(render(), "run", *words)
    assert code == 2
    assert REFUSALS[setting] in " ".join(said.split())


def test_without_a_compiler_it_says_so(
    copy_of: Render, capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    project = copy_of()
    code, _, said = capstone(project, "run", "--quick", "--set", "training.compile=true")
    assert code == 2
    assert "needs a C++ compiler" in " ".join(said.split())
    assert not list((project / "runs").glob("*"))
