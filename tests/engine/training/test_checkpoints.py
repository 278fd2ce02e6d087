"""Which trainings that were stopped are kept, found and forgotten."""

import json
import os
import time
from pathlib import Path

import pytest
import torch

from capstone.core.errors import CapstoneError
from capstone.training.checkpoint import FORMER, KEPT, ONE_HOUR, Checkpoint

SETTINGS = {"seed": 1, "network.dropout": 0.1, "training.epochs": 12, "the table's bytes": "ab"}


def of(runs: Path, resume: bool = False, **changes: object) -> Checkpoint:
    """The checkpoint of a training with some other settings."""
    identity = SETTINGS | {name.replace("__", "."): value for name, value in changes.items()}
    return Checkpoint.among(runs, identity, 0, resume)


def stop(checkpoint: Checkpoint, hours_ago: float = 0, path: Path | None = None) -> Path:
    """Leave what a training that was stopped leaves."""
    path = path or checkpoint.path
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"identity": json.dumps(checkpoint.identity), "epochs": [{}] * 5}, path)
    then = time.time() - hours_ago * ONE_HOUR
    os.utime(path, (then, then))
    return path


def test_each_training_has_a_checkpoint_of_its_own(tmp_path: Path) -> None:
    assert of(tmp_path).path == of(tmp_path).path
    others = [
        of(tmp_path, seed=2),
        of(tmp_path, training__epochs=3),
        of(tmp_path, read="in blocks"),
    ]
    assert len({of(tmp_path).path, *(other.path for other in others)}) == 4


def test_resuming_names_the_settings_of_the_nearest_one(tmp_path: Path) -> None:
    stop(of(tmp_path, seed=2, training__epochs=3))
    near = stop(of(tmp_path, network__dropout=0.5), hours_ago=5)
    with pytest.raises(
        CapstoneError, match=rf"{near.name} is of other .* \(network.dropout\): set"
    ):
        of(tmp_path, resume=True).prepare({})


def test_one_of_a_table_read_in_blocks_is_named_so(tmp_path: Path) -> None:
    stop(of(tmp_path, read="in blocks"))
    with pytest.raises(CapstoneError, match=r"is of other settings or data \(read\)"):
        of(tmp_path, resume=True).prepare({})


def test_a_complete_run_is_named_before_what_others_have_left(tmp_path: Path) -> None:
    stop(of(tmp_path, seed=2))
    own = of(tmp_path, resume=True)
    with pytest.raises(CapstoneError, match="with these settings, 20260101T000000Z-0a1b2c3d, is"):
        own.prepare({own.digest(): "20260101T000000Z-0a1b2c3d"})


def test_what_is_damaged_and_not_ours_is_in_nobodys_way(tmp_path: Path) -> None:
    for path in (tmp_path / "checkpoints" / "0123456789abcdef.pt", tmp_path / FORMER):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"damaged")
    [said] = of(tmp_path, resume=True).prepare({})
    assert said == "no checkpoint was left: training starts from the beginning"
    assert (tmp_path / FORMER).read_bytes() == b"damaged"


def test_those_of_complete_runs_are_forgotten(tmp_path: Path) -> None:
    complete, stopped = of(tmp_path, seed=2), of(tmp_path, seed=3)
    stop(complete), stop(stopped)
    assert of(tmp_path).prepare({complete.digest(): "a run"}) == []
    assert not complete.path.exists() and stopped.path.exists()


def test_the_newest_are_kept_and_who_may_be_under_way(tmp_path: Path) -> None:
    own = stop(of(tmp_path), hours_ago=99)
    old = [stop(of(tmp_path, seed=seed), hours_ago=seed) for seed in range(2, 12)]
    said = of(tmp_path).prepare({})
    assert said == [
        f"{own} is of a run that was stopped; this one starts anew",
        f"{len(old) - KEPT} older checkpoints of stopped runs were removed; the newest {KEPT} are kept",
    ]
    assert {path for path in old if path.exists()} == set(old[:KEPT])
    young = [stop(of(tmp_path, seed=seed), hours_ago=0.9) for seed in range(20, 30)]
    of(tmp_path).prepare({})
    assert {*young, own} == set(own.parent.iterdir()), "a run may be at work on each of these"


def test_one_of_version_0_1_0_is_given_its_name(tmp_path: Path) -> None:
    stop(of(tmp_path), path=tmp_path / FORMER)
    [said] = of(tmp_path, resume=True).prepare({})
    assert said == f"going on after epoch 5, from {of(tmp_path).path}"
    assert not (tmp_path / FORMER).exists()
