"""Checkpoints: training that was stopped goes on where it was, and ends with the bits that it would have had anyway.

Everything random in an epoch comes from (seed, epoch), so no state of a random generator is kept: network, optimizer
and history are enough.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from capstone.core.errors import CapstoneError, short_list
from capstone.core.files import PARTIAL
from capstone.training.history import Epoch
from capstone.training.loop import Trainer


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

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Go on from the file, if that is wanted."""
        if self.resume and (state := self.read()):
            trainer.load_state_dict(state)

    def on_epoch_end(self, trainer: Trainer, epoch: Epoch) -> None:
        """Write the state of training, whole or not at all, unless the last one is recent."""
        if time.monotonic() - self.written < self.seconds:
            return
        state = {"identity": json.dumps(self.identity), **trainer.state_dict()}
        partial = self.path.with_name(f"{PARTIAL}{self.path.name}")
        try:
            self.path.parent.mkdir(exist_ok=True)
            buffer = io.BytesIO()  # on a full disk, torch leaves a file open and speaks in riddles
            torch.save(state, buffer)
            partial.write_bytes(buffer.getbuffer())
            os.replace(partial, self.path)
        except OSError as error:
            raise CapstoneError(
                f"The checkpoint {self.path} can't be written ({error.strerror}): free some space; "
                "then `capstone run --resume` goes on from the last one."
            ) from None
        finally:
            partial.unlink(missing_ok=True)
        self.written = time.monotonic()

    def read(self) -> dict[str, Any] | None:
        """The state that was written last; None when there is none.

        Raises CapstoneError when the file is damaged, or is of other settings or data.
        """
        if not self.path.exists():
            return None
        try:
            content = io.BytesIO(self.path.read_bytes())
            state = torch.load(content, map_location="cpu", weights_only=True)
            identity = json.loads(state["identity"])
        except Exception as error:  # cut, foreign or hostile: torch has an error for each
            raise CapstoneError(
                f"The checkpoint {self.path} can't be read ({type(error).__name__}): "
                "start again with `capstone run`, which replaces it."
            ) from None
        changed = [key for key in self.identity if identity.get(key) != self.identity[key]]
        if changed:
            raise CapstoneError(
                f"The checkpoint {self.path} is of other settings or data ({short_list(changed)}): set "
                "them back to resume, or start again with `capstone run`."
            )
        return state

    def notes(self, finished: str, trained_from: str | None) -> list[str]:
        """What to say before training.

        Parameters
        ----------
        finished, trained_from : str
            The newest complete run, and the digest of what its training depended on.

        Raises
        ------
        CapstoneError
            When there is nothing to resume, because that very run is complete.
        """
        if not self.resume:
            stopped = self.path.exists()
            return [f"{self.path} is of a run that was stopped; this one starts anew"] * stopped
        if state := self.read():
            return [f"going on after epoch {len(state['epochs'])}, from {self.path}"]
        if trained_from == self.digest():
            raise CapstoneError(
                f"There is nothing to resume: the run with these settings, {finished}, is complete."
            )
        return ["no checkpoint was left: training starts from the beginning"]

    def digest(self) -> str:
        """A short name for what the training depends on."""
        return hashlib.sha256(json.dumps(self.identity).encode()).hexdigest()[:16]

    def remove(self) -> None:
        """Forget the checkpoint: its run is complete."""
        self.path.unlink(missing_ok=True)
