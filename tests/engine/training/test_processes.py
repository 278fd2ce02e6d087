"""Several processes train one network together: what one process would learn, and no file twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from safetensors.torch import load_file

from capstone.training.distributed import Team
from capstone.training.loop import batches
from tests.support.helpers import (
    ROOT,
    Capstone,
    Render,
    python_path,
    run,
)

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
    weights = []
    for launcher in ((sys.executable,), TORCHRUN):
        done = run(*launcher, *short, cwd=project, **environment(project))
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Open runs") == 1, "one process tells"
        weights.append(load_file(newest(project) / "model.safetensors"))
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
    checkpoint = project / "runs" / "checkpoint.pt"
    while not checkpoint.exists():
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


def test_shares_of_a_batch_are_all_of_it_and_none_is_empty() -> None:
    rows, teams = torch.arange(7), []
    for rank in range(3):
        team = Team()
        team.rank, team.size = rank, 3
        teams.append(team)
    assert torch.equal(torch.cat([team.share(rows) for team in teams]), rows)
    assert sum(team.part for team in teams) == pytest.approx(1)
    few = [0, 1, 2, 3, 4]  # not two for each, which batch norm needs
    assert [team.share(rows[:5]).tolist() for team in teams] == [few] * 3
    assert sum(team.part for team in teams) == pytest.approx(1)


def test_processes_take_the_same_rows_but_drop_other_neurons() -> None:
    rows, orders, dropped = torch.arange(8.0), [], []
    for rank in range(3):
        team = Team()
        team.rank, team.size = rank, 3  # of so few rows each learns from all
        torch.manual_seed(5)
        orders.append(torch.cat([batch for batch, _ in batches(rows, rows, 4, team)]).tolist())
        dropped.append(torch.rand(4).tolist())
    assert orders[0] == orders[1] == orders[2]
    assert dropped[0] != dropped[1] != dropped[2] != dropped[0]
    torch.manual_seed(5)
    alone = torch.randperm(8).tolist(), torch.rand(4).tolist()
    assert alone == (orders[0], dropped[0]), "the first one's bits are those of one process"


# Each process has a disk of its own, as on two machines; the second one's training stopped elsewhere.
RESUMING = """
import json, os
from pathlib import Path
from types import SimpleNamespace
import torch, torch.distributed as dist
from capstone.training.checkpoint import Checkpoint
from capstone.training.distributed import joined

with joined("cpu") as team:
    for case in ("a", "b"):
        state = Checkpoint(Path(f"{case}{team.rank}.pt"), {"seed": 1}).read()
        Path(f"read-{case}{team.rank}").write_text(str(state and state["epochs"]))
    Path(f"waits{team.rank}").write_text(str(dist.group.WORLD._get_backend(torch.device("cpu")).options._timeout))
"""


def test_all_go_on_from_the_first_ones_checkpoint_and_wait_for_it_for_days(tmp_path: Path) -> None:
    for name, epochs in (("a0", 7), ("a1", 5), ("b1", 3)):
        state = {"identity": '{"seed": 1}', "epochs": epochs}
        torch.save(state, tmp_path / f"{name}.pt")
    (tmp_path / "resuming.py").write_text(RESUMING, encoding="utf-8")
    engine = {"PYTHONPATH": str(ROOT / "template" / "engine"), "OMP_NUM_THREADS": "1"}
    done = run(*TORCHRUN, "resuming.py", cwd=tmp_path, **engine)
    assert done.returncode == 0, done.stderr
    said = {path.name: path.read_text() for path in tmp_path.iterdir() if not path.suffix}
    assert said["read-a0"] == said["read-a1"] == "7"
    assert said["read-b0"] == said["read-b1"] == "None", "the first one begins anew, so all do"
    assert said["waits0"] == said["waits1"] == "7 days, 0:00:00"


def test_no_memory_to_try_pieces_ends_all_processes(
    copy_of: Render, capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr("capstone.training.fit.Team", lambda: SimpleNamespace(rank=0, size=2))
    monkeypatch.setattr("capstone.training.fit.train_model", full)
    code, _, said = capstone(copy_of(problem="regression"), "run", "--quick")
    assert (code, said.count("\n")) == (2, 1), said
    assert "Memory is too small to try numbers in pieces: set [preprocessing] numbers" in said
