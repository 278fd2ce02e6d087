"""Checkpoints: stopped training goes on where it was, with the bits it would have had anyway.

Everything random in an epoch comes from (seed, epoch), so no state of a random generator is kept:
network, optimiser and history are enough.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import math
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from capstone.core.errors import CapstoneError, short_list
from capstone.core.files import PARTIAL
from capstone.training.distributed import Team

if TYPE_CHECKING:
    from capstone.runs.folder import Run
    from capstone.training.loop import History


class Best:
    """The weights of the epoch with the lowest validation loss: of each member, if there are several."""

    def __init__(self, network: nn.Module) -> None:
        self.weights = copy.deepcopy(network.state_dict())
        self.loss = torch.tensor(math.inf)

    def update(self, network: nn.Module, loss: Tensor) -> bool:
        """Keep the weights where the loss, of shape () or (members,), is lower; whether it is anywhere."""
        better = loss < self.loss.to(loss.device)
        self.loss = torch.where(better, loss, self.loss.to(loss.device))
        for name, weights in network.state_dict().items():
            of_each = better.reshape(better.shape + (1,) * (weights.dim() - better.dim()))
            self.weights[name] = torch.where(of_each, weights, self.weights[name])
        return bool(better.any())


@dataclass
class Checkpoint:
    """One file that holds unfinished training, replaced as training goes on.

    identity  what the training depends on (settings, data), to refuse resuming another one
    seconds   time between two checkpoints; 0 writes one after every epoch
    """

    path: Path
    identity: dict[str, Any]
    seconds: float = 0.0
    written: float = field(default_factory=time.monotonic, init=False)

    def save_if_due(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        history: History,
        best: Best,
    ) -> None:
        """Write the state of training, whole or not at all, unless the last one is recent."""
        if time.monotonic() - self.written < self.seconds:
            return
        state = {
            "identity": json.dumps(self.identity),
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "best_weights": best.weights,
            "best_loss": best.loss,
            "best_epoch": history.best_epoch,
            "epochs": [asdict(epoch) for epoch in history.epochs],
        }
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

        Several processes all go on from the first one's, which may be on another machine's disk.
        Raises CapstoneError when the file is damaged, or is of other settings or data.
        """
        team, ours = Team(), b""
        try:
            if team.rank == 0 and self.path.exists():
                ours = self.path.read_bytes()
            content = team.agree_on_bytes(ours)
            if not content:
                return None
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            identity = json.loads(state["identity"])
        except CapstoneError:  # another process has ended
            raise
        except Exception as error:  # cut, foreign or hostile: torch has an error for each
            raise CapstoneError(
                f"The checkpoint {self.path} can't be read ({type(error).__name__}): delete it and "
                "start again with `capstone run`."
            ) from None
        changed = [key for key in self.identity if identity.get(key) != self.identity[key]]
        if changed:
            raise CapstoneError(
                f"The checkpoint {self.path} is of other settings or data ({short_list(changed)}): set "
                "them back to resume, or start again with `capstone run`."
            )
        return state

    def notes(self, resume: bool, finished: Run | None) -> list[str]:
        """What to say before training; `finished` is the newest complete run, if there is one.

        Raises CapstoneError when there is nothing to resume, because that very run is complete.
        """
        if not resume:
            stopped = self.path.exists()
            return [f"{self.path} is of a run that was stopped; this one starts anew"] * stopped
        state = self.read()
        if state:
            return [f"going on after epoch {len(state['epochs'])}, from {self.path}"]
        if finished and finished.info.get("trained_from") == self.digest():
            raise CapstoneError(
                f"There is nothing to resume: the run with these settings, {finished.id}, is complete."
            )
        return ["no checkpoint was left: training starts from the beginning"]

    def digest(self) -> str:
        """A short name for what the training depends on."""
        return hashlib.sha256(json.dumps(self.identity).encode()).hexdigest()[:16]

    def remove(self) -> None:
        """Forget the checkpoint: its run is complete."""
        self.path.unlink(missing_ok=True)
