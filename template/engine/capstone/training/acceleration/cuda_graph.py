"""On an NVIDIA card: `Trainer.train_step` is recorded once an epoch, and played back for batch after batch.

A card has computed a small network's step long before Python has asked for its forty operations one by one.
A CUDA graph asks for them all at once, which is some ten times as fast. What is recorded is `train_step` itself, so the
weights are the same to the last bit.
"""

from __future__ import annotations

import contextlib
import random
import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from capstone.training.loop import Trainer

Step = Callable[[Tensor, Tensor], None]


def accelerated(trainer: Trainer) -> Step:
    """What takes a step for a batch: the trainer's own `train_step`, or a recording of it where that is quicker."""
    on_a_card = trainer.loss_sum.device.type == "cuda"
    return RecordedSteps(trainer) if on_a_card else trainer.train_step


class RecordedSteps:
    """Takes steps by playing back a recording. What can't be recorded is computed by `train_step`."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.recordable: bool | None = None  # known once a step has been watched
        self.epoch = 0  # that the recording was made in: the next one has another learning rate
        self.batch: tuple[Tensor, Tensor] | None = None  # where the recording finds its batch
        self.replay: Callable[[], None] = lambda: None
        self.pool: Any = None  # the card's memory that each recording takes over from the last

    def __call__(self, inputs: Tensor, targets: Tensor) -> None:
        """The five steps for one batch."""
        trainer = self.trainer
        plain = partial(trainer.train_step, inputs, targets)
        if len(inputs) < trainer.batch_size or self.recordable is False or not self._is_set_up():
            plain()
        elif self.recordable is None:
            self.recordable = stays_on_the_card(plain, trainer.model)
        else:
            epoch = len(trainer.history.epochs) + 1
            if self.batch is None or self.epoch != epoch:
                self.batch = torch.empty_like(inputs), torch.empty_like(targets)
                self.epoch = epoch
                self._record(partial(trainer.train_step, *self.batch))
            self.batch[0].copy_(inputs)
            self.batch[1].copy_(targets)
            self.replay()

    def _is_set_up(self) -> bool:
        """Whether the optimizer has its memory of every weight: its first step makes it."""
        optimizer = self.trainer.optimizer
        weights = (weight for group in optimizer.param_groups for weight in group["params"])
        return all(weight in optimizer.state for weight in weights if weight.requires_grad)

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


def stays_on_the_card(step: Callable[[], None], model: nn.Module) -> bool:
    """Do the step; whether nothing in it was decided by Python, which a recording would never ask again."""
    before = python_state(model)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")  # of each number that is read from the card
        try:
            step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    read = any("synchronizing CUDA operation" in str(one.message) for one in caught)
    return not read and python_state(model) == before


def python_state(model: nn.Module) -> list[Any]:
    """What a forward pass may decide by outside the card: counters of its layers, and Python's random numbers."""
    numpy: Any = np.random.get_state(legacy=False)
    own = [
        (name, value)
        for layer in model.modules()
        for name, value in vars(layer).items()
        if isinstance(value, bool | int | float | str)
    ]
    chance = [numpy["state"]["pos"], numpy["state"]["key"].tobytes(), numpy["has_gauss"]]
    return [*own, *chance, random.getstate(), torch.get_rng_state().numpy().tobytes()]
