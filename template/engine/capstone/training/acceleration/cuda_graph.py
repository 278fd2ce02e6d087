"""On an NVIDIA card: the five steps are recorded once an epoch, and played back for batch after batch.

A card has computed a small network's step long before Python has asked for its forty operations one by one.
A CUDA graph asks for them all at once, which is some ten times as fast. The operations are those of training.py, on the
same rows in the same order, so the weights are the same to the last bit.
"""

from __future__ import annotations

import contextlib
import random
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from capstone.training.distributed import Team
from capstone.training.loop import Batches, batches, train_epoch
from capstone.training.optimizer import QuickAdamW


class ReplayedEpoch:
    """Takes the place of `train_epoch`. What can't be recorded is computed as it is there."""

    def __init__(self) -> None:
        self.recordable: bool | None = None  # known once a step has been watched
        self.replay: Callable[[], None] = lambda: None
        self.pool: Any = None  # the card's memory that each recording takes over from the last

    def __call__(
        self,
        network: nn.Module,
        train: tuple[Tensor, Tensor],
        loss_function: nn.Module,
        optimizer: torch.optim.Optimizer,
        batch_size: int,
        team: Team,
        cut: Batches = batches,
    ) -> float:
        """One pass over the training part. Returns the mean loss."""
        if self.recordable is False or not isinstance(optimizer, QuickAdamW):
            return train_epoch(network, train, loss_function, optimizer, batch_size, team, cut)
        network.train()
        loss_function.train()
        total, rows = torch.zeros((), device=train[0].device), 0

        def learn(inputs: Tensor, targets: Tensor) -> None:
            optimizer.zero_grad()  # 1. zero the gradients
            outputs = network(inputs).squeeze(1)  # 2. forward pass
            loss = loss_function(outputs, targets)  # 3. compute the loss
            loss.backward()  # 4. backward pass
            optimizer.step()  # 5. update the weights
            total.add_(loss.detach(), alpha=len(inputs))

        place: tuple[Tensor, Tensor] | None = None  # where the recording finds its batch
        for inputs, targets in cut(*train, batch_size, team):
            rows += len(inputs)
            # The first two steps set up the optimiser's memory.
            if len(inputs) < batch_size or not optimizer.memory or self.recordable is False:
                learn(inputs, targets)
            elif self.recordable is None:
                self.recordable = stays_on_the_card(partial(learn, inputs, targets), network)
            else:
                if place is None:
                    place = torch.empty_like(inputs), torch.empty_like(targets)
                    self._record(partial(learn, *place))
                place[0].copy_(inputs)
                place[1].copy_(targets)
                self.replay()
        return total.item() / rows

    def _record(self, step: Callable[[], None]) -> None:
        """Make `replay` play the step; where there is no room on the card to record it, take the step itself."""
        try:
            self.pool = self.pool or torch.cuda.graph_pool_handle()
            # Only now the last recording goes: its memory must have an owner until the next one has it.
            self.replay = record(step, self.pool)
        except RuntimeError:
            self.replay, self.recordable = step, False


def record(step: Callable[[], None], pool: Any) -> Callable[[], None]:
    """What plays the step's operations on the card, in one call. Nothing is computed here.

    Raises RuntimeError when they can't be recorded; the card's random numbers are then as before.
    """
    chance = torch.cuda.default_generators[torch.cuda.current_device()]
    before = chance.clone_state()
    graph = torch.cuda.CUDAGraph()
    stream = torch.cuda.Stream()  # the usual one can't be recorded
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        try:
            # "thread_local": another thread may fetch the next rows meanwhile.
            graph.capture_begin(pool, "thread_local")
            step()
            graph.capture_end()
        except BaseException:
            with contextlib.suppress(RuntimeError):
                graph.capture_end()
            chance.graphsafe_set_state(before)
            raise
    torch.cuda.current_stream().wait_stream(stream)
    return graph.replay


def stays_on_the_card(step: Callable[[], None], network: nn.Module) -> bool:
    """Do the step; whether nothing in it was decided by Python, which a recording would never ask again."""
    before = python_state(network)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")  # of each number that is read from the card
        try:
            step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    read = any("synchronizing CUDA operation" in str(one.message) for one in said)
    return not read and python_state(network) == before


def python_state(network: nn.Module) -> list[Any]:
    """What a forward pass may decide by outside the card: counters of its layers, and Python's random numbers."""
    numpy: Any = np.random.get_state(legacy=False)
    own = [
        (name, value)
        for layer in network.modules()
        for name, value in vars(layer).items()
        if isinstance(value, bool | int | float | str)
    ]
    chance = [numpy["state"]["pos"], numpy["state"]["key"].tobytes(), numpy["has_gauss"]]
    return [*own, *chance, random.getstate(), torch.get_rng_state().numpy().tobytes()]
