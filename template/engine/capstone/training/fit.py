"""From a matrix of numbers to a trained model: who learns from which rows, and how numbers are encoded."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from capstone.core.errors import CapstoneError, is_out_of_memory
from capstone.core.settings import Settings
from capstone.data.preprocessing import Preprocessor
from capstone.runs.folder import read_run
from capstone.training.acceleration.compiled import CompiledEpoch
from capstone.training.acceleration.cuda_graph import ReplayedEpoch
from capstone.training.checkpoint import Checkpoint
from capstone.training.devices import check_memory, train_within_limits
from capstone.training.distributed import Team
from capstone.training.ensemble import MembersLoss, own_folds, with_folds
from capstone.training.health import summary_lines
from capstone.training.loop import (
    STOPPED,
    Batches,
    Epoch,
    History,
    batch_size_for,
    batches,
    epochs_for,
    set_seed,
    train_model,
)
from capstone.training.model import Target, TrainedModel, build_model
from capstone.training.piecewise_linear import PiecewiseLinear, fit_pieces
from capstone.training.transfer import adopt_pieces, all_names, load_source, start_from

TRIAL = (5, 20)  # trying an encoding takes a fifth of the epochs, and at most so many
MOST_ENCODED = 2**26  # numbers, 256 MB of them, that may be encoded before training
TRIAL_ROWS = 2500  # held out are enough to choose by: of a large table, some members try alone


@dataclass(frozen=True)
class Lesson:
    """The rows to learn from and those that tell when to stop, on the device, and how both are judged.

    cut       how the rows to learn from are cut into mini-batches
    tried_on  fewer rows, to choose the encoding by; None takes all
    """

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    loss_function: nn.Module
    members: int = 1
    cut: Batches = batches
    tried_on: Lesson | None = None


def lesson_with_folds(
    train: tuple[Tensor, Tensor], folds: np.ndarray, loss_function: nn.Module
) -> Lesson:
    """For several members: each learns from all rows but its own fold, which tells when it was best.

    folds  number of each row's fold, shape (rows,), one fold for each member
    """
    inputs, members = train[0], int(folds.max()) + 1
    targets = with_folds(train[1], folds)
    loss = MembersLoss(loss_function, members).to(inputs.device)
    return Lesson((inputs, targets), own_folds(inputs, targets, members), loss, members)


def for_a_trial(lesson: Lesson) -> Lesson:
    """The lesson for so many of the members, two at least, that hold out enough rows to choose by."""
    enough = math.ceil(lesson.members * TRIAL_ROWS / len(lesson.train[0]))
    few = min(lesson.members, max(2, enough))
    if few == lesson.members:
        return lesson
    inputs, targets = lesson.validation
    loss = copy.deepcopy(lesson.loss_function)
    loss.numbers = torch.arange(few, device=inputs.device)
    return Lesson(lesson.train, (inputs[:few], targets[:few]), loss, few)


def encoded_once(network: nn.Module, lesson: Lesson) -> tuple[nn.Module, Lesson]:
    """The network without its encoding, and the lesson's rows encoded, which nothing changes in training.

    So they are not encoded again in every batch. Both stay as they are when it takes too much memory, or when the
    rows to learn from are elsewhere.
    """
    encoding = network[0] if isinstance(network, nn.Sequential) else None
    if not isinstance(network, nn.Sequential) or not isinstance(encoding, PiecewiseLinear):
        return network, lesson
    if lesson.cut is not batches:
        return network, lesson
    (inputs, targets), (held_out, their_targets) = lesson.train, lesson.validation
    rows = len(inputs) + held_out.shape[:-1].numel()
    if rows * (inputs.shape[1] + len(encoding.column)) > MOST_ENCODED:
        return network, lesson
    train, validation = (encoding(inputs), targets), (encoding(held_out), their_targets)
    return network[1], replace(lesson, train=train, validation=validation)


def quick_epoch(device: torch.device) -> ReplayedEpoch | None:
    """What takes the place of `train_epoch` on this device, if anything does, with the same result."""
    return ReplayedEpoch() if device.type == "cuda" and Team().size == 1 else None


def fit_model(
    root: Path,
    settings: Settings,
    preprocessor: Preprocessor,
    target: Target,
    lesson: Lesson,
    tell: Callable[[list[str]], Any],
    on_epoch: Callable[[Epoch], None],
    checkpoint: Checkpoint | None,
    resume: bool,
) -> tuple[TrainedModel, History]:
    """Build the student's network, as many times as there are members, and train it."""
    if checkpoint and Team().rank > 0:
        checkpoint.seconds = math.inf  # the first process writes it, for all
    training = settings.training
    device = lesson.train[0].device
    one_pass = quick_epoch(device) or (CompiledEpoch() if training.compile else None)
    names = preprocessor.inputs
    architecture = {
        "inputs": len(names),
        "outputs": target.outputs,
        **settings.network.model_dump(),
    }
    architecture["members"] = lesson.members
    source = None
    if training.start_from:
        run = read_run(root / "runs", Path(training.start_from).name)
        source = load_source(run, names, root)
        known = len(set(names) & set(source.preprocessor.inputs))
        tell(
            [f"starting from {run.id}: {known} of {len(names)} inputs are known there; a new head"]
        )

    def build(encoding: PiecewiseLinear | None, members: int = lesson.members) -> nn.Module:
        one = partial(build_model, root, {**architecture, "members": 1}, encoding)
        check_memory(one, members, device)
        set_seed(settings.seed)
        begin = None
        if source:
            pieces = encoding.pieces() if encoding else None
            begin = partial(start_from, names=all_names(names, pieces), source=source)
        several = {**architecture, "members": members}
        return build_model(root, several, encoding, begin).to(device)

    if source:
        encoding, why = adopt_pieces(names, source), "numbers encoded as in that run"
    else:
        encoding, why = choose_encoding(lesson.tried_on or lesson, settings, build)
    architecture["pieces"] = encoding.pieces() if encoding else None
    model = TrainedModel(preprocessor, build(encoding), target, architecture)
    several = f"{lesson.members} networks side by side, each of these layers:"
    tell([why, *([several] if lesson.members > 1 else []), *summary_lines(model.layers())])
    network, lesson = encoded_once(model.network, lesson)
    learn = partial(
        train_model,
        network,
        lesson.train,
        lesson.validation,
        lesson.loss_function,
        cut=lesson.cut,
        seed=settings.seed,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
        resume=resume,
        one_pass=one_pass,
    )
    if isinstance(one_pass, CompiledEpoch):
        tell(["compiling takes a minute or so before the first epoch"])
    rows = len(lesson.train[0])
    return model, train_within_limits(learn, network, training, rows, tell)


