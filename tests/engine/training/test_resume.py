"""Same bits: training that was killed and resumed, and a run that is made again."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from capstone.commands.reproduce import changes_since
from capstone.runs.folder import read_run
from capstone.training.devices import describe_device
from capstone.training.history import Epoch
from capstone.training.loop import Trainer
from tests.support.helpers import (
    FORKING,
    Capstone,
    Render,
    checkpoints_of,
    files_of,
    python_path,
    run,
    small_disk,
)

FEW = ("training.epochs=12", "network.members=2", "evaluation.bootstrap=20")
# Nothing is explained: training is what is tested here.
QUICK = tuple(word for one in (*FEW, "evaluation.explained_rows=0") for word in ("--set", one))
EVERY_EPOCH = (*QUICK, "--set", "training.checkpoint_seconds=0.0")
COMPARED = ("model.safetensors", "model.json", "metrics.json", "predictions.csv", "schema.json")


def latest(project: Path) -> Path:
    return project / "runs" / (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()


def bits(project: Path) -> dict[str, bytes]:
    return {name: (latest(project) / name).read_bytes() for name in COMPARED}


# Kills a run at a random moment, again and again.
KILLER = """
import glob, random, signal, time

def newest():
    return open("runs/LATEST").read().strip()

def bits(run):
    return [open(f"runs/{run}/{name}", "rb").read() for name in COMPARED]

random.seed(20)
start = time.monotonic()
assert os.waitpid(begin(*WORDS), 0)[1] == 0
seconds = time.monotonic() - start
whole, killed, resumed = newest(), 0, 0
while killed < KILLS:
    before = newest()
    for path in glob.glob("runs/*/run.json"):
        os.remove(path)  # so that no run before counts as finished, be it named by LATEST or not yet
    child = begin(*WORDS)
    time.sleep(random.uniform(0, seconds))
    os.kill(child, signal.SIGKILL)
    killed += os.waitpid(child, 0)[1] == signal.SIGKILL
    resumed += bool(glob.glob("runs/checkpoints/*.pt"))
    if newest() == before:  # else it was killed when its run was complete
        start = time.monotonic()
        assert os.waitpid(begin(*WORDS, "--resume"), 0)[1] == 0
        seconds = max(seconds, time.monotonic() - start)  # other programs may slow it down
    assert bits(newest()) == bits(whole), killed
    for path in glob.glob("runs/checkpoints/*.pt"):
        os.remove(path)  # killed between completing the run and tidying up
print(f"{killed} killed, {resumed} of them resumed from a checkpoint")
"""


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_after_twenty_kills_at_random_moments_the_bits_are_the_same(copy_of: Render) -> None:
    project = copy_of(problem="binary")
    words = ("run", *EVERY_EPOCH)
    head = f"WORDS, COMPARED, KILLS = {words!r}, {COMPARED!r}, 20\n{FORKING}"
    done = run(sys.executable, "-c", head + KILLER, cwd=project, PYTHONPATH=python_path(project))
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    resumed = int(done.stdout.split(" killed, ")[1].split()[0])
    assert resumed >= 5, "some must have been killed while they trained"


@pytest.fixture
def stopped(copy_of: Render, capstone: Capstone, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose training broke off after the fifth epoch, as by a power cut."""
    import capstone.training.checkpoint as checkpoints

    project = copy_of(problem="binary")
    save = checkpoints.Checkpoint.on_epoch_end

    def cut(self: checkpoints.Checkpoint, trainer: Trainer, epoch: Epoch) -> None:
        save(self, trainer, epoch)
        if epoch.epoch == 5:
            raise SystemExit(99)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoint, "on_epoch_end", cut)
        assert capstone(project, "run", *EVERY_EPOCH)[0] == 99
    assert len(checkpoints_of(project)) == 1
    return project


def test_resumed_training_gives_the_bits_of_a_whole_one(stopped: Path, capstone: Capstone) -> None:
    code, said, error = capstone(stopped, "run", "--resume", "--json", *EVERY_EPOCH)
    assert code == 0, error
    assert "going on after epoch 5" in said
    events = [json.loads(line) for line in said.splitlines()]
    shown = [event["epoch"] for event in events if event["event"] == "epoch"]
    assert shown == list(range(1, 13)), "those before the stop are shown too"
    assert not checkpoints_of(stopped), "a complete run needs none"
    resumed = bits(stopped)
    assert capstone(stopped, "run", *EVERY_EPOCH)[0] == 0
    assert bits(stopped) == resumed


