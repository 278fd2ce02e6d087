"""Training the network: the five-step loop, early stopping, one seed, any device."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from capstone.core.errors import CapstoneError
from capstone.core.settings import Training
from capstone.training.checkpoint import Best, Checkpoint
from capstone.training.distributed import Team
from capstone.training.layers import body_and_head, check_batch, freeze
from capstone.training.optimizer import make_optimizer, make_schedule

STOPPED = "stopped by Ctrl-C"  # how a training may have ended
LOSS_FUNCTIONS: dict[str, type[nn.Module]] = {
    "regression": nn.MSELoss,
    "binary": nn.BCEWithLogitsLoss,  # contains the sigmoid
    "multiclass": nn.CrossEntropyLoss,  # contains the softmax
}
ROWS_AT_ONCE = 8_000  # without learning: they fit the processor's cache, which halves the time
# How rows become mini-batches: inputs, targets, batch size and the processes that share each batch.
Batches = Callable[[Tensor, Tensor, int, Team], Iterator[tuple[Tensor, Tensor]]]


@dataclass(frozen=True)
class Epoch:
    """One line of history.csv: the mean losses of one pass over the training part."""

    epoch: int
    of: int  # epochs at most
    train_loss: float
    validation_loss: float
    learning_rate: float
    seconds: float


@dataclass
class History:
    """What happened in training, epoch by epoch, and why it ended."""

    epochs: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0  # with several members, the last in which one of them was at its best
    best_loss: float = math.inf  # with several members, the mean of their best
    batch_size: int = 0
    ended: str = "all epochs done"

    def epochs_without_progress(self) -> int:
        """How many epochs have passed since the best one."""
        return len(self.epochs) - self.best_epoch

    def table(self) -> pd.DataFrame:
        """One row per epoch, the columns of history.csv."""
        return pd.DataFrame([asdict(epoch) for epoch in self.epochs]).drop(columns="of")


def set_seed(seed: int) -> None:
    """Make everything random repeatable: Python, NumPy and torch, on every device."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # is read when CUDA starts
    if torch.cuda.is_available():  # on the CPU what we use is deterministic anyway
        torch.use_deterministic_algorithms(True, warn_only=True)


