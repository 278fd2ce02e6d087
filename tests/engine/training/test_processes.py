"""Several processes train one network together: what one process would learn, and no file twice."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from capstone.core.settings import Training
from capstone.training.checkpoint import Checkpoint
from capstone.training.distributed import share_of
from capstone.training.ensemble import build_ensemble
from capstone.training.history import Epoch
from capstone.training.loop import Callback, EachEpoch, Trainer
from tests.engine.training.test_members import COLUMNS, Chapter, Normalised, some, some_data
from tests.support.helpers import ROOT, Render, checkpoints_of, files_of, python_path, run

pytestmark = pytest.mark.slow
BRIEF = ("evaluation.explained_rows=0", "evaluation.bootstrap=20", "preprocessing.numbers=plain")
# What PyTorch's launcher `torchrun` is, without its warning about threads.
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2")


def command(*settings: str) -> list[str]:
    return ["-m", "capstone", "run", *(f"--set={line}" for line in (*BRIEF, *settings))]


def environment(project: Path) -> dict[str, str]:
    """On processors, two of which there always are: graphics cards are hidden."""
    return {
        "PYTHONPATH": python_path(project),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


def newest(project: Path) -> Path:
    return project / "runs" / (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()


def test_two_processes_learn_what_one_does(copy_of: Render) -> None:
    project = copy_of(problem="regression")
    short = command("training.epochs=1", "network.members=3", "training.batch_size=101")
    weights, losses = [], []
    for launcher in ((sys.executable,), TORCHRUN):
        done = run(*launcher, *short, cwd=project, **environment(project))
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("report.html in a browser") == 1, "one process prints"
        assert "Warning" not in done.stderr
        weights.append(load_file(newest(project) / "model.safetensors"))
        history = pd.read_csv(newest(project) / "history.csv")
        losses.append(history[["train_loss", "validation_loss"]].to_numpy())
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    alone, together = weights
    assert alone.keys() == together.keys()
    for name in alone:
        torch.testing.assert_close(alone[name], together[name], rtol=0, atol=1e-5)
    assert len(list(project.glob("runs/*/run.json"))) == 2, "one process writes"
    info = json.loads((newest(project) / "run.json").read_text(encoding="utf-8"))
    assert info["processes"] == 2


@pytest.mark.skipif(shutil.which("bash") is None, reason="the script for a cluster is for bash")
def test_the_script_for_a_cluster_starts_training(copy_of: Render, tmp_path: Path) -> None:
    """With commands that do on this machine what SLURM's do on a cluster, and no graphics card."""
    project, commands = copy_of(slurm=True), tmp_path / "commands"
    launcher = f'exec "{sys.executable}" -m torch.distributed.run "${{@/#gpu/2}}"'
    scripts = {"scontrol": "echo localhost", "srun": 'exec "$@"', "torchrun": launcher}
    commands.mkdir()
    for name, script in scripts.items():
        (commands / name).write_text(f"#!/bin/bash\n{script}\n", encoding="utf-8")
        (commands / name).chmod(0o755)
    activate = project / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.write_text("", encoding="utf-8")
    slurm = {"SLURM_JOB_NODELIST": "here", "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_ID": "7"}
    settings = [f"--set={line}" for line in (*BRIEF, "training.epochs=1", "network.members=2")]
    done = run(
        *("bash", "train.sbatch", *settings),
        cwd=project,
        **{**environment(project), **slurm, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((newest(project) / "run.json").read_text(encoding="utf-8"))["processes"] == 2


@pytest.mark.parametrize("rank", ["1", pytest.param("0", marks=pytest.mark.long)])
def test_when_one_process_dies_all_end_and_the_checkpoint_is_of_use(
    copy_of: Render, rank: str
) -> None:
    project = copy_of(problem="regression")
    settings = ("training.checkpoint_seconds=0", "network.members=1", "training.patience=60")
    long = command(*settings, "training.epochs=60")
    together = subprocess.Popen(
        [*TORCHRUN, *long],
        cwd=project,
        env={**os.environ, **environment(project)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not checkpoints_of(project):
        assert together.poll() is None, together.communicate()
        time.sleep(0.05)
    children = psutil.Process(together.pid).children()
    next(c for c in children if c.environ().get("RANK") == rank).send_signal(signal.SIGKILL)
    _, said = together.communicate(timeout=120)
    assert together.returncode != 0
    assert "Another process of this run has ended" in said
    assert not list(project.glob("runs/*/run.json"))
    # One process may go on from what two have learnt.
    done = run(sys.executable, *long, "--resume", cwd=project, **environment(project))
    assert done.returncode == 0, done.stderr
    assert "going on after epoch" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C otherwise")
def test_ctrl_c_ends_all_processes_and_keeps_the_checkpoint(copy_of: Render) -> None:
    project = copy_of(problem="regression")
    settings = ("training.checkpoint_seconds=0", "network.members=1", "training.patience=100000")
    together = subprocess.Popen(
        [*TORCHRUN, *command(*settings, "training.epochs=100000")],
        cwd=project,
        env={**os.environ, **environment(project)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests that a script starts in the background ignore Ctrl-C, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not checkpoints_of(project):
        assert together.poll() is None, together.communicate()
        time.sleep(0.05)
    os.killpg(together.pid, signal.SIGINT)  # as a terminal does
    _, said = together.communicate(timeout=120)
    assert together.returncode != 0
    assert "No run was saved; the same command with --resume goes on with the training" in said
    assert files_of(project / "runs") == {f"checkpoints/{checkpoints_of(project)[0].name}"}


def test_shares_of_a_batch_are_all_of_it_and_none_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.arange(7)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 3)
    shares = {}
    for count in (7, 5):  # five are not two for each, which batch norm needs
        found = []
        for rank in range(3):
            monkeypatch.setattr("torch.distributed.get_rank", lambda rank=rank: rank)
            found.append(share_of(count))
        shares[count] = found
    assert torch.equal(torch.cat([rows[own] for own, _ in shares[7]]), rows)
    assert [rows[:5][own].tolist() for own, _ in shares[5]] == [[0, 1, 2, 3, 4]] * 3
    for found in shares.values():
        assert sum(share for _, share in found) == pytest.approx(1)


# ---- What the trainers of two processes learn, in one go of torchrun ---------------------------------------


class NormalisesBatches(Chapter):
    """Batch norm sees no other process's rows; so of few rows, every process has to see all."""

    def __init__(self) -> None:
        super().__init__()
        self.layers.insert(1, nn.BatchNorm1d(8))


class TakesTurns(Chapter):
    """Of two layers, each second step uses one; a third is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(COLUMNS, 1) for _ in range(3))
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += self.training
        return self.layers(x) + (self.first(x) if self.steps % 2 else self.second(x))


class Drops(Chapter):
    """It notes which of its neurons are silenced in each step."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped: list[Tensor] = []
        self.layers[2] = nn.Dropout(0.5)
        self.layers[2].register_forward_hook(self._note)

    def _note(self, layer: nn.Module, inputs: tuple[Tensor], outputs: Tensor) -> None:
        if self.training:
            self.dropped.append(outputs.detach() == 0)


FROZEN = {"start_from": "runs/a", "freeze": "body", "unfreeze_after": 1}
# The network, how many of them, and settings; of 200 rows, the last batch of 66 has two.
CASES: dict[str, tuple[Callable[[], nn.Module], int, dict[str, Any]]] = {
    "one network": (Chapter, 1, {}),
    "members at once": (Chapter, 4, {}),
    "members under vmap": (Normalised, 4, {}),
    "a frozen body that is set free": (Chapter, 1, FROZEN),
    "members with frozen bodies": (Chapter, 4, FROZEN),
    "bfloat16": (Chapter, 4, {"precision": "bf16"}),
    "layers that are not always used": (TakesTurns, 1, {}),
    "batches of three": (NormalisesBatches, 1, {"batch_size": 3, "epochs": 1}),
    "dropout": (Drops, 1, {"batch_size": 3, "epochs": 1}),
    "resumed": (Chapter, 4, {}),
    "stopped early": (Chapter, 1, {"epochs": 50, "learning_rate": 0.3, "patience": 2}),
}


def trained(
    name: str, trainer_class: type[Trainer], rank: int = 0, callbacks: Sequence[Callback] = ()
) -> dict[str, Any]:
    """What one of the cases comes to. Only the first process has the weights to begin with."""
    kind, members, changes = CASES[name]
    model = build_ensemble(some(kind)[:members], COLUMNS)
    if rank:
        for weight in model.parameters():
            nn.init.zeros_(weight)
    settings = Training.model_validate({"batch_size": 66, "epochs": 3, **changes})
    data = some_data(200, members)
    trainer = trainer_class(model, data.criterion, settings, 3)
    history = trainer.fit(data.train, data.validation, callbacks)
    losses = [(epoch.train_loss, epoch.validation_loss) for epoch in history.epochs]
    dropped = getattr(model, "dropped", [])
    return {"weights": model.state_dict(), "losses": losses, "dropped": dropped}


# Each process has a checkpoint of its own, as on two machines; the second one's training stopped elsewhere.
TOGETHER = """
import torch, torch.distributed as dist
from pathlib import Path
from capstone.training.checkpoint import Checkpoint
from capstone.training.distributed import DistributedTrainer, agree, joined
from tests.engine.training.test_processes import CASES, trained

with joined("cpu") as rank:
    found = {"agreed": agree(rank == 0)}
    for name in CASES:
        kept = [Checkpoint(Path("checkpoint.pt"), {}, 1e9, resume=True)] if rank == 0 else []
        found[name] = trained(name, DistributedTrainer, rank, kept if name == "resumed" else [])
    options = dist.group.WORLD._get_backend(torch.device("cpu")).options
    found["waits"] = str(options._timeout)
    torch.save(found, f"{rank}.pt")
"""


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes has learned in every case."""
    folder = tmp_path_factory.mktemp("together")

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise OSError("power failure")

    with contextlib.suppress(OSError):
        kept = Checkpoint(folder / "checkpoint.pt", {})
        trained("resumed", Trainer, callbacks=[kept, EachEpoch(stop)])
    (folder / "together.py").write_text(TOGETHER, encoding="utf-8")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "template" / "engine")])
    done = run(*TORCHRUN, "together.py", cwd=folder, PYTHONPATH=paths, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("name", [name for name in CASES if name != "dropout"])
def test_two_trainers_learn_what_one_does(together: list[dict[str, Any]], name: str) -> None:
    alone = trained(name, Trainer)
    first, second = (found[name] for found in together)
    assert len(first["losses"]) == len(alone["losses"])
    near = 1e-3 if name == "bfloat16" else 1e-5
    assert first["losses"] == [pytest.approx(losses, abs=near) for losses in alone["losses"]]
    for key, weights in alone["weights"].items():
        torch.testing.assert_close(first["weights"][key], weights, rtol=0, atol=near)
        if "running" not in key:  # each process's batch norm has seen the first one's numbers
            assert torch.equal(first["weights"][key], second["weights"][key])


def test_each_drops_neurons_of_its_own_and_the_first_those_of_one_process(
    together: list[dict[str, Any]],
) -> None:
    alone, first, second = (
        torch.cat(found["dropped"])
        for found in (trained("dropout", Trainer), *(its["dropout"] for its in together))
    )
    assert torch.equal(first, alone)
    assert 0.3 < (first == second).float().mean() < 0.7


def test_all_decide_as_the_first_does_and_wait_for_it_for_days(
    together: list[dict[str, Any]],
) -> None:
    assert [found["agreed"] for found in together] == [True, True]
    assert [found["waits"] for found in together] == ["7 days, 0:00:00"] * 2