def test_a_new_run_says_that_an_old_one_was_stopped(stopped: Path, capstone: Capstone) -> None:
    code, said, _ = capstone(stopped, "run", *EVERY_EPOCH)
    assert code == 0
    assert ".pt is of a run that was stopped; this one starts anew" in said


def test_other_runs_leave_a_stopped_training_alone(stopped: Path, capstone: Capstone) -> None:
    [path] = checkpoints_of(stopped)
    before = path.read_bytes()
    quick = ("run", "--quick", *EVERY_EPOCH[2:], "--set", "training.epochs=2")
    assert capstone(stopped, *quick)[0] == 0
    assert checkpoints_of(stopped) == [path] and path.read_bytes() == before
    code, said, error = capstone(stopped, "run", "--resume", *EVERY_EPOCH)
    assert code == 0, error
    assert "going on after epoch 5" in said


def test_a_checkpoint_of_version_0_1_0_goes_on(stopped: Path, capstone: Capstone) -> None:
    [path] = checkpoints_of(stopped)
    former = path.rename(stopped / "runs" / "checkpoint.pt")
    said = refused(capstone, stopped, *EVERY_EPOCH, "--set", "network.dropout=0.5")
    assert "runs/checkpoint.pt is of other settings or data (network.dropout)" in said
    code, said, error = capstone(stopped, "run", "--resume", *EVERY_EPOCH)
    assert code == 0, error
    assert f"going on after epoch 5, from runs/checkpoints/{path.name}" in said
    assert not former.exists() and not checkpoints_of(stopped)


def refused(capstone: Capstone, project: Path, *options: str) -> str:
    code, _, said = capstone(project, "run", "--resume", *(options or EVERY_EPOCH))
    assert (code, said.count("\n")) == (2, 1), said
    return said


def test_other_settings_are_named(stopped: Path, capstone: Capstone) -> None:
    [path] = checkpoints_of(stopped)
    before = path.read_bytes()
    said = refused(capstone, stopped, *EVERY_EPOCH, "--set", "network.dropout=0.5")
    assert f"{path.name} is of other settings or data (network.dropout)" in said
    assert path.read_bytes() == before, "nothing is lost"


