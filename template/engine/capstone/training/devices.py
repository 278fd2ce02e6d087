"""What training runs on: the processor or a graphics card, its precision and its memory."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from capstone.core.errors import CapstoneError, is_out_of_memory, too_little_memory

ROWS_FOR_THREADS = 4_000  # of fewer, several threads would only wait for one another


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
        raise too_little_memory(
            f"{len(rows):,} rows of {rows.shape[1]:,} numbers",
            'save the table as Parquet and set [data] streaming = "always", or set [training] device = "cpu"',
            "The graphics card's memory",
        ) from None


def describe_device(device: torch.device) -> dict[str, Any]:
    """What the numbers may depend on: the device, and how many processes share the training."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"device": name, "processes": int(os.environ.get("WORLD_SIZE", "1"))}


def use_threads_for(rows: int) -> int:
    """Use one thread for small batches, which several would only wait for, else all; returns how many."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # processes on this machine, says torchrun
    torch.set_num_threads(1 if rows < ROWS_FOR_THREADS else max((os.cpu_count() or 1) // here, 1))
    return torch.get_num_threads()


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
        raise too_little_memory(
            f"a network of {weights:,} weights (training it takes {need / 1e9:,.1f} GB, "
            f"and {free / 1e9:,.1f} GB are free)",
            "make [network] hidden or members smaller",
        )


class InBfloat16(nn.Module):
    """A model whose matrix products are of 16-bit numbers; weights and scores stay in 32 bits.

    bfloat16 reaches as far as float32, so no loss has to be scaled up to keep small gradients.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        """As the model's own, shape (rows, outputs)."""
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16):
            scores = self.model(inputs)
        return scores.float()


def in_precision(model: nn.Module, precision: str) -> nn.Module:
    """The model as it computes in training; predictions are always made by the model itself, in full precision."""
    return InBfloat16(model) if precision == "bf16" else model


@contextmanager
def matrix_products(precision: str, device: torch.device) -> Iterator[None]:
    """Let an NVIDIA card round numbers before it multiplies them, if "tf32" is set, for as long as the block lasts."""
    rounded = precision == "tf32" and device.type == "cuda"
    try:
        torch.set_float32_matmul_precision("high" if rounded else "highest")
        yield
    finally:
        torch.set_float32_matmul_precision("highest")
