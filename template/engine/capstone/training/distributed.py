"""Training by several processes, on several graphics cards or machines: `torchrun --nproc-per-node 2 -m capstone run`.

Every process holds the whole table and the same network. Of each batch it learns from its own share of the rows, and
PyTorch's DistributedDataParallel averages the gradients. So all take the same steps: those that one process would
take alone, but for rounding. The first process (rank 0) prints and writes; the others only train.
"""

# No `from __future__ import annotations`: PyTorch reads those of `weighted_average`.
import io
import os
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from capstone.core.errors import CapstoneError
from capstone.core.settings import Training
from capstone.training.batches import Batch, TrainingRows
from capstone.training.devices import in_precision
from capstone.training.history import History
from capstone.training.loop import Callback, Trainer

ENDED = (
    "Another process of this run has ended, so this one can't go on. What stopped it is printed above or below; "
    "then `capstone run --resume`, with as many processes as you like, goes on from the last checkpoint."
)
# The others wait for the first process while it evaluates and writes, be it for hours. One that has ended is
# noticed anyway: its connections close, and torchrun ends the others.
PATIENCE = timedelta(days=7)
LOST = ("connection", "peer", "broken pipe", "gloo", "nccl")  # in what PyTorch says of it


class DistributedTrainer(Trainer):
    """The same training, shared among the processes that torchrun has started."""

    def __init__(
        self, model: nn.Module, criterion: nn.Module, settings: Training, seed: int
    ) -> None:
        super().__init__(model, criterion, settings, seed)
        self.take_step = self.train_step  # what talks to other processes can't be recorded
        self.share = 1.0  # of the batch that this process is learning from

    def fit(
        self, train: TrainingRows, validation: Batch, callbacks: Sequence[Callback] = ()
    ) -> History:
        """As `Trainer.fit`. Only the first process has callbacks.

        Ctrl-C ends all processes and the run: they can't agree any more on the epoch to go on from.
        """
        with peers():
            history = super().fit(train, validation, [*callbacks, StartTogether()])
        if history.interrupted:
            raise KeyboardInterrupt
        return history

    def train_epoch(self, train: TrainingRows) -> float:
        """As `Trainer.train_epoch`; the loss is the mean over the rows of all processes."""
        # Wrapped anew in each epoch, for other weights may be frozen now.
        model = in_precision(self.network, self.settings.precision)
        self.model = DistributedDataParallel(model, find_unused_parameters=True)
        self.model.register_comm_hook(self, weighted_average)
        self.alike = True
        loss = torch.tensor(super().train_epoch(train))  # of its own shares, divided by all rows
        self.model = model
        dist.all_reduce(loss)
        return loss.item()

    def train_step(self, inputs: Tensor, targets: Tensor) -> None:
        """The five steps for this process's share of a batch."""
        if self.alike:  # all have drawn the same order of rows; now each drops neurons of its own
            separate_chance()
            self.alike = False
        rows, self.share = share_of(len(inputs))
        before, own = self.loss_sum.clone(), inputs[rows]
        super().train_step(own, targets[rows])
        # Rows that all processes learn from count once.
        self.loss_sum = before.lerp(self.loss_sum, self.share * len(inputs) / len(own))

    def evaluate(self, rows: Batch) -> Tensor:
        """The first process's loss, in each: what is decided by it is decided alike."""
        losses = super().evaluate(rows)
        dist.broadcast(losses, src=0)
        return losses


class StartTogether:
    """All processes begin where the first one does: anew, or where its checkpoint says."""

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Hand the first process's state on to the others."""
        buffer = io.BytesIO()
        if dist.get_rank() == 0:
            torch.save(trainer.state_dict(), buffer)
        content = broadcast_bytes(buffer.getvalue())
        if dist.get_rank() > 0:
            trainer.load_state_dict(
                torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            )

    def on_epoch_end(self, trainer: Trainer, epoch: object) -> None:
        """Nothing: gradients keep them together."""


@contextmanager
def joined(device: str) -> Iterator[int]:
    """Meet the other processes that torchrun has started, for as long as the block lasts; gives this one's rank.

    device  as set in capstone.toml: unless it is the CPU, each process takes a graphics card of its own
    """
    if device in ("auto", "cuda") and torch.cuda.is_available():
        card, cards = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if card >= cards:
            raise CapstoneError(
                f"torchrun started more processes on this machine than it has graphics cards ({cards}): "
                f"use --nproc-per-node {cards}."
            )
        torch.cuda.set_device(card)
    # The gradients of an ensemble's stacked weights lie in memory otherwise than PyTorch would lay them: no matter.
    warnings.filterwarnings("ignore", "Grad strides do not match")
    dist.init_process_group(timeout=PATIENCE)
    before = signal.signal(signal.SIGTERM, _stop)  # torchrun sends it when a process has ended
    try:
        yield dist.get_rank()
        signal.signal(signal.SIGTERM, before)  # after an error not yet: first it has to be printed
    finally:
        dist.destroy_process_group()


def _stop(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise CapstoneError(ENDED)


@contextmanager
def peers() -> Iterator[None]:
    """Say in one sentence that another process has ended, in whatever words PyTorch says it."""
    try:
        yield
    except RuntimeError as error:
        if any(word in str(error).lower() for word in LOST):
            raise CapstoneError(ENDED) from None
        raise


def agree(decision: bool) -> bool:
    """The first process's decision, in each."""
    chosen = torch.tensor(int(decision))
    dist.broadcast(chosen, src=0)
    return bool(chosen)


def share_of(rows: int) -> tuple[slice, float]:
    """This process's rows of a batch, and what part of the batch they are.

    Where there are not two for each, every process learns from all: a single row is no use to batch norm.
    """
    processes, rank = dist.get_world_size(), dist.get_rank()
    if rows < 2 * processes:
        return slice(None), 1 / processes
    sizes = [len(part) for part in torch.arange(rows).tensor_split(processes)]
    first = sum(sizes[:rank])
    return slice(first, first + sizes[rank]), sizes[rank] / rows


def weighted_average(
    trainer: DistributedTrainer, bucket: dist.GradBucket
) -> torch.futures.Future[Tensor]:
    """How DistributedDataParallel brings gradients together: each process's counts by its share of the batch."""
    gradients = bucket.buffer().mul_(trainer.share)
    done = dist.all_reduce(gradients, async_op=True).get_future()
    return done.then(lambda summed: summed.value()[0])


def separate_chance() -> None:
    """Another random dropout in each process; the first one's stays as it would be alone."""
    if dist.get_rank():
        seed = np.random.SeedSequence([torch.initial_seed(), dist.get_rank()])
        torch.manual_seed(int(seed.generate_state(1)[0]))


def broadcast_bytes(content: bytes) -> bytes:
    """The first process's bytes, in each."""
    length = torch.tensor(len(content))
    dist.broadcast(length, src=0)
    numbers = bytearray(content.ljust(int(length))[: int(length)])
    mine = torch.frombuffer(numbers, dtype=torch.uint8)
    dist.broadcast(mine, src=0)
    return mine.numpy().tobytes()
