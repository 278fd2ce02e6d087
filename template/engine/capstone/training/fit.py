"""From a matrix of numbers to a trained model: choose how numbers are encoded, build the network, train it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from capstone.core.settings import Settings
from capstone.core.text import say_each
from capstone.training.devices import matrix_products
from capstone.training.encoding_trial import choose_encoding
from capstone.training.health import summary_lines
from capstone.training.history import History
from capstone.training.loop import Callback, Trainer
from capstone.training.model import TrainedModel
from capstone.training.network import NetworkBuilder
from capstone.training.training_data import TrainingData, encoded_once


def train_model(
    builder: NetworkBuilder,
    data: TrainingData,
    settings: Settings,
    trainer_class: type[Trainer] = Trainer,
    callbacks: Sequence[Callback] = (),
    say: Callable[[list[str]], object] = say_each,
) -> tuple[TrainedModel, History]:
    """Build the student's network, as many times as there are members, and train it.

    Parameters
    ----------
    builder : NetworkBuilder
        Builds the network for an encoding of the numbers.
    data : TrainingData
        What it learns from.
    settings : Settings
        capstone.toml.
    trainer_class : type of Trainer
        `DistributedTrainer` where several processes train together.
    callbacks : sequence of Callback
        They are told when training begins and when an epoch ends.
    say : callable
        Is given lines to print.

    Returns
    -------
    model : TrainedModel
        With the best weights.
    history : History
        The epochs.
    """
    training = settings.training
    with matrix_products(training.precision, data.train.device):
        # First question: does it help to cut numbers into pieces? A short training with and without says so.
        encoding, reason = choose_encoding(builder, data, settings, trainer_class)
        # Then the network, once or as often as there are members, with fresh random weights.
        network = builder.build(encoding, data.members, data.train.device)
        # Weights mean nothing without the network they belong to: this writes down how to build the same one again.
        architecture = builder.architecture(encoding, data.members)
        model = TrainedModel(builder.preprocessor, network, builder.target, architecture)
        say([reason, *describe(model, data.members)])
        # Numbers are encoded once, not again in every batch of every epoch.
        network, data = encoded_once(network, data)
        # The next stop on the path: Trainer in training/loop.py.
        trainer = trainer_class(network, data.criterion, training, settings.seed)
        history = trainer.fit(data.train, data.validation, callbacks)
    return model, history


def describe(model: TrainedModel, members: int) -> list[str]:
    """The layers of a model as a small table for the terminal."""
    several = f"An ensemble of {members} networks. Each one:"
    return [*([several] if members > 1 else []), *summary_lines(model.layers(), model.inputs())]
