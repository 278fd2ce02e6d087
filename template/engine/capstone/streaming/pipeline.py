"""The seven steps over a table that is read in blocks.

The network learns from every training row. What else needs rows (early stopping, baselines, metrics, reasons,
groups) gets a random sample of each part: an ordinary table, on which the steps after training work as on any other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from capstone.core.errors import CapstoneError
from capstone.core.step import step
from capstone.data.kinds import feature_columns
from capstone.data.preprocessing import Preprocessor
from capstone.data.validation import (
    check_columns,
    check_enough_rows,
    check_named_columns,
    check_parts,
)
from capstone.pipeline import CapstonePipeline
from capstone.runs.folder import newest_run
from capstone.streaming.blocks import Block, Blocks
from capstone.streaming.dealing import PARTS
from capstone.streaming.prepared import PreparedRows, enough_space, prepared_folder, writes
from capstone.streaming.source import fingerprint_of, is_streamed, open_source
from capstone.streaming.survey import Survey
from capstone.training.checkpoint import Checkpoint
from capstone.training.devices import card_memory, choose_device
from capstone.training.distributed import Team
from capstone.training.fit import Lesson, lesson_with_folds
from capstone.training.loop import LOSS_FUNCTIONS
from capstone.training.model import Target

TRIED_ON = 20_000  # of them, to choose how numbers are encoded
NOTICE = (
    "clean() and engineer() see {rows:,} rows at a time: what they compare between rows (copies, averages) "
    "stays within those"
)


def open_pipeline(
    *arguments: Any, streamed: bool | None = None, keep_row: str = "", **options: Any
) -> CapstonePipeline:
    """CapstonePipeline(...), or StreamingPipeline(...) for a table that is read in blocks.

    streamed  as it was in an earlier run; None chooses by the table's size
    keep_row  the row with this id or number, to be explained, is in a sample in any case
    """
    pipeline = CapstonePipeline(*arguments, **options)
    data, training = pipeline.settings.data, pipeline.settings.training
    if streamed is None:
        card = card_memory(choose_device(training.device))
        streamed = is_streamed(pipeline.root / data.path, data, card)
        # Several machines may have memory of several sizes: the first process decides for all.
        streamed = bool(Team().agree(torch.tensor(int(streamed))))
    if not streamed:
        return pipeline
    return StreamingPipeline(*arguments, keep_row=keep_row, **options)


class StreamingPipeline(CapstonePipeline):
    """The same chain of steps; the table is never in memory whole."""

    def __init__(self, *arguments: Any, keep_row: str = "", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.keep_row = keep_row

    @step
    def load(self) -> str:
        """Open the table, and look at some of its rows."""
        data = self.settings.data
        path = self.root / data.path
        self.source = open_source(path)
        self.raw = self.source.look()
        named = {
            "[data] target": [data.target],
            "[data] id": [data.id] if data.id else [],
            "[data] leave_out": data.leave_out,
            "[data] sensitive": data.sensitive,
        }
        check_named_columns(self.raw, named, data.path)
        self.raw = self.raw.drop(columns=data.leave_out)
        self.sha256 = fingerprint_of(path)
        self._tell([NOTICE.format(rows=self.source.block_rows)])
        return (
            f"{self.source.rows:,} rows, {len(self.source.names)} columns from {data.path} "
            f"(Parquet, read in blocks); a first look at {len(self.raw):,} rows"
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
            kept.append(self.blocks.sample(block, self.keep_row))
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

    @step
    def train(self) -> str:
        """Write the training rows as numbers, once, then train the network from that file."""
        settings, team = self.settings, Team()
        self.device = choose_device(settings.training.device)
        preprocessor = self.survey.fitted_preprocessor()
        self._tell(preprocessor.notes(self.rows["train"]))
        target = self.survey.fitted_target()
        self.matrices = {part: preprocessor.transform(self._features(part)) for part in self.parts}
        self.unfinished = self.checkpoint() if self.keep_checkpoints else None
        if self.unfinished:
            self._tell(self.unfinished.notes(self.resume, newest_run(self.root / "runs")))
        self._tell(settings.training.notes())
        with prepared_folder(self.root / "runs", team) as folder:
            rows = self._prepare(folder, preprocessor, target)
            team.sum(torch.zeros(1))  # the others wait here until it is written
            return self._learn(preprocessor, target, self._streaming_lesson(target, rows))

    def checkpoint(self) -> Checkpoint:
        """Where unfinished training is kept; it can't go on from one of a table in memory."""
        checkpoint = super().checkpoint()
        checkpoint.identity["read"] = "in blocks"
        return checkpoint

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
        """Write the training rows into the folder; a process that is not the first only learns of it."""
        two = self.folds is not None
        dtype = torch.int64 if target.problem == "multiclass" else torch.float32
        shape = (len(preprocessor.inputs), 1 + two)
        rows = PreparedRows(folder, self.rows["train"], *shape, dtype, self.settings.seed)
        if not writes():
            rows.dealt = rows.rows
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
        return rows

    def _streaming_lesson(self, target: Target, rows: PreparedRows) -> Lesson:
        """Learn from the file; stop by the sample, and choose the encoding on some rows of it."""
        self.loss_function = LOSS_FUNCTIONS[target.problem]()
        sample = self._lesson(target)
        some = slice(TRIED_ON)
        train = self._tensors("train", target)
        train = (train[0][some], train[1][some])
        if self.folds is not None:
            tried = lesson_with_folds(train, self.folds[some], self.loss_function)
        else:
            tried = Lesson(train, sample.validation, self.loss_function)
        stand_ins = rows.stand_ins(self.device)
        return Lesson(
            stand_ins, sample.validation, sample.loss_function, sample.members, rows.batches, tried
        )
