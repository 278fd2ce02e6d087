"""Run folders: written whole or not at all, and read back."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from capstone.core.errors import CapstoneError, did_you_mean
from capstone.core.files import (
    AGAIN,
    PARTIAL,
    finish_folder,
    remove,
    remove_abandoned,
    told,
    write_text,
    writing,
)
from capstone.core.settings import Settings

LATEST = "LATEST"
GRAPH, SERVING, SCHEMA = "model.onnx", "serving.json", "schema.json"
VERDICT = "reproduction.json"  # what `capstone reproduce` writes
LEFT = re.compile(re.escape(PARTIAL))  # the name of what a run that was killed has left


@dataclass(frozen=True)
class Run:
    """A finished run as it lies on disk."""

    folder: Path
    info: dict[str, Any]
    metrics: dict[str, Any]

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.folder.name


def name_the_start(settings: Settings, root: Path) -> Settings:
    """The settings with "runs/LATEST" as the run that it means now: `capstone reproduce` needs the same one."""
    place = settings.training.start_from
    if not place or Path(place).name != LATEST:
        return settings
    training = settings.training.model_copy(
        update={"start_from": f"runs/{read_run(root / 'runs').id}"}
    )
    return settings.model_copy(update={"training": training})


@contextmanager
def new_run(runs: Path, then: str = AGAIN) -> Iterator[Path]:
    """A folder to write into, which becomes runs/<UTC time>-<8 hex> when the block ends well.

    When the block fails (a full disk, Ctrl-C), the folder is removed and earlier runs stay as they are.

    Parameters
    ----------
    runs : Path
        The folder of all runs. It is made where it is missing.
    then : str
        What the sentence on a full disk ends with: what to do when there is space again.

    Yields
    ------
    Path
        The folder to write into.

    Raises
    ------
    CantWrite
        When the disk is full, or the folder can't be written to.
    """
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    partial = runs / f"{PARTIAL}{name}"
    with told(runs, then, inside=partial):
        try:
            partial.mkdir(parents=True)
            remove_abandoned(runs, LEFT)
            yield partial
            # LATEST lies ready before the run has its name: from then on nothing needs space.
            with writing(runs / LATEST, durable=True) as latest:
                write_text(latest, name + "\n")
                finish_folder(partial, runs / name)
        finally:
            remove(partial)


def run_folder(runs: Path, name: str = LATEST) -> Path:
    """The folder of a run, by its name or as the newest one; what is in it is not looked at."""
    if name == LATEST:
        try:
            name = (runs / LATEST).read_text(encoding="utf-8").strip()
        except OSError:
            raise CapstoneError(
                f"There is no finished run in {runs}: start with `capstone run`."
            ) from None
    folder = runs / Path(name).name
    if not folder.is_dir():
        raise CapstoneError(
            f'{runs} has no run "{name}"{did_you_mean(name, [run.id for run in list_runs(runs)])}'
        )
    return folder


def read_run(runs: Path, name: str = LATEST) -> Run:
    """A finished run.

    Parameters
    ----------
    runs : Path
        The folder of all runs, `root / "runs"`.
    name : str
        The run's folder; the newest one when nothing is given.

    Returns
    -------
    Run
        Its `folder`, `id`, `info` (run.json) and `metrics` (metrics.json).

    Raises
    ------
    CapstoneError
        When there is no such run, or it is not whole.
    """
    folder = run_folder(runs, name)
    try:
        info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CapstoneError(
            f"The run in {folder} is not whole ({type(error).__name__}): delete it and run again."
        ) from None
    if not isinstance(info, dict) or not isinstance(metrics, dict):
        raise CapstoneError(f"The run in {folder} is not of this program: delete it and run again.")
    return Run(folder, info, metrics)


def list_runs(runs: Path) -> list[Run]:
    """All finished runs.

    Parameters
    ----------
    runs : Path
        The folder of all runs, `root / "runs"`.

    Returns
    -------
    list of Run
        Oldest first; a folder that is not whole is passed over.
    """
    whole = []
    for folder in sorted(runs.glob("[0-9]*Z-*")) if runs.is_dir() else []:
        try:
            whole.append(read_run(runs, folder.name))
        except CapstoneError:
            continue
    return whole


def finished_trainings(runs: Path) -> dict[str, str]:
    """The newest complete run of each training, by the digest of what the training depended on."""
    return {str(run.info.get("trained_from")): run.id for run in list_runs(runs)}


def count_test_looks(runs: Path) -> int:
    """How often the test part has been looked at, by the counts in the runs that are kept.

    Each run has counted itself and those before it, which may be deleted by now. Runs that were made at the same
    time didn't know of each other and have the same count, but each has looked.
    """
    looks = 0
    for count in sorted(run.info.get("test_looks", 0) for run in list_runs(runs)):
        looks = max(looks + 1, count)
    return looks