def test_other_data_and_other_code_are_named(stopped: Path, capstone: Capstone) -> None:
    table = stopped / "data" / "raw" / "customer_churn.csv"
    table.write_bytes(table.read_bytes().replace(b"voucher", b"invoice"))
    assert "the table's bytes" in refused(capstone, stopped)
    features = stopped / "src" / "my_capstone" / "features.py"
    features.write_text(features.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert "your package's code" in refused(capstone, stopped)


@pytest.mark.parametrize("damage", ["cut", "a pickle", "other tensors"])
def test_a_damaged_checkpoint_is_refused_and_runs_no_code(
    stopped: Path, capstone: Capstone, damage: str
) -> None:
    import pickle

    import torch

    [path] = checkpoints_of(stopped)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "a pickle":
        trap = type("Trap", (), {"__reduce__": lambda self: (Path.touch, (stopped / "sprung",))})
        path.write_bytes(pickle.dumps({"identity": trap()}))
    else:
        torch.save({"identity": "{}"}, path)
    said = refused(capstone, stopped)
    assert path.name in said
    assert not (stopped / "sprung").exists()


def test_a_finished_run_can_not_be_resumed(copy_of: Render, capstone: Capstone) -> None:
    project = copy_of(problem="binary")
    assert capstone(project, "run", *QUICK)[0] == 0
    assert "nothing to resume: the run with these settings" in refused(capstone, project, *QUICK)


def test_without_a_checkpoint_training_starts_from_the_beginning(
    copy_of: Render, capstone: Capstone
) -> None:
    code, said, _ = capstone(copy_of(problem="binary"), "run", "--resume", *QUICK)
    assert code == 0
    assert "no checkpoint was left: training starts from the beginning" in said


def test_a_disk_that_fills_up_while_checkpointing_costs_nothing(
    copy_of: Render, capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    import capstone.training.checkpoint as checkpoints

    project = copy_of(problem="binary")
    save = checkpoints.Checkpoint.on_epoch_end

    def fill(self: checkpoints.Checkpoint, trainer: Trainer, epoch: Epoch) -> None:
        if epoch.epoch == 6:
            runs = project / "runs"
            (runs / "other").write_bytes(bytes(shutil.disk_usage(runs).free - 4096))
        save(self, trainer, epoch)

    with small_disk(project / "runs", "9m") as runs:
        with monkeypatch.context() as patch:
            patch.setattr(checkpoints.Checkpoint, "on_epoch_end", fill)
            code, _, said = capstone(project, "run", *EVERY_EPOCH)
        assert (code, said.count("\n")) == (2, 1), said
        assert re.search(
            r"\.pt can't be written \(No space left on device\): free some space", said
        )
        assert "then the same command with --resume goes on from the last checkpoint." in said
        (runs / "other").unlink()
        assert files_of(runs) == {f"checkpoints/{checkpoints_of(project)[0].name}"}
        code, said, error = capstone(project, "run", "--resume", *EVERY_EPOCH)
        assert code == 0, error
        assert "going on after epoch 5" in said


LONG = ("training.epochs=100000", "training.patience=100000", "evaluation.bootstrap=100000")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C otherwise")
def test_ctrl_c_ends_training_and_a_second_one_the_run(copy_of: Render) -> None:
    """Real signals to a real process."""
    import torch

    project = copy_of(problem="binary")
    settings = [*LONG, "training.checkpoint_seconds=0.0"]
    options = [word for setting in settings for word in ("--set", setting)]
    with subprocess.Popen(
        [sys.executable, "-B", "-m", "capstone", "run", "--json", *options],
        cwd=project,
        env={**os.environ, "PYTHONPATH": python_path(project)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that a script starts in the background ignore Ctrl-C, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout and process.stderr
        for line in process.stdout:
            event = json.loads(line)
            if event.get("epoch") == 3:
                process.send_signal(signal.SIGINT)
            if event.get("line", "").startswith("train "):  # it evaluates now
                assert "stopped by Ctrl-C" in line
                while process.poll() is None:  # and somebody goes on pressing until it has ended
                    process.send_signal(signal.SIGINT)
                    time.sleep(0.01)
        said = process.stderr.read()
    assert (process.returncode, said.count("\n")) == (130, 1), said
    assert "No run was saved; the same command with --resume goes on with the training" in said
    [checkpoint] = checkpoints_of(project)
    assert files_of(project / "runs") == {f"checkpoints/{checkpoint.name}"}
    state = torch.load(checkpoint, weights_only=True)
    assert len(state["epochs"]) >= 3


def test_a_run_is_reproduced_bit_by_bit(copy_of: Render, capstone: Capstone) -> None:
    project = copy_of(problem="multiclass")
    assert capstone(project, "run", *QUICK)[0] == 0
    code, said, error = capstone(project, "reproduce")
    assert code == 0, error
    assert "is identical: the same weights, metrics and predictions" in said
    verdict = json.loads((latest(project) / "reproduction.json").read_text(encoding="utf-8"))
    assert (verdict["verdict"], verdict["differences"]) == ("identical", [])
    runs = list((project / "runs").glob("2*"))
    assert len(runs) == 1, "it is no run of its own"
    run = read_run(project / "runs")
    import torch

    elsewhere = {**describe_device(torch.device("cpu")), "processes": 2}
    assert changes_since(project, run, elsewhere)[-1].startswith("processes: 2 here, 1 then")


CHANGES: dict[str, Callable[[Path], object]] = {
    "the data": lambda project: (
        table := project / "data" / "raw" / "house_prices.csv",
        table.write_text(table.read_text().replace(",gas,", ",oil,"), encoding="utf-8"),
    ),
    "the code": lambda project: (
        path := project / "src" / "my_capstone" / "network.py",
        path.write_text(path.read_text().replace("nn.SiLU", "nn.Tanh")),
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_was_changed_is_found_and_how_far_the_results_are_apart(
    copy_of: Render, capstone: Capstone, what: str
) -> None:
    project = copy_of(problem="regression")
    assert capstone(project, "run", *QUICK)[0] == 0
    CHANGES[what](project)
    code, said, error = capstone(project, "reproduce")
    assert code == 2
    assert "was not reproduced: model.safetensors differs by at most" in error
    assert "metrics.json differs: r2 0." in error
    if what == "the data":
        assert "house_prices.csv are not those of the run" in said
    verdict = json.loads((latest(project) / "reproduction.json").read_text(encoding="utf-8"))
    assert verdict["verdict"] == "different"


def test_reproduce_leaves_an_unfinished_training_alone(stopped: Path, capstone: Capstone) -> None:
    assert capstone(stopped, "run", "--resume", *EVERY_EPOCH)[0] == 0
    path = stopped / "runs" / "checkpoints" / "0123456789abcdef.pt"
    path.write_bytes(b"of another training")
    capstone(stopped, "reproduce")
    assert path.read_bytes() == b"of another training"
