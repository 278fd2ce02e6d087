"""Run folders: written whole or not at all, found by name, and read back."""

from __future__ import annotations

import os
import re
import secrets
import tomllib
from collections.abc import Callable, Iterator
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
from capstone.core.project import FILE_NAME
from capstone.core.sealed_files import SealedFiles, Unreadable, check_form, read_file
from capstone.core.settings import Settings
from capstone.core.settings_file import parse_settings
from capstone.core.text import say_aside
from capstone.runs.forms import Metrics, RunInfo

LATEST = "LATEST"
GRAPH, SERVING, SCHEMA = "model.onnx", "serving.json", "schema.json"
SETTINGS = "settings.toml"
SECTIONS = ("project", "data", "split", "preprocessing", "network", "training", "evaluation")
VERDICT = "reproduction.json"  # what `capstone reproduce` writes
LEFT = re.compile(re.escape(PARTIAL))  # the name of what a run that was killed has left
NAME = re.compile(
    r"\d{8}T\d{6}Z-[0-9a-f]{8}"
)  # of a run: when it was finished, and 8 random digits
LONGEST_NAME = 1024  # bytes that LATEST may have


@dataclass(frozen=True)
class Run:
    """A finished run as it lies on disk.

    Parameters
    ----------
    files : SealedFiles
        The run's files: each is checked when it is read.
    metrics : dict
        The content of metrics.json.
    """

    files: SealedFiles
    metrics: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.files.folder

    @property
    def info(self) -> dict[str, Any]:
        """The content of run.json."""
        return self.files.info

    @property
    def id(self) -> str:
        """The folder's name; while it is written, the one that it will have."""
        return self.folder.name.removeprefix(PARTIAL)

    @property
    def name(self) -> str:
        """What `capstone run --name` called it, else its id."""
        return self.info.get("name") or self.id

    @property
    def note(self) -> str:
        """What `capstone run --note` says about it."""
        return str(self.info.get("note", ""))


def name_the_start(settings: Settings, root: Path) -> Settings:
    """The settings with "runs/LATEST" as the run that it means now: `capstone reproduce` needs the same one."""
    place, runs = settings.training.start_from, root / "runs"
    if not place or run_name(runs, place) != LATEST:
        return settings
    training = settings.training.model_copy(update={"start_from": f"runs/{read_run(runs).id}"})
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


def print_note(sentence: str) -> None:
    """Say something that is no error, but not what was asked for either."""
    say_aside(f"Note: {sentence}")


def run_folder(runs: Path, name: str = LATEST, say: Callable[[str], object] = print_note) -> Path:
    """The folder of a run, by its name or as the newest one; what is in it is not looked at.

    Parameters
    ----------
    runs : Path
        The folder of all runs, `root / "runs"`.
    name : str
        The run's name or a path of its folder; the newest one when nothing is given.
    say : callable
        Is told when LATEST names no run, so that another one is taken.

    Returns
    -------
    Path
        A folder directly below `runs`, whose name is that of a run.

    Raises
    ------
    CapstoneError
        When there is no such run.
    """
    known = run_names(runs)
    if not known:
        raise CapstoneError(f"There is no finished run in {runs}: start with `capstone run`.")
    wanted = run_name(runs, name)
    if wanted in known:
        return runs / wanted
    if wanted != LATEST:
        raise CapstoneError(f'{runs} has no run "{name}"{did_you_mean(name, known)}')
    try:
        wanted = read_file(runs / LATEST, LONGEST_NAME).decode("utf-8").strip()
        if wanted in known:
            return runs / wanted
        reason = "names no run that is there"
    except Unreadable as error:
        reason = str(error)
    except UnicodeDecodeError:
        reason = "is not UTF-8 text"
    newest = _newest_complete(runs, known)
    if newest is None:
        raise CapstoneError(
            f"{runs / LATEST} {reason}, and no run beside it is complete: make one with `capstone run`."
        )
    say(f"{runs / LATEST} {reason}; {newest} is the newest complete run, so it is taken.")
    return runs / newest


def run_name(runs: Path, text: str) -> str:
    """The name in what somebody has typed or pasted: a name, or a path of a run's folder; "" for anything else."""
    place, _, name = text.strip().replace("\\", "/").rstrip("/").rpartition("/")
    if name != LATEST and not NAME.fullmatch(name):
        return ""
    parts = [part for part in place.split("/") if part not in ("", ".")]
    if parts in ([], [runs.name]) and not place.startswith("/"):
        return name
    try:
        return name if Path(place).resolve() == runs.resolve() else ""
    except (OSError, ValueError, RuntimeError):  # a loop of links, a path that can't be
        return ""


def run_names(runs: Path) -> list[str]:
    """The names of all runs, oldest first: of folders, not of links to some."""
    try:
        with os.scandir(runs) as entries:
            return sorted(
                entry.name
                for entry in entries
                if NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            )
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise CapstoneError(f"{runs} can't be read ({error.strerror}): mend that folder.") from None


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
        When there is no such run, or one of these files is not as it was written.
    """
    files = SealedFiles.open(run_folder(runs, name))
    try:
        check_form(RunInfo, files.info)
    except Unreadable as error:
        raise files.unusable("run.json", str(error)) from None
    return Run(files, files.read_json("metrics.json", Metrics))


def read_settings(run: Run) -> Settings:
    """A run's settings.toml: capstone.toml as it was then, with --set. Raises CapstoneError."""
    text = run.files.read_text(SETTINGS)
    try:
        settings = parse_settings(text)
        written = tomllib.loads(text)
    except (CapstoneError, ValueError, RecursionError) as error:
        reason = str(error).replace(FILE_NAME, SETTINGS)[:300].rstrip(".")
        raise run.files.unusable(SETTINGS, f"can't be read ({reason})") from None
    if absent := [name for name in SECTIONS if name not in written]:
        raise run.files.unusable(SETTINGS, f"is cut short: it has no section [{absent[0]}]")
    return settings


def read_runs(runs: Path) -> tuple[list[Run], dict[str, str]]:
    """All runs that can be read, oldest first, and for each other one the sentence that says why it can't."""
    readable, problems = [], {}
    for name in run_names(runs):
        try:
            readable.append(read_run(runs, name))
        except CapstoneError as error:
            problems[name] = str(error)
    return readable, problems


def list_runs(runs: Path) -> list[Run]:
    """All finished runs.

    Parameters
    ----------
    runs : Path
        The folder of all runs, `root / "runs"`.

    Returns
    -------
    list of Run
        Oldest first; one that can't be read is passed over.
    """
    return read_runs(runs)[0]


def finished_trainings(runs: Path) -> dict[str, str]:
    """The newest complete run of each training, by the digest of what the training depended on."""
    return {str(run.info.get("trained_from")): run.id for run in list_runs(runs)}


def count_test_looks(runs: Path) -> int:
    """How often the test part has been looked at, by the counts in the runs that are kept.

    Each run has counted itself and those before it, which may be deleted by now. Runs that were made at the same
    time didn't know of each other and have the same count, but each has looked.
    """
    looks = 0
    for count in sorted(run.info["test_looks"] for run in list_runs(runs)):
        looks = max(looks + 1, count)
    return looks


def _newest_complete(runs: Path, names: list[str]) -> str | None:
    """The newest run that has all its files as they were written, or None."""
    for name in reversed(names):
        try:
            read_run(runs, name).files.check()
        except CapstoneError:
            continue
        return name
    return None
