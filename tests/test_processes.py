"""Several processes train one network together: what one process would learn, and no file twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from capstone.processes import Team
from tests.helpers import Render, run

pytestmark = pytest.mark.slow
BRIEF = ("evaluation.explained_rows=0", "evaluation.bootstrap=20", "preprocessing.numbers=plain")
# What PyTorch's launcher `torchrun` is, without its warning about threads.
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2")


def command(*settings: str) -> list[str]:
    return ["-m", "capstone", "run", *(f"--set={line}" for line in (*BRIEF, *settings))]


def environment(project: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(project / "src"), "OMP_NUM_THREADS": "1"}


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
