"""What the student's network has to be, tried before training: a slip must not be told after an hour of it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from capstone.core.errors import CapstoneError
from capstone.core.project import package_name
from capstone.core.settings import Training
from capstone.core.student_code import described, student_code
from capstone.training.optimizer import make_optimizer

ROUNDING = 1e-3  # between two computations of the same scores, as a share of the largest


def network_place(root: Path) -> str:
    """The class of the student's network, and the file that it is in."""
    return f"NeuralNetwork in src/{package_name(root)}/network.py"


def check_scores(scores: object, shape: tuple[int, int], place: str) -> None:
    """Raises CapstoneError when this is not what forward() has to return for two rows.

    Parameters
    ----------
    scores : object
        What it returned.
    shape : tuple of int
        What its shape has to be: 2 and the number of outputs.
    place : str
        The class, and the file that it is in.
    """
    if not isinstance(scores, Tensor):
        hint = "did you forget `return`?" if scores is None else "return one tensor, the scores."
        raise CapstoneError(f"forward() of {place} returned {described(scores)}: {hint}")
    if tuple(scores.shape) != shape:
        raise CapstoneError(
            f"{place} returns shape {tuple(scores.shape)} for 2 rows, but {shape} is needed: see its "
            "output layer."
        )
    if scores.dtype != torch.float32:
        raise CapstoneError(
            f"{place} returns scores of {scores.dtype}, but torch.float32 is needed: leave out what "
            "converts them or its weights, such as .double()."
        )


def check_weights(network: nn.Module, place: str) -> None:
    """Raises CapstoneError for weights that can't be trained, or not be saved."""
    if any(getattr(layer, "sparse", False) is True for layer in network.modules()):
        raise sparse_gradients(place)
    if wrong := [name for name, its in network.named_parameters() if its.dtype != torch.float32]:
        raise CapstoneError(
            f"{place} has weights that are not of torch.float32 ({wrong[0]}): leave out what converts "
            "them, such as .double() or .half()."
        )
    if not any(weights.requires_grad for weights in network.parameters()):
        raise CapstoneError(
            f"{place} has frozen all of its weights, so nothing can learn: set requires_grad = True for some."
        )
    owners: dict[int, str] = {}
    for name, values in network.state_dict().items():
        if not isinstance(values, Tensor) or values.layout != torch.strided:
            raise CapstoneError(
                f"{place} keeps {name}, which is no ordinary tensor and can't be saved: leave it out."
            )
        # Weights without memory, as while memory is planned, share none.
        memory = values.untyped_storage().data_ptr()
        if memory and owners.setdefault(memory, name) != name:
            raise CapstoneError(
                f"{place} has the same weights under two names ({owners[memory]} and {name}), which can be "
                "neither saved nor trained in an ensemble: make each layer anew, or name one and use it twice in "
                "forward()."
            )


def sparse_gradients(place: str) -> CapstoneError:
    """Such as of nn.Embedding(..., sparse=True)."""
    return CapstoneError(
        f"{place} has a layer with sparse gradients, which AdamW can't use: set sparse=False."
    )


def try_prediction(root: Path, model: nn.Module, rows: Tensor) -> None:
    """Let a model with fresh weights predict the first training rows.

    Parameters
    ----------
    root : Path
        The project's folder.
    model : nn.Module
        The student's network, or an ensemble of it.
    rows : Tensor, shape (rows, inputs)
        The rows.

    Raises
    ------
    CapstoneError
        When the model can't predict them or changes them, or predicts one differently the second time or alone.
    """
    place, kept = network_place(root), rows.clone()
    with student_code(place), torch.no_grad():
        model.eval()
        scores, again = model(rows), model(rows)
        alone = torch.cat([model(row) for row in rows.split(1)])
    if not torch.equal(rows, kept):
        raise CapstoneError(
            f"forward() of {place} changes its input in place: write `x = x + 1` rather than `x += 1`."
        )
    if not torch.isfinite(scores).all():
        raise CapstoneError(
            f"{place} gives no finite number for the first training rows, with fresh weights: mend a log, a root "
            "or a division in forward()."
        )
    if not _same(scores, again):
        raise CapstoneError(
            f"{place} gives the same row other scores the second time: chance in forward() has to stop after "
            "training, as nn.Dropout does (in functions: `training=self.training`)."
        )
    if alone.shape != scores.shape or not _same(scores, alone):
        raise CapstoneError(
            f"{place} gives a row other scores when it comes alone: forward() must compute each row from that "
            "row."
        )


def try_training(root: Path, model: nn.Module, rows: Tensor, settings: Training) -> None:
    """Let a model take two steps towards any target; the second one sees what the first one left behind.

    Parameters
    ----------
    root, model, rows
        As of `try_prediction`; the model's weights are changed.
    settings : Training
        Section [training] of capstone.toml.

    Raises
    ------
    CapstoneError
        When the model learns nothing from them.
    """
    place = network_place(root)
    with student_code(place):
        model.train()
        optimizer = make_optimizer(model, settings)
        for _ in range(2):
            optimizer.zero_grad()
            scores = model(rows)
            if not scores.requires_grad:
                raise CapstoneError(
                    f"The scores of {place} don't depend on its weights: leave .detach(), .data, .item(), .numpy() "
                    "and torch.no_grad() out of forward()."
                )
            (scores - 1).square().mean().backward()
            gradients = [its.grad for its in model.parameters() if its.grad is not None]
            if not gradients:
                raise CapstoneError(
                    f"No gradient reaches the weights of {place}: see what forward() does."
                )
            if any(gradient.layout != torch.strided for gradient in gradients):
                raise sparse_gradients(place)
            optimizer.step()


def _same(first: Tensor, second: Tensor) -> bool:
    """Whether scores are equal up to rounding."""
    largest = max(1.0, first.abs().max().item())
    return (first - second).abs().max().item() <= ROUNDING * largest
