"""What training runs on: the processor or a graphics card, its precision and its memory."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from capstone.core.errors import CapstoneError, is_out_of_memory
from capstone.core.settings import Training
from capstone.training.distributed import Team
from capstone.training.loop import History, batch_size_for


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


def card_memory(device: torch.device) -> float:
    """Bytes of memory of a graphics card; infinite where it is the machine's own."""
    if device.type != "cuda":
        return math.inf
    return torch.cuda.mem_get_info(device)[1]


def on_device(rows: np.ndarray, device: torch.device) -> Tensor:
    """The rows as a tensor on the device. Raises CapstoneError when they don't fit there."""
    try:
        return torch.from_numpy(rows).to(device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise CapstoneError(
            f"The graphics card's memory is too small for {len(rows):,} rows of {rows.shape[1]:,} numbers: save the "
            'table as Parquet and set [data] streaming = "always", or set [training] device = "cpu".'
        ) from None


def environment(device: torch.device) -> dict[str, Any]:
    """What the numbers may depend on: device, threads and processes."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"device": name, "threads": torch.get_num_threads(), "processes": Team().size}


def check_memory(build: Callable[[], nn.Module], members: int, device: torch.device) -> None:
    """Raises CapstoneError when so many of the networks that `build` makes need more memory than is free.

    Without this, a system that promises more memory than it has would end the run without a word.
    """
    weights = 0
    with contextlib.suppress(Exception), torch.device("meta"):  # shapes alone, which cost nothing
        weights = members * sum(its.numel() for its in build().parameters())
    copies = 6 if device.type == "cpu" else 1  # gradients, AdamW's two means, the best, the first
    need, free = 4 * weights * copies, psutil.virtual_memory().available
    if need > free:
        raise CapstoneError(
            f"To train a network of {weights:,} weights takes {need / 1e9:,.1f} GB of memory, and "
            f"{free / 1e9:,.1f} GB are free: make [network] hidden or members smaller."
        )


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
    memory, or_else = "This machine's memory", ""
    if device.type != "cpu":
        memory, or_else = "The graphics card's memory", ', or set [training] device = "cpu"'
    if isinstance(settings.batch_size, int) and settings.batch_size > rows:
        tell(
            [
                f"batch_size ({settings.batch_size:,}) is larger than the {rows:,} training rows: "
                f"each batch holds all {rows:,}"
            ]
        )
    try:
        return _in_precision(learn, network, settings, device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        if Team().size > 1:  # the others wait in the middle of a batch
            raise CapstoneError(
                f"{memory} is too small for this process's share of {size:,} rows: make [training] "
                "batch_size or [network] hidden smaller."
            ) from None
        tell([f"out of memory with batches of {size:,} rows: starting again with {half:,}"])
    network.load_state_dict(beginning)
    if device.type != "cpu":
        torch.accelerator.empty_cache()
    try:
        return _in_precision(learn, network, smaller, device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise CapstoneError(
            f"{memory} is too small, even for batches of {half:,} rows: make [network] hidden smaller{or_else}."
        ) from None


def _in_precision(
    learn: Callable[..., History], network: nn.Module, settings: Training, device: torch.device
) -> History:
    """Only training may multiply in a lower precision: predictions are always made in full."""
    if settings.precision == "tf32" and device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    if settings.precision == "bf16":
        network.forward = in_bf16(network.forward, device.type)
    try:
        return learn(settings=settings)
    finally:
        vars(network).pop("forward", None)  # its class's own forward pass again
        torch.set_float32_matmul_precision("highest")


def in_bf16(forward: Callable[[Tensor], Tensor], device: str) -> Callable[[Tensor], Tensor]:
    """A forward pass whose matrix products are of 16-bit numbers; weights and scores stay in 32 bits.

    bfloat16 reaches as far as float32, so no loss has to be scaled up to keep small gradients.
    """

    def low(inputs: Tensor) -> Tensor:
        with torch.autocast(device, dtype=torch.bfloat16):
            scores = forward(inputs)
        return scores.float()

    return low
