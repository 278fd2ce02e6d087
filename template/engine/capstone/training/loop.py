"""The training loop: the five steps for every batch, epoch after epoch, until it no longer helps.

Read `Trainer.train_step` first, then `train_epoch`, then `fit`: each calls the one before it. Whatever makes training
quicker, or shares it among several machines, calls these same methods.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from capstone.core.errors import TrainingDiverged
from capstone.core.settings import Training
from capstone.training.acceleration.cuda_graph import accelerated
from capstone.training.batches import ROWS_AT_ONCE, Batch, TrainingRows, batch_size_for, epochs_for
from capstone.training.devices import in_precision, use_threads_for
from capstone.training.early_stopping import BestWeights
from capstone.training.history import Epoch, History
from capstone.training.layers import body_and_head, check_batch, freeze
from capstone.training.optimizer import make_optimizer, make_schedule
from capstone.training.seed import epoch_seed

# The loss that fits each problem. The last two contain the sigmoid and the softmax: so the network itself
# puts out plain scores, and rounding can't spoil the logarithm of a probability close to 0.
CRITERIA: dict[str, type[nn.Module]] = {
    "regression": nn.MSELoss,
    "binary": nn.BCEWithLogitsLoss,
    "multiclass": nn.CrossEntropyLoss,
}


class Callback(Protocol):
    """What wants to know how training goes: progress bars, checkpoints, experiment trackers."""

    def on_fit_begin(self, trainer: Trainer) -> None: ...

    def on_epoch_end(self, trainer: Trainer, epoch: Epoch) -> None: ...


class Trainer:
    """Trains a model: `fit` goes through the epochs, `train_epoch` through the batches of one.

    Parameters
    ----------
    model : nn.Module
        Takes inputs of shape (rows, inputs) and returns scores of shape (rows, outputs), on its own device.
    criterion : nn.Module
        The loss: takes the scores and the targets of a batch, and returns one number.
    settings : Training
        Section [training] of capstone.toml.
    seed : int
        Decides the order of the rows and which neurons dropout silences.
    """

    def __init__(
        self, model: nn.Module, criterion: nn.Module, settings: Training, seed: int
    ) -> None:
        # Two names for what is most often one thing: what is saved, and what computes. In 16-bit precision, and where
        # several processes train together, the second is wrapped around the first.
        self.network = model  # whose weights are trained, saved and restored
        self.model = in_precision(model, settings.precision)  # what computes: most often the same
        self.criterion = criterion
        self.settings, self.seed = settings, seed
        # The optimizer holds the weights and changes them; the model only uses them. They meet in train_step.
        self.optimizer = make_optimizer(model, settings)
        # A copy of the best weights so far. Of an ensemble, each member has its own best epoch.
        self.best = BestWeights(model)
        self.history = History()
        self.loss_sum = torch.zeros((), device=next(model.parameters()).device)
        self.take_step = accelerated(self)  # `train_step`; on an NVIDIA card, a recording of it

    def fit(
        self, train: TrainingRows, validation: Batch, callbacks: Sequence[Callback] = ()
    ) -> History:
        """Train until the validation loss has stopped improving, then restore the best weights.

        Parameters
        ----------
        train : TrainingRows
            What to learn from.
        validation : tuple of Tensor
            Inputs and targets that nothing is learned from: they tell when to stop.
        callbacks : sequence of Callback
            Each is told when training begins and when an epoch ends.

        Returns
        -------
        History
            Every epoch, the best one, and why training ended. Ctrl-C ends it early and keeps the best weights.

        Raises
        ------
        CapstoneError
            When the loss is no longer a number.
        """
        # "Early stopping": the training loss nearly always falls, but from some epoch on the network learns the
        # training rows by heart, and the validation loss rises. We watch the latter, wait `patience` epochs for a
        # better one, and go back to the best. Draw both columns of history.csv: where the two curves part, learning
        # by heart begins.
        history, patience = self.history, self.settings.patience
        self._prepare(len(train))
        for callback in callbacks:
            callback.on_fit_begin(self)
        try:
            for number in range(len(history.epochs) + 1, self.epochs + 1):
                if history.epochs_without_improvement() >= patience:
                    history.ended = f"no better for {patience} epochs"
                    break
                epoch = self._run_epoch(number, train, validation)
                # Progress bar, checkpoint and trackers hang here: they look on, and the loop needn't know them.
                for callback in callbacks:
                    callback.on_epoch_end(self, epoch)
        except KeyboardInterrupt:
            if not history.epochs:
                raise  # nothing is worth keeping yet
            history.interrupted, history.ended = True, "stopped by Ctrl-C"
        self.best.restore(self.network)
        return history

    def _run_epoch(self, number: int, train: TrainingRows, validation: Batch) -> Epoch:
        """Learn from all rows once, look at the validation rows, and remember the weights if they are the best."""
        start = time.perf_counter()
        # A seed for each epoch, so that it doesn't depend on the epochs before: training that was stopped and goes
        # on takes the very same steps as training that was not.
        torch.manual_seed(epoch_seed(self.seed, number))
        if self.settings.freeze == "body":  # transfer learning: at first only the head learns
            freeze(body_and_head(self.network)[0], self.settings.body_is_frozen(number))
        learning_rate = float(self.schedule.get_last_lr()[0])
        # The learning rate changes after each epoch, not within one: first up, then slowly down to nothing.
        train_loss = self.train_epoch(train)
        self.schedule.step()
        # Of an ensemble this is a loss for each member, on rows that this member has never learned from.
        losses = self.evaluate(validation)
        validation_loss = losses.mean().item()
        # nan or infinite: a step was so large that the loss grew instead of falling, again and again.
        if not math.isfinite(train_loss + validation_loss):
            raise TrainingDiverged(
                f"Training diverged in epoch {number}: the loss is no longer a number; lower [training] "
                f"learning_rate (now {self.settings.learning_rate:g}), or mend a log or a root in NeuralNetwork."
            )
        seconds = time.perf_counter() - start
        epoch = Epoch(number, self.epochs, train_loss, validation_loss, learning_rate, seconds)
        self.history.epochs.append(epoch)
        # Weights are copied while they are good: those of the last epoch are seldom the best.
        if self.best.update(self.network, losses):
            self.history.best_epoch = number
            self.history.best_loss = self.best.loss.mean().item()
        return epoch

    def train_epoch(self, train: TrainingRows) -> float:
        """One pass over the training rows, a step for every batch. Returns the mean loss of the rows."""
        self.model.train()  # dropout and batch norm behave differently in training
        self.criterion.train()
        self.loss_sum.zero_()
        rows = 0
        # A batch is a compromise: the gradient of all rows would be exact and slow, that of one row quick and wild.
        for inputs, targets in train.make_batches(self.batch_size):
            # `take_step` is `train_step` below. Only on an NVIDIA card it plays back a recording of it.
            self.take_step(inputs, targets)
            rows += len(inputs)
        # Divided by rows, not by batches: the last batch is often smaller, and would count too much.
        return self.loss_sum.item() / rows

    def train_step(self, inputs: Tensor, targets: Tensor) -> None:
        """The five steps of training, for one batch. This is where the network learns.

        Parameters
        ----------
        inputs : Tensor
            Shape (rows, inputs).
        targets : Tensor
            Shape (rows,), or (rows, 2) with each row's fold for an ensemble.
        """
        # These five lines are deep learning; everything else in this project prepares them or looks at what they did.
        # PyTorch adds new gradients to old ones, so the first line is not optional: leave it out and watch the loss.
        self.optimizer.zero_grad()  # 1. forget the gradients of the batch before
        predictions = self.model(inputs).squeeze(1)  # 2. forward pass: what the network says now
        loss = self.criterion(predictions, targets)  # 3. how wrong that is, as one number
        loss.backward()  # 4. backward pass: how the loss would change with each weight
        self.optimizer.step()  # 5. change each weight a little, against its gradient
        # The sum stays on the device: reading a number from a graphics card makes it wait.
        self.loss_sum.add_(loss.detach(), alpha=len(inputs))

    @torch.inference_mode()
    def evaluate(self, rows: Batch) -> Tensor:
        """The loss over rows, without learning from them: shape (), or (members,) of an ensemble."""
        # No dropout, no gradients: the network is asked, not taught. `inference_mode` saves what backward() would
        # need. Leave out eval() and run twice: with dropout, the same rows then get another loss each time.
        self.model.eval()
        self.criterion.eval()
        inputs, targets = rows
        predictions = [self.model(block) for block in inputs.split(ROWS_AT_ONCE, dim=-2)]
        return self.criterion(torch.cat(predictions).squeeze(1), targets)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on, as plain values and tensors."""
        # Weights alone would not do: AdamW keeps two running averages for each weight, and the schedule knows the
        # epoch.
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "best_weights": self.best.weights,
            "best_loss": self.best.loss,
            "best_epoch": self.history.best_epoch,
            "epochs": [vars(epoch) for epoch in self.history.epochs],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where another training was."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.best.load(state["best_weights"], state["best_loss"])
        self.history.epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        self.history.best_epoch = state["best_epoch"]
        self.history.best_loss = self.best.loss.mean().item()

    def _prepare(self, rows: int) -> None:
        """Settle what depends on how many rows there are."""
        # "auto" aims at some thirty steps an epoch, and at five hundred in all: a small table gets more epochs.
        self.batch_size = batch_size_for(rows, self.settings.batch_size)
        check_batch(self.network, self.batch_size)
        self.epochs = epochs_for(rows, self.batch_size, self.settings.epochs)
        self.schedule = make_schedule(self.optimizer, self.settings, self.epochs)
        self.history.batch_size = self.batch_size
        self.history.threads = use_threads_for(self.batch_size)


class EachEpoch:
    """A callback that hands every epoch to a function; those of a checkpoint too, when training goes on from there."""

    def __init__(self, function: Callable[[Epoch], object]) -> None:
        self.function = function

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Hand over what has been trained before."""
        for epoch in trainer.history.epochs:
            self.function(epoch)

    def on_epoch_end(self, trainer: Trainer, epoch: Epoch) -> None:
        """Hand over the epoch that has just ended."""
        self.function(epoch)
