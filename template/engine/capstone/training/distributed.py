"""Training by several processes, on several graphics cards or machines: `torchrun --nproc-per-node 2 -m capstone run`.

Every process holds the whole table and the same network. Of each batch it learns from its own share of the
rows, and before each step the gradients of all are averaged. So all take the same steps: those that one
process would take alone, but for rounding. The first process (rank 0) tells and writes; the others only train.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from capstone.core.errors import CapstoneError

ENDED = (
    "Another process of this run has ended, so this one can't go on. What stopped it is told above or below; "
    "then `capstone run --resume`, with as many processes as you like, goes on from the last checkpoint."
)
# The others wait for the first process while it evaluates and writes, be it for hours. One that has ended is
# noticed anyway: its connections close, and torchrun ends the others.
PATIENCE = timedelta(days=7)


class Team:
    """The processes that train together; one alone when nobody else was started."""

    def __init__(self) -> None:
        several = dist.is_available() and dist.is_initialized()
        self.rank: int = dist.get_rank() if several else 0
        self.size: int = dist.get_world_size() if several else 1
        self.part = 1.0  # of the batch that is being learnt from

    def share(self, rows: Tensor) -> Tensor:
        """This process's rows of a batch. Where there are not two for each, every process learns from all:
        a single row is no use to batch norm.
        """
        if self.size == 1:
            return rows
        if len(rows) < 2 * self.size:
            self.part = 1 / self.size
            return rows
        mine = rows.tensor_split(self.size)[self.rank]
        self.part = len(mine) / len(rows)
        return mine

    def part_ways(self) -> None:
        """From here on, chance (dropout) is another in each process; the first one's stays as it would be alone."""
        if self.rank:
            seed = np.random.SeedSequence([torch.initial_seed(), self.rank])
            torch.manual_seed(int(seed.generate_state(1)[0]))

    def average_gradients(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """From now on, the optimiser's steps use the average of all processes' gradients."""
        if self.size == 1:
            return

        def average(*_: Any) -> None:
            gradients = [w.grad for w in network.parameters() if w.grad is not None]
            together = self.sum(nn.utils.parameters_to_vector(gradients) * self.part)
            nn.utils.vector_to_parameters(together, gradients)

        optimizer.register_step_pre_hook(average)

    def sum(self, numbers: Tensor) -> Tensor:
        """The sum over all processes, the same in each."""
        return self._with_all(numbers, dist.all_reduce)

    def agree(self, numbers: Tensor) -> Tensor:
        """The first process's numbers, in each: what is decided by them is decided alike."""
        return self._with_all(numbers, lambda mine: dist.broadcast(mine, src=0))

    def agree_on_bytes(self, content: bytes) -> bytes:
        """The first process's bytes, in each."""
        if self.size == 1:
            return content
        length = int(self.agree(torch.tensor(len(content))))
        mine = torch.frombuffer(
            bytearray(content.ljust(length)[:length] or b" "), dtype=torch.uint8
        )
        return self.agree(mine).numpy().tobytes()[:length]

    def _with_all(self, numbers: Tensor, exchange: Callable[[Tensor], Any]) -> Tensor:
        if self.size == 1:
            return numbers
        numbers = numbers.clone()
        try:
            exchange(numbers)
        except RuntimeError:  # the connection to a process that has ended
            raise CapstoneError(ENDED) from None
        return numbers


@contextmanager
def joined(device: str) -> Iterator[Team]:
    """Meet the other processes, if torchrun has started any, for as long as the block lasts.

    device  as set in capstone.toml: unless it is the CPU, each process takes a graphics card of its own
    """
    if not dist.is_available() or not dist.is_torchelastic_launched():
        yield Team()
        return
    if device in ("auto", "cuda") and torch.cuda.is_available():
        card, cards = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if card >= cards:
            raise CapstoneError(
                f"torchrun started more processes on this machine than it has graphics cards ({cards}): "
                f"use --nproc-per-node {cards}."
            )
        torch.cuda.set_device(card)
    dist.init_process_group(timeout=PATIENCE)
    before = signal.signal(signal.SIGTERM, _stop)  # torchrun sends it when a process has ended
    try:
        yield Team()
        signal.signal(signal.SIGTERM, before)  # after an error not yet: first it has to be told
    finally:
        dist.destroy_process_group()


def _stop(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise CapstoneError(ENDED)