def choose_encoding(
    lesson: Lesson, settings: Settings, build: Callable[..., nn.Module]
) -> tuple[PiecewiseLinear | None, str]:
    """Whether numbers are cut into pieces, as set or by a short training of both; and a line on why.

    build  makes new networks behind an encoding, as many as it is told
    """
    numbers, training = settings.preprocessing.numbers, settings.training
    if numbers == "plain":
        return None, "numbers as they are"
    inputs = lesson.train[0]
    pieces = fit_pieces(inputs.cpu().numpy())
    if not len(pieces.column):
        return None, "numbers as they are: no column has bends to learn, or there are too many"
    if numbers == "piecewise":
        return pieces, f"numbers cut into {len(pieces.column)} pieces"
    size = batch_size_for(len(inputs), training.batch_size)
    part, most = TRIAL
    epochs = min(max(1, epochs_for(len(inputs), size, training.epochs) // part), most)
    short = training.model_copy(update={"epochs": epochs})
    few = for_a_trial(lesson)

    def best_loss(encoding: PiecewiseLinear | None) -> float:
        network, its = encoded_once(build(encoding, few.members), few)
        parts = (its.train, its.validation)
        one_pass = quick_epoch(inputs.device)
        history = train_model(
            network, *parts, its.loss_function, short, settings.seed, one_pass=one_pass
        )
        if history.ended == STOPPED:  # nothing is worth keeping yet
            raise KeyboardInterrupt
        return history.best_loss

    try:
        plain, cut = best_loss(None), best_loss(pieces)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        if Team().size > 1:  # the others wait in the middle of a batch
            raise CapstoneError(
                'Memory is too small to try numbers in pieces: set [preprocessing] numbers = "plain", or make '
                "[training] batch_size or [network] hidden smaller."
            ) from None
        return None, "numbers as they are: there is no memory to try pieces"
    losses = f"validation loss {plain:.4f} as they are, {cut:.4f} in pieces, after {epochs} epochs"
    if cut < plain:
        return pieces, f"numbers cut into {len(pieces.column)} pieces ({losses})"
    return None, f"numbers as they are ({losses})"
