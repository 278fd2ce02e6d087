"""The table block by block: cleaned and engineered by the student, and each row dealt to its part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.settings import Settings
from capstone.data.user_steps import apply_step, clean_table
from capstone.data.validation import check_named_columns, to_numbers
from capstone.streaming.dealing import FOR_SAMPLE, PARTS, Dealer, as_shares, moments
from capstone.streaming.sketches import Sketch
from capstone.streaming.source import Source

SAMPLE = 50_000  # rows of each part in the sample, about


@dataclass(frozen=True)
class Block:
    """Some rows of the table: as they were read, and ready; of each ready row the target, part and fold."""

    raw: pd.DataFrame
    table: pd.DataFrame
    target: pd.Series
    part: np.ndarray
    fold: np.ndarray


class Blocks:
    """What the table's blocks become, the same each time they are read.

    glance  some rows of the table as engineer() returns it
    place   of the student's functions
    """

    def __init__(
        self, source: Source, glance: pd.DataFrame, settings: Settings, root: Path, place: str
    ) -> None:
        self.source, self.glance, self.settings = source, glance, settings
        self.root, self.place = root, place
        self.dealer = Dealer(settings, self._edges())

    def __iter__(self) -> Iterator[Block]:
        data = self.settings.data
        for ready, raw in self._ready_blocks():
            target = ready[data.target].dropna()
            if data.problem == "regression":
                target = to_numbers(target)
            table = ready.loc[target.index]
            yield Block(raw, table, target, *self.dealer.deal(table))

    def _ready_blocks(self) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        """Every block as engineer() returns it, and as it was read."""
        data = self.settings.data
        for raw in self.source.blocks():
            raw = raw.drop(columns=data.leave_out)
            cleaned, _ = clean_table(raw, self.root, data, may_be_empty=True)
            if cleaned.empty:
                continue
            ready, _ = apply_step("engineer", cleaned, self.root, data.target, may_be_empty=True)
            if ready.empty:
                continue
            if set(ready) != set(self.glance):
                odd = ", ".join(map(str, sorted(set(ready) ^ set(self.glance), key=str)[:5]))
                raise CapstoneError(
                    f"clean() and engineer() in {self.place} gave other columns ({odd}) for rows "
                    f"{raw.index[0]} to {raw.index[-1]} than for the rows looked at first: let the columns not "
                    "depend on the values."
                )
            yield ready[list(self.glance)], raw

    def _edges(self) -> dict[str, list[float]]:
        """For a split by time: one pass more, to find the moments that divide the table."""
        split, members = self.settings.split, self.settings.network.members
        used = {"group": split.group_column, "time": split.time_column}
        if name := used.get(split.method):
            key = f"[split] {split.method}_column"
            check_named_columns(self.glance, {key: [name]}, "the table after engineer()")
        if split.method != "time":
            return {}
        sketch = Sketch()
        for ready, _ in self._ready_blocks():
            sketch.add(np.sort(moments(ready, self.settings)))
        begin_test = 1 - split.test
        learnt = begin_test if members > 1 else begin_test - split.validation
        shares = [learnt * number / members for number in range(1, members)]
        return {
            "parts": sketch.quantiles([begin_test - split.validation, begin_test]).tolist(),
            "folds": sketch.quantiles(shares).tolist(),
        }

    def sample(self, block: Block, keep_row: str = "") -> Block:
        """The rows of a block that stand for the others: chosen by row number, as by dice.

        keep_row  the row with this id or number is among them in any case
        """
        split = self.settings.split
        share = {"test": split.test, "validation": split.validation}
        share["train"] = 1 - sum(share.values())
        chance = np.array([SAMPLE / (share[part] * self.source.rows) for part in PARTS])
        numbers = block.table.index.to_numpy()
        chosen = as_shares(numbers, self.settings.seed, FOR_SAMPLE) < chance[block.part]
        if keep_row and self.settings.data.id:
            chosen |= (block.table[self.settings.data.id].astype(str) == keep_row).to_numpy()
        elif keep_row.isdigit():
            chosen |= numbers == int(keep_row)
        index = block.table.index[chosen]
        rows = (block.raw.loc[index], block.table[chosen], block.target[chosen])
        return Block(*rows, block.part[chosen], block.fold[chosen])
