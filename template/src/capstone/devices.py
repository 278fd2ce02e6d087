"""What training runs on: the processor or a graphics card, its precision and its memory."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from capstone.errors import CapstoneError
from capstone.processes import Team
from capstone.settings import Training
from capstone.training import History, batch_size_for


def choose_device(name: str = "auto") -> torch.device:
    """The device to train on: CUDA, then MPS, then CPU for "auto"; else the one that is named."""
    found = torch.accelerator.current_accelerator(check_available=True)
    best = found or torch.device("cpu")
    if name == "auto":
        return best
    try:
        device = torch.device(name)
    except RuntimeError:
        raise CapstoneError(
            f'[training] device "{name}" is unknown: use "auto", "cpu", "cuda" or "mps".'
        ) from None
    if device.type not in ("cpu", best.type):
        raise CapstoneError(
            f'[training] device "{name}" is not on this machine: use "{best.type}".'
        )
    return device


def environment(device: torch.device) -> dict[str, Any]:
    """What the numbers may depend on: device, threads and processes."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"device": name, "threads": torch.get_num_threads(), "processes": Team().size}


def train_within_limits(
    learn: Callable[..., History],
    network: nn.Module,
    settings: Training,
    rows: int,
    tell: Callable[[list[str]], object],
) -> History:
    """`learn(settings=...)` in the precision that is set; short of memory, once more with half the batch.

    learn  train_model with all its arguments but the settings; it starts from the network as it is now
    rows   of the training part
    Raises CapstoneError when half the batch is too much as well.
    """
    beginning = copy.deepcopy(network.state_dict())
    size = batch_size_for(rows, settings.batch_size)
    half = max(size // 2, 1)
    smaller = settings.model_copy(update={"batch_size": half})
    device = next(network.parameters()).device
    try:
        return _in_precision(learn, settings, device)
    except torch.OutOfMemoryError:
        if Team().size > 1:  # the others wait in the middle of a batch
            raise CapstoneError(
                f"The graphics card's memory is too small for its share of {size:,} rows: make [training] "
                "batch_size or [network] hidden smaller."
            ) from None
        tell([f"out of memory with batches of {size:,} rows: starting again with {half:,}"])
    network.load_state_dict(beginning)
    if device.type != "cpu":
        torch.accelerator.empty_cache()
    try:
        return _in_precision(learn, smaller, device)
    except torch.OutOfMemoryError:
        raise CapstoneError(
            f"The graphics card's memory is too small, even for batches of {half:,} rows: "
            'make [network] hidden smaller, or set [training] device = "cpu".'
        ) from None


def _in_precision(
    learn: Callable[..., History], settings: Training, device: torch.device
) -> History:
    """Only training may multiply in a lower precision: predictions are always made in full."""
    if settings.precision == "tf32" and device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    try:
        return learn(settings=settings)
    finally:
        torch.set_float32_matmul_precision("highest")
