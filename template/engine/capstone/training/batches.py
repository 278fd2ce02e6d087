"""Mini-batches: how many rows, and how many passes over all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

ROWS_AT_ONCE = (
    8_000  # rows that are picked or predicted in one call: they fit the processor's cache
)
Batch = tuple[Tensor, Tensor]  # inputs of shape (rows, inputs), and their targets


class TrainingRows(Protocol):
    """Rows to learn from, wherever they are."""

    @property
    def device(self) -> torch.device: ...

    def __len__(self) -> int: ...

    def make_batches(self, batch_size: int) -> Iterator[Batch]:
        """All rows once, in a new random order, in batches of so many."""


@dataclass(frozen=True)
class RowsInMemory:
    """Rows whose numbers are two tensors on the device already.

    inputs   shape (rows, inputs)
    targets  shape (rows,), or (rows, 2) with each row's fold for an ensemble
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def device(self) -> torch.device:
        return self.inputs.device

    def make_batches(self, batch_size: int) -> Iterator[Batch]:
        """What a `DataLoader(shuffle=True)` does, but much faster: it would fetch row after row."""
        order = torch.randperm(len(self), dtype=torch.int32, device=self.device)
        rows_of_some_batches = max(ROWS_AT_ONCE // batch_size, 1) * batch_size
        for rows in order.split(rows_of_some_batches):
            # The same as inputs[rows] and targets[rows], but faster.
            inputs = self.inputs.index_select(0, rows).split(batch_size)
            targets = self.targets.index_select(0, rows).split(batch_size)
            for batch in zip(inputs, targets, strict=True):
                if len(batch[0]) > 1 or batch_size == 1:  # batch norm can't learn from a single row
                    yield batch


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
