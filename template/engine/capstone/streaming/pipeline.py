"""The seven steps over a table that is read in blocks.

The network learns from every training row. What else needs rows (early stopping, baselines, metrics, reasons,
groups) gets a random sample of each part: an ordinary table, on which the steps after training work as on any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from capstone.core.errors import CapstoneError
from capstone.core.settings import Settings
from capstone.core.step import step
from capstone.core.text import say
from capstone.data.kinds import feature_columns
from capstone.data.preprocessing import Preprocessor
from capstone.data.validation import check_columns, check_enough_rows, check_parts
from capstone.pipeline import DEFAULTS, CapstonePipeline, RunOptions
from capstone.streaming.blocks import Block, Blocks
from capstone.streaming.dealing import PARTS
from capstone.streaming.prepared import (
    PreparedRows,
    RowShape,
    enough_space,
    is_first_on_machine,
    prepared_folder,
)
from capstone.streaming.source import fingerprint_of, is_streamed, open_source
from capstone.streaming.survey import Survey
from capstone.training.devices import card_memory, choose_device
from capstone.training.target import Target
from capstone.training.training_data import TrainingData, data_for_ensemble, data_for_one

TRIAL_ROWS = 20_000  # of the sample, to choose how numbers are encoded
NOTICE = (
    "clean() and engineer() see {rows:,} rows at a time: what they compare between rows (copies, averages) "
    "stays within those"
)


def open_pipeline(
    settings: Settings,
    root: Path | str = ".",
    options: RunOptions = DEFAULTS,
    say: Callable[[str], object] = say,
) -> CapstonePipeline:
    """CapstonePipeline(...), or StreamingPipeline(...) for a table that is read in blocks."""
    streamed = options.streamed
    if streamed is None:
        streamed = reads_in_blocks(settings, Path(root))
    return (StreamingPipeline if streamed else CapstonePipeline)(settings, root, options, say)


def reads_in_blocks(settings: Settings, root: Path) -> bool:
    """Whether the table is too large for the memory of this machine, or of its graphics card."""
    card = card_memory(choose_device(settings.training.device))
    return is_streamed(root / settings.data.path, settings.data, card)


class StreamingPipeline(CapstonePipeline):
    """The same chain of steps; the table is never in memory whole."""

    def read(self) -> tuple[pd.DataFrame, str]:
        """Some rows of the table, and a line on all of it."""
        path = self.root / self.settings.data.path
        self.source = open_source(path)
        table = self.source.look()
        self.sha256 = fingerprint_of(path)
        self._tell([NOTICE.format(rows=self.source.block_rows)])
        return table, (
            f"{self.source.rows:,} rows, {len(self.source.names)} columns from {self.settings.data.path} "
            f"(Parquet, read in blocks); a first look at {len(table):,} rows"
        )

    @step
    def split(self) -> str:
        """One pass over the table: deal the rows to the parts, survey the training rows, draw the samples."""
        data = self.settings.data
        check_enough_rows(self.table, len(self.raw))
        glance = self.table
        self.features = feature_columns(glance, data)
        check_columns(glance[self.features], data, self.place)
        self.survey = Survey(glance[self.features], self.settings, self.place)
        self.blocks = Blocks(self.source, glance, self.settings, self.root, self.place)
        counts, kept = np.zeros(len(PARTS), dtype=np.int64), []
        for block in self.blocks:
            train = block.part == PARTS.index("train")
            features = block.table[self.features]
            self.survey.add(features[train], block.target[train])
            self.survey.add_classes(block.target)
            counts += np.bincount(block.part, minlength=len(PARTS))
            kept.append(self.blocks.sample(block, self.options.keep_row))
        self._adopt(kept)
        self.rows = {part: int(n) for part, n in zip(PARTS, counts, strict=True) if n}
        said = ", ".join(f"{part} {n:,}" for part, n in self.rows.items())
        lost = self.source.rows - sum(self.rows.values())
        left_out = f"; {lost:,} rows left out by clean() or without a target" if lost else ""
        drawn = ", ".join(f"{part} {len(its):,}" for part, its in self.parts.items())
        self._tell([f"evaluation, baselines and early stopping use random rows of these: {drawn}"])
        self.about = {
            "streamed": True,
            "rows": self.rows | {"test": len(self.parts["test"])},
            "all_test_rows": self.rows["test"],
            "sampled": {part: len(its) for part, its in self.parts.items()},
        }
        by = "" if self.settings.split.method == "time" else ", by a hash"
        return f"{said} rows ({self.settings.split.method}{by}){left_out}"

    def fit_preprocessing(self) -> tuple[Preprocessor, Target]:
        """Learned from all training rows, while they went by."""
        preprocessor = self.survey.fitted_preprocessor()
        self._tell(preprocessor.notes(self.rows["train"]))
        return preprocessor, self.survey.fitted_target()

    @contextmanager
    def training_data(self, preprocessor: Preprocessor, target: Target) -> Iterator[TrainingData]:
        """Learn from all rows, in a file; stop by the sample, and choose the encoding on some rows of it."""
        with super().training_data(preprocessor, target) as sample:
            inputs, targets = self._tensors("train", target)
            few = (inputs[:TRIAL_ROWS], targets[:TRIAL_ROWS])
            if self.folds is not None:
                trial = data_for_ensemble(few, self.folds[:TRIAL_ROWS], target.problem)
            else:
                trial = data_for_one(few, sample.validation, target.problem)
            with prepared_folder(self.root / "runs", self.settings.seed) as folder:
                rows = self._prepare(folder, preprocessor, target)
                yield replace(sample, train=rows, trial=trial)

    def training_identity(self) -> dict[str, Any]:
        """What the weights depend on: training can't go on from a checkpoint of a table in memory."""
        return super().training_identity() | {"read": "in blocks"}

    def _adopt(self, kept: list[Block]) -> None:
        """From here on the samples are the table, with its target and parts."""
        if not sum(len(block.table) for block in kept):
            raise CapstoneError(
                "No row is left after clean() and engineer(), or none has a target."
            )
        self.raw = pd.concat([block.raw for block in kept])
        self.table = pd.concat([block.table for block in kept])
        self.target = pd.concat([block.target for block in kept])
        if self.settings.data.problem != "regression":
            self.target = self.survey.learnt(self.target)
        part = np.concatenate([block.part for block in kept])
        fold = np.concatenate([block.fold for block in kept])
        members = self.settings.network.members
        names = [name for name in PARTS if members == 1 or name != "validation"]
        self.parts = {name: self.table.index[part == PARTS.index(name)] for name in names}
        check_enough_rows(self.table, self.source.rows)
        check_parts(self.parts, self.target, self.settings.data.problem)
        self.folds = fold[part == PARTS.index("train")] if members > 1 else None

    def _prepare(self, folder: Path, preprocessor: Preprocessor, target: Target) -> PreparedRows:
        """Write the training rows into the folder; of several processes, only the first on a machine does."""
        two = self.folds is not None
        shape = RowShape(len(preprocessor.inputs), 1 + two, target.problem == "multiclass")
        rows = PreparedRows(folder, self.rows["train"], shape, self.settings.seed, self.device)
        if not is_first_on_machine():
            rows.wait()
            return rows
        with enough_space(rows):
            for block in self.blocks:
                train = block.part == PARTS.index("train")
                values = self.survey.learnt(block.target[train])
                numbers = target.tensor(values, torch.device("cpu")).numpy()
                if two:
                    numbers = np.column_stack([numbers, block.fold[train]])
                features = block.table.loc[train, self.features]
                if len(features) and rows.dealt + len(features) <= rows.rows:
                    rows.add(preprocessor.transform(features), numbers)
        if rows.dealt != rows.rows:
            raise CapstoneError(
                f"The second pass over {self.settings.data.path} gave other rows than the first: let clean() and "
                f"engineer() in {self.place} do the same each time, and let nobody write the table meanwhile."
            )
        rows.finish()
        return rows
