"""The training rows as numbers, in a file: written once, then read by every epoch, a block at a time.

The rows are dealt to the blocks like cards, so that each block is a fair sample of the whole table,
however the table is sorted. An epoch takes the blocks in a new random order and shuffles the rows of each.
While the network learns from one block, a second thread reads the next.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor

from capstone.core.errors import CapstoneError
from capstone.core.files import PARTIAL
from capstone.training.distributed import Team

BLOCK_BYTES = 8_000_000  # of inputs in a block: some of these are in memory at a time
NAME = f"{PARTIAL}prepared-"


class PreparedRows:
    """Rows of float32 in two files, `inputs` and `targets`, of which block b holds every b-th card.

    targets  one number a row, or two, the target and the row's fold
    """

    def __init__(
        self, folder: Path, rows: int, inputs: int, targets: int, dtype: torch.dtype, seed: int
    ) -> None:
        self.folder, self.rows, self.dtype, self.seed = folder, rows, dtype, seed
        self.width = {"inputs": inputs, "targets": targets}
        self.blocks = max(1, -(-rows * inputs * 4 // BLOCK_BYTES))
        self.capacity = -(-rows // self.blocks)
        self.dealt = 0

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
            with self._path(name).open("r+b" if self.dealt else "wb") as file:
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

    def batches(
        self, inputs: Tensor, targets: Tensor, size: int, team: Team
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """All rows in a new random order, in mini-batches: as `loop.batches`, but read from the file.

        inputs, targets  as `stand_ins` makes them; only their device counts
        """
        chance = torch.Generator().manual_seed(torch.initial_seed())  # set for this epoch
        blocks = torch.randperm(self.blocks, generator=chance).tolist()
        orders = (torch.randperm(self._size(block), generator=chance) for block in blocks)
        team.part_ways()  # several processes take the same rows in turn, but drop different neurons
        device = inputs.device
        with ThreadPoolExecutor(max_workers=1) as reader:
            jobs = (
                reader.submit(self.read, block, order, device.type == "cuda")
                for block, order in zip(blocks, orders, strict=True)
            )
            ahead = next(jobs)
            for _ in blocks:
                rows = tuple(its.to(device, non_blocking=True) for its in ahead.result())
                ahead = next(jobs, ahead)
                for first in range(0, len(rows[0]), size):
                    count = min(size, len(rows[0]) - first)
                    if count > 1 or size == 1:
                        mine = team.share(torch.arange(first, first + count))
                        span = slice(int(mine[0]), int(mine[-1]) + 1)
                        yield rows[0][span], rows[1][span]

    def stand_ins(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the right shape on the device, which take no memory and hold no number.

        Training asks them how many rows there are; the rows themselves come from `batches`.
        """
        nothing = torch.full((), torch.nan, device=device)
        return nothing.expand(self.rows, self.width["inputs"]), nothing.expand(self.rows)

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
def prepared_folder(runs: Path, team: Team) -> Iterator[Path]:
    """A folder in runs/ for the prepared rows, removed at the end of the block however it ends.

    Processes on one machine share it: the first of them writes, and removes.
    """
    token = team.agree_on_bytes(secrets.token_hex(4).encode()).decode()
    folder = runs / f"{NAME}{socket.gethostname()}-{token}"
    try:
        if writes():
            _remove_orphans(runs)
            folder.mkdir(parents=True)
            (folder / "process").write_text(str(os.getpid()), encoding="utf-8")
        yield folder
    finally:
        if writes():
            shutil.rmtree(folder, ignore_errors=True)


def writes() -> bool:
    """Whether this process is the first on its machine."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


@contextmanager
def enough_space(rows: PreparedRows) -> Iterator[None]:
    """Raises CapstoneError when the disk is too small for the rows, before or while they are written."""
    free = shutil.disk_usage(rows.folder).free
    sentence = f"The prepared rows take {rows.bytes / 1e9:,.2f} GB in {rows.folder.parent} while the network trains, "
    remedy = "free some space, use fewer columns ([data] leave_out), or take fewer rows."
    if rows.bytes > free:
        raise CapstoneError(f"{sentence}and {free / 1e9:,.2f} GB are free: {remedy}")
    try:
        yield
    except OSError as error:
        raise CapstoneError(
            f"{sentence}but can't be written ({error.strerror}): {remedy}"
        ) from None


def _remove_orphans(runs: Path) -> None:
    """Remove what runs on this machine that were killed have left."""
    for folder in runs.glob(f"{NAME}{socket.gethostname()}-*"):
        try:
            alive = psutil.pid_exists(int((folder / "process").read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue  # being made just now
        if not alive:
            shutil.rmtree(folder, ignore_errors=True)
