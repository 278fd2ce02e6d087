"""The training rows as numbers, in a file: written once, then read by every epoch, a block at a time.

The rows are dealt to the blocks like cards, so that each block is a fair sample of the whole table,
however the table is sorted. An epoch takes the blocks in a new random order and shuffles the rows of each.
While the network learns from one block, a second thread reads the next.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor

from capstone.core.errors import CapstoneError
from capstone.core.files import (
    PARTIAL,
    CantWrite,
    open_scratch,
    remove,
    told,
    write_bytes,
    write_text,
)
from capstone.training.batches import Batch

BLOCK_BYTES = 8_000_000  # of inputs in a block: some of these are in memory at a time
NAME = f"{PARTIAL}prepared-"
DONE = "done"  # an empty file: the rows are all there


@dataclass(frozen=True)
class RowShape:
    """What the numbers of a row are.

    targets  1, or 2 where each row's fold stands beside its target
    classes  whether targets are numbers of classes
    """

    inputs: int
    targets: int
    classes: bool


class PreparedRows:
    """Training rows in two files of float32, `inputs` and `targets`, of which block b holds every b-th card."""

    def __init__(
        self, folder: Path, rows: int, shape: RowShape, seed: int, device: torch.device
    ) -> None:
        self.folder, self.rows, self.seed, self.device = folder, rows, seed, device
        self.dtype = torch.int64 if shape.classes else torch.float32
        self.width = {"inputs": shape.inputs, "targets": shape.targets}
        self.blocks = max(1, -(-rows * shape.inputs * 4 // BLOCK_BYTES))
        self.capacity = -(-rows // self.blocks)
        self.dealt = 0

    def __len__(self) -> int:
        return self.rows

    @property
    def bytes(self) -> int:
        """Size on disk."""
        return self.blocks * self.capacity * 4 * sum(self.width.values())

    def add(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        """Deal more rows to the blocks: shuffled, then one to each in turn."""
        order = np.random.default_rng([self.seed, self.dealt]).permutation(len(inputs))
        numbers = {
            "inputs": inputs[order],
            "targets": targets.reshape(-1, self.width["targets"])[order],
        }
        for name, rows in numbers.items():
            rows = rows.astype(np.float32, copy=False)
            with open_scratch(self._path(name)) as file:
                for block in range(self.blocks):
                    its = rows[(block - self.dealt) % self.blocks :: self.blocks]
                    file.seek(4 * self.width[name] * (block * self.capacity + self._size(block)))
                    file.write(its.tobytes())
        self.dealt += len(inputs)

    def read(self, block: int, order: Tensor, pin: bool = False) -> tuple[Tensor, Tensor]:
        """A block's inputs and targets in this order.

        pin  in memory that the system won't move: a card fetches from there while it computes
        """
        inputs = self._numbers("inputs", block).index_select(0, order)
        targets = self._numbers("targets", block).index_select(0, order).squeeze(1)
        targets = targets.to(self.dtype)
        return (inputs.pin_memory(), targets.pin_memory()) if pin else (inputs, targets)

    def make_batches(self, batch_size: int) -> Iterator[Batch]:
        """All rows in a new random order, in mini-batches: as `RowsInMemory`, but read from the file."""
        chance = torch.Generator().manual_seed(torch.initial_seed())  # set for this epoch
        blocks = torch.randperm(self.blocks, generator=chance).tolist()
        orders = (torch.randperm(self._size(block), generator=chance) for block in blocks)
        pin = self.device.type == "cuda"
        os.utime(self.folder)  # else another run would take it for abandoned after a day
        with ThreadPoolExecutor(max_workers=1) as reader:
            jobs = (
                reader.submit(self.read, block, order, pin)
                for block, order in zip(blocks, orders, strict=True)
            )
            ahead = next(jobs)
            for _ in blocks:
                inputs, targets = (
                    numbers.to(self.device, non_blocking=True) for numbers in ahead.result()
                )
                ahead = next(jobs, ahead)
                for batch in zip(inputs.split(batch_size), targets.split(batch_size), strict=True):
                    if len(batch[0]) > 1 or batch_size == 1:
                        yield batch

    def finish(self) -> None:
        """Say to the other processes on this machine that all rows are written."""
        write_bytes(self.folder / DONE, b"")

    def wait(self) -> None:
        """Wait until the first process on this machine has written all rows. torchrun ends us if that one ends."""
        while not (self.folder / DONE).exists():
            time.sleep(0.05)
        self.dealt = self.rows

    def _size(self, block: int) -> int:
        """How many rows have been dealt to a block."""
        return (self.dealt - block + self.blocks - 1) // self.blocks

    def _numbers(self, name: str, block: int) -> Tensor:
        width, rows = self.width[name], self._size(block)
        start = 4 * width * block * self.capacity
        try:
            found = np.fromfile(self._path(name), np.float32, rows * width, offset=start)
            return torch.from_numpy(found.reshape(rows, width))
        except (OSError, ValueError):  # ValueError: fewer numbers than were written
            raise CapstoneError(
                f"{self._path(name)}, which this run has written, can't be read any more: "
                "`capstone run --resume` writes it again and goes on from the last checkpoint."
            ) from None

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.float32"


@contextmanager
def prepared_folder(runs: Path, seed: int) -> Iterator[Path]:
    """A folder in runs/ for the prepared rows, removed at the end of the block however it ends.

    Processes on one machine share it: the first of them writes, and removes. torchrun started them all, so they
    have the same parent.
    """
    process = os.getppid() if "LOCAL_RANK" in os.environ else os.getpid()
    folder = runs / f"{NAME}{socket.gethostname()}-{process}-{seed}"
    try:
        if is_first_on_machine():
            _remove_orphans(runs)
            remove(folder)
            with told(folder):
                folder.mkdir(parents=True)
                write_text(folder / "process", str(os.getpid()))
        yield folder
    finally:
        if is_first_on_machine():
            remove(folder)


def is_first_on_machine() -> bool:
    """Whether this process is the only one on its machine, or the first of those that torchrun has started."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


@contextmanager
def enough_space(rows: PreparedRows) -> Iterator[None]:
    """Raises CantWrite when the disk is too small for the rows, before or while they are written."""
    free = shutil.disk_usage(rows.folder).free
    sentence = f"The prepared rows take {rows.bytes / 1e9:,.2f} GB in {rows.folder.parent} while the network trains, "
    remedy = "free some space, use fewer columns ([data] leave_out), or take fewer rows."
    if rows.bytes > free:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise CantWrite(f"{sentence}and {free / 1e9:,.2f} GB are free: {remedy}", rows.folder, full)
    try:
        yield
    except CantWrite as error:
        said = f"{sentence}but can't be written ({error.reason.strerror}): {remedy}"
        raise CantWrite(said, error.path, error.reason) from None


def _remove_orphans(runs: Path) -> None:
    """Remove what runs on this machine that were killed have left."""
    for folder in runs.glob(f"{NAME}{socket.gethostname()}-*"):
        try:
            alive = psutil.pid_exists(int((folder / "process").read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue  # being made just now
        if not alive:
            remove(folder)
