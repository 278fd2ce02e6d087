"""Checkpoints: training that was stopped goes on where it was, and ends with the bits that it would have had anyway.

Everything random in an epoch comes from (seed, epoch), so no state of a random generator is kept: network, optimizer
and history are enough.

A checkpoint is named by what its training depends on: another training, such as a quick run, has another name and
leaves it alone. Two runs of the same training at the same time share one: both take the same steps, so either may
replace it.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch

from capstone.core.errors import CapstoneError, short_list
from capstone.core.files import AGAIN, move, remove, told, write_bytes
from capstone.training.history import Epoch
from capstone.training.loop import Trainer

FOLDER = "checkpoints"
FORMER = "checkpoint.pt"  # of version 0.1.0, which had one for all trainings
KEPT = 5  # trainings that were stopped, besides the one that is under way
ONE_HOUR = 3600  # a checkpoint as young as that may be of a run that is under way


@dataclass
class Checkpoint:
    """A callback that keeps unfinished training in a file, and takes it up again.

    Parameters
    ----------
    path : Path
        The file. It is replaced as training goes on.
    identity : dict
        What the training depends on (settings, data): another one is not resumed from it.
    seconds : float
        Time between two checkpoints; 0 writes one after every epoch.
    resume : bool
        Whether to go on from the file, if there is one.
    """

    path: Path
    identity: dict[str, Any]
    seconds: float = 0.0
    resume: bool = False
    written: float = field(default_factory=time.monotonic, init=False)

    @classmethod
    def among(cls, runs: Path, identity: dict[str, Any], seconds: float, resume: bool) -> Self:
        """The checkpoint of a training, in the folder of all runs."""
        return cls(runs / FOLDER / f"{_digest(identity)}.pt", identity, seconds, resume)

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Go on from the file, if that is wanted."""
        if self.resume and (state := self.read()):
            trainer.load_state_dict(state)

    def on_epoch_end(self, trainer: Trainer, epoch: Epoch) -> None:
        """Write the state of training, whole or not at all, unless the last one is recent."""
        if time.monotonic() - self.written < self.seconds:
            return
        state = {"identity": json.dumps(self.identity), **trainer.state_dict()}
        buffer = io.BytesIO()  # on a full disk, torch leaves a file open and speaks in riddles
        torch.save(state, buffer)
        with told(self.path, self.how_to_go_on(), inside=self.path):
            write_bytes(self.path, buffer.getbuffer(), durable=True)
        self.written = time.monotonic()

    def how_to_go_on(self) -> str:
        """What to do after the run has ended with an error that its code has no part in."""
        if not self.path.is_file():
            return AGAIN
        return "then the same command with --resume goes on from the last checkpoint"

    def read(self) -> dict[str, Any] | None:
        """The state that was written last; None when there is none.

        Raises CapstoneError when the file is damaged, or is of other settings or data.
        """
        if not self.path.is_file():
            return None
        try:
            state, identity = _load(self.path)
        except Exception as error:  # cut, foreign or hostile: torch has an error for each
            raise CapstoneError(
                f"The checkpoint {self.path} can't be read ({type(error).__name__}): "
                "start again with `capstone run`, which replaces it."
            ) from None
        if changed := self._changed(identity):
            raise self._of_others(self.path, changed)
        return state

    def prepare(self, finished: Mapping[str, str]) -> list[str]:
        """See which trainings were stopped, forget those that are of no use, and say so before training.

        Parameters
        ----------
        finished : mapping of str to str
            The complete runs, by the digest of what their training depended on.

        Returns
        -------
        list of str
            What to print.

        Raises
        ------
        CapstoneError
            When there is nothing to resume: that very run is complete, or all that was stopped is of other settings.
        """
        self._adopt_former()
        if not self.resume:
            said = [f"{self.path} is of a run that was stopped; this one starts anew"]
            return [*said * self.path.is_file(), *self._forget(finished)]
        if state := self.read():
            said = [f"going on after epoch {len(state['epochs'])}, from {self.path}"]
        elif self.digest() in finished:
            raise CapstoneError(
                "There is nothing to resume: the run with these settings, "
                f"{finished[self.digest()]}, is complete."
            )
        elif nearest := self._nearest(finished):
            raise self._of_others(*nearest)
        else:
            said = ["no checkpoint was left: training starts from the beginning"]
        return [*said, *self._forget(finished)]

    def digest(self) -> str:
        """A short name for what the training depends on."""
        return _digest(self.identity)

    def remove(self) -> None:
        """Forget the checkpoint: its run is complete."""
        remove(self.path)

    def _adopt_former(self) -> None:
        """Give the checkpoint that version 0.1.0 has left the name of its training."""
        former = self.path.parent.parent / FORMER
        if self.path.exists() or not former.is_file():
            return
        try:
            identity = _load(former)[1]
        except Exception:  # damaged, and perhaps not ours: it stays
            return
        if not self._changed(identity):
            move(former, self.path)

    def _others(self) -> dict[Path, float]:
        """The checkpoints of other trainings, the newest first, and when they were written."""
        times = {}
        for file in [*self.path.parent.glob("*.pt"), self.path.parent.parent / FORMER]:
            with suppress(OSError):  # another run has removed it meanwhile
                if file != self.path and file.is_file():
                    times[file] = file.stat().st_mtime
        return dict(sorted(times.items(), key=lambda each: each[1], reverse=True))

    def _nearest(self, finished: Mapping[str, str]) -> tuple[Path, list[str]] | None:
        """Of the other trainings that were stopped, the one with the fewest other settings, and which they are."""
        found = []
        for file in self._others():
            with suppress(Exception):  # it is damaged, and not ours
                if file.stem not in finished:
                    found.append((file, self._changed(_load(file)[1])))
        return min(found, key=lambda each: len(each[1]), default=None)

    def _forget(self, finished: Mapping[str, str]) -> list[str]:
        """Remove checkpoints whose run is complete, and of the others all but the newest."""
        others = self._others()
        stopped = [file for file in others if file.stem not in finished]
        old = [file for file in stopped[KEPT:] if time.time() - others[file] > ONE_HOUR]
        for file in [*old, *(file for file in others if file.stem in finished)]:
            remove(file)
        said = (
            f"{len(old)} older checkpoints of stopped runs were removed; the newest {KEPT} are kept"
        )
        return [said] * bool(old)

    def _changed(self, identity: Mapping[str, Any]) -> list[str]:
        """Names of what another training depends on and is otherwise in this one."""
        names = self.identity | dict(identity)
        return [name for name in names if identity.get(name) != self.identity.get(name)]

    def _of_others(self, path: Path, changed: list[str]) -> CapstoneError:
        return CapstoneError(
            f"The checkpoint {path} is of other settings or data ({short_list(changed)}): set "
            "them back to resume, or start again with `capstone run`."
        )


def _load(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state in a checkpoint, and what its training depended on. Damaged files raise whatever torch has for them."""
    content = io.BytesIO(path.read_bytes())
    state: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
    return state, dict(json.loads(state["identity"]))


def _digest(identity: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
