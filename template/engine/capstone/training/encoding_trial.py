"""Whether numbers get a piecewise-linear encoding: a short training of both decides, by the loss on held-out rows."""

from __future__ import annotations

from capstone.core.settings import Settings
from capstone.core.text import count
from capstone.training.batches import RowsInMemory, batch_size_for, epochs_for
from capstone.training.loop import Trainer
from capstone.training.network import NetworkBuilder
from capstone.training.piecewise_linear import PiecewiseLinear, fit_pieces
from capstone.training.training_data import TrainingData, encoded_once, some_members
from capstone.training.transfer import adopt_pieces

ENCODED = "piecewise-linear encoding"
SHARE_OF_EPOCHS, MOST_EPOCHS = 5, 20  # a trial takes a fifth of the epochs, and at most so many


def choose_encoding(
    builder: NetworkBuilder, data: TrainingData, settings: Settings, trainer_class: type[Trainer]
) -> tuple[PiecewiseLinear | None, str]:
    """The encoding of numbers, as set or by a short training with and without it; and a line on why.

    Parameters
    ----------
    builder : NetworkBuilder
        Builds new networks behind an encoding.
    data : TrainingData
        What they learn from, and what is held out.
    settings : Settings
        `[preprocessing] numbers` is "auto", "plain" or "piecewise".
    trainer_class : type of Trainer
        What trains them.
    """
    numbers = settings.preprocessing.numbers
    if builder.source is not None:
        return adopt_pieces(builder.inputs, builder.source), "numbers: encoded as in that run"
    if numbers == "plain":
        return None, "numbers: used as they are"
    trial = some_members(data.trial or data)
    assert isinstance(trial.train, RowsInMemory)
    pieces = fit_pieces(trial.train.inputs.cpu().numpy())
    if not len(pieces.column):
        return (
            None,
            "numbers: used as they are; no column has bends to learn, or there are too many columns",
        )
    if numbers == "piecewise":
        return pieces, f"numbers: {ENCODED}"
    training = settings.training
    size = batch_size_for(len(trial.train), training.batch_size)
    epochs = epochs_for(len(trial.train), size, training.epochs)
    epochs = min(max(1, epochs // SHARE_OF_EPOCHS), MOST_EPOCHS)
    short = training.model_copy(update={"epochs": epochs})

    def best_loss(encoding: PiecewiseLinear | None) -> float:
        network = builder.build(encoding, trial.members, trial.train.device)
        network, data = encoded_once(network, trial)
        trainer = trainer_class(network, data.criterion, short, settings.seed)
        history = trainer.fit(data.train, data.validation)
        if history.interrupted:  # nothing is worth keeping yet
            raise KeyboardInterrupt
        return history.best_loss

    plain, piecewise = best_loss(None), best_loss(pieces)
    losses = f"validation loss {piecewise:.3f} with it, {plain:.3f} without"
    reason = f"{losses}, in a trial of {count(epochs, 'epoch')}"
    if piecewise < plain:
        return pieces, f"numbers: {ENCODED} ({reason})"
    return None, f"numbers: used as they are, not with a {ENCODED} ({reason})"