def use_threads_for(batch_size: int) -> None:
    """One thread for small batches: sharing them among several costs more time than it saves."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # processes on this machine, says torchrun
    torch.set_num_threads(1 if batch_size < 10_000 else max((os.cpu_count() or 1) // here, 1))


def batch_size_for(rows: int, batch_size: str | int = "auto") -> int:
    """Rows per batch: as set, or about 30 batches an epoch, between 32 and 256 rows each."""
    if batch_size == "auto":
        return min(max(2 ** round(math.log2(max(rows / 30, 1))), 32), 256)
    return min(int(batch_size), rows)


def epochs_for(rows: int, batch_size: int, epochs: str | int = "auto") -> int:
    """Passes over the rows: as set, or 50, and more for a small table, for at least 500 steps."""
    if epochs == "auto":
        return max(50, math.ceil(500 / math.ceil(rows / batch_size)))
    return int(epochs)


def batches(
    inputs: Tensor, targets: Tensor, size: int, team: Team
) -> Iterator[tuple[Tensor, Tensor]]:
    """The rows in a new random order, cut into mini-batches. Much faster than a DataLoader here,
    because the whole table is one tensor on the device already."""
    short = torch.int32 if len(inputs) < 2**31 else torch.int64  # half the memory to jump around in
    order = torch.randperm(len(inputs), dtype=short, device=inputs.device)
    team.part_ways()  # several processes take the same rows in turn, but drop different neurons
    many = max(ROWS_AT_ONCE // size, 1) * size  # rows of several batches, picked in one call
    for rows in order.split(many):
        # The same as inputs[rows] and targets[rows], but faster.
        picked = inputs.index_select(0, rows), targets.index_select(0, rows)
        for batch in zip(*(its.split(size) for its in picked), strict=True):
            if len(batch[0]) > 1 or size == 1:  # a single row left over is no use to batch norm
                # All of the batch, unless several processes train together.
                yield team.share(batch[0]), team.share(batch[1])


def train_model(
    network: nn.Module,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    loss_function: nn.Module,
    settings: Training,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
    cut: Batches = batches,
    one_pass: Callable[..., float] | None = None,
) -> History:
    """Train until the validation loss stops improving, then restore the best weights.

    train, validation   inputs of shape (rows, inputs) and targets, on the network's device
    on_epoch            is called after each epoch, e.g. to draw progress; for those of the checkpoint too
    checkpoint, resume  where unfinished training is kept, and whether to go on from there
    cut, one_pass       how rows become mini-batches; what learns from them, in place of `train_epoch`
    Ctrl-C ends training early and keeps the best weights so far.
    """
    optimizer = make_optimizer(network, settings)
    team = Team()
    team.average_gradients(network, optimizer)
    size = batch_size_for(len(train[0]), settings.batch_size)
    check_batch(network, size)
    epochs = epochs_for(len(train[0]), size, settings.epochs)
    schedule = make_schedule(optimizer, settings, epochs)
    use_threads_for(size)
    history, best = History(batch_size=size), Best(network)
    if checkpoint and resume and (state := checkpoint.read()):
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        best.weights, best.loss = state["best_weights"], state["best_loss"]
        history.epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        history.best_epoch, history.best_loss = state["best_epoch"], best.loss.mean().item()
        for epoch in history.epochs:
            on_epoch(epoch)
    try:
        for number in range(len(history.epochs) + 1, epochs + 1):
            if history.epochs_without_progress() >= settings.patience:
                history.ended = f"no better for {settings.patience} epochs"
                break
            start = time.perf_counter()
            torch.manual_seed(epoch_seed(seed, number))
            if settings.freeze == "body":
                freeze(body_and_head(network)[0], settings.body_is_frozen(number))
            rate = float(schedule.get_last_lr()[0])
            parts = (network, train, loss_function, optimizer, size, team, cut)
            train_loss = (one_pass or train_epoch)(*parts)
            schedule.step()
            losses = team.agree(mean_loss(network, validation, loss_function))
            validation_loss = losses.mean().item()
            if not math.isfinite(train_loss + validation_loss):
                raise CapstoneError(
                    f"Training diverged in epoch {number}: the loss is no longer a number; lower [training] "
                    f"learning_rate (now {settings.learning_rate:g}), or mend a log or a root in NeuralNetwork."
                )
            seconds = time.perf_counter() - start
            epoch = Epoch(number, epochs, train_loss, validation_loss, rate, seconds)
            history.epochs.append(epoch)
            if best.update(network, losses):
                history.best_epoch, history.best_loss = number, best.loss.mean().item()
            if checkpoint:
                checkpoint.save_if_due(network, optimizer, schedule, history, best)
            on_epoch(epoch)
    except KeyboardInterrupt:
        if not history.epochs or team.size > 1:
            raise
        history.ended = STOPPED
    network.load_state_dict(best.weights)
    return history


def train_epoch(
    network: nn.Module,
    train: tuple[Tensor, Tensor],
    loss_function: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch_size: int,
    team: Team,
    cut: Batches = batches,
) -> float:
    """One pass over the training part: the five steps for every mini-batch. Returns the mean loss."""
    network.train()
    loss_function.train()
    total, rows = torch.zeros((), device=train[0].device), 0
    for inputs, targets in cut(*train, batch_size, team):
        optimizer.zero_grad()  # 1. zero the gradients
        outputs = network(inputs).squeeze(1)  # 2. forward pass
        loss = loss_function(outputs, targets)  # 3. compute the loss
        loss.backward()  # 4. backward pass
        optimizer.step()  # 5. update the weights
        # The sum stays on the device: reading it for every batch would make the GPU wait.
        total.add_(loss.detach(), alpha=len(inputs))
        rows += len(inputs)
    total, count = team.sum(torch.stack([total, torch.tensor(rows).to(total)]))
    return total.item() / count.item()


@torch.inference_mode()
def mean_loss(network: nn.Module, part: tuple[Tensor, Tensor], loss_function: nn.Module) -> Tensor:
    """Loss over a part of the data, without learning from it: shape (), or (members,) if several."""
    network.eval()
    loss_function.eval()
    inputs, targets = part
    outputs = [network(block) for block in inputs.split(ROWS_AT_ONCE, dim=-2)]
    return loss_function(torch.cat(outputs).squeeze(1), targets)


@torch.inference_mode()
def predict_scores(network: nn.Module, inputs: Tensor) -> np.ndarray:
    """The network's raw outputs as float64: shape (rows,), or (rows, classes) for multiclass.

    Of several members, each its own: the last dimension is the members'.
    """
    network.eval()
    use_threads_for(len(inputs))
    blocks = [network(block).squeeze(1).cpu() for block in inputs.split(ROWS_AT_ONCE)]
    return torch.cat(blocks).numpy().astype(np.float64)


def epoch_seed(seed: int, epoch: int) -> int:
    """A seed for each epoch, so that an epoch doesn't depend on the ones before it."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
