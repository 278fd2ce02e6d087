"""`capstone run`: one run, or one for each of several seeds, printed in words or as JSON lines."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from capstone.commands.console import (
    epoch_as_json,
    line_as_json,
    print_json,
    results_table,
    seeds_table,
    training_progress,
)
from capstone.commands.seeds import FILE, over_seeds
from capstone.commands.tracking import tracking
from capstone.core.files import write_csv
from capstone.core.settings import Settings
from capstone.core.text import verdict_sentence
from capstone.pipeline import CapstonePipeline, RunOptions
from capstone.runs.folder import name_the_start, read_run
from capstone.streaming.pipeline import open_pipeline, reads_in_blocks
from capstone.training.history import Epoch
from capstone.training.loop import EachEpoch

Run = Callable[[Settings, Path, RunOptions], dict[str, Any]]


def run(settings: Settings, root: Path, options: RunOptions, seeds: int, as_json: bool) -> None:
    """A run for each seed from `settings.seed` on; where torchrun has started several processes, they share it."""
    settings = name_the_start(settings, root)
    one_run = run_as_json if as_json else run_in_words
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        run_seeds(settings, root, options, seeds, one_run)
        return
    from capstone.training.distributed import DistributedTrainer, agree, joined

    with joined(settings.training.device) as rank:
        # Several machines may have memory of several sizes: the first process decides for all.
        streamed = agree(reads_in_blocks(settings, root))
        options = replace(options, trainer=DistributedTrainer, streamed=streamed)
        if rank == 0:
            run_seeds(settings, root, options, seeds, one_run)
        else:
            for seed in range(settings.seed, settings.seed + seeds):
                train_along(settings.model_copy(update={"seed": seed}), root, options)


def run_seeds(
    settings: Settings, root: Path, options: RunOptions, seeds: int, one_run: Run
) -> None:
    """A run for each seed; of several, their mean and spread in one table."""
    in_words, results = one_run is run_in_words, []
    for number in range(seeds):
        seed = settings.seed + number
        if seeds > 1 and in_words:
            print(f"\nSeed {seed} ({number + 1} of {seeds})")
        results.append(one_run(settings.model_copy(update={"seed": seed}), root, options))
    if seeds == 1:
        return
    table = over_seeds(results)
    target = root / "runs" / FILE
    write_csv(target, table)
    if in_words:
        print()
        Console().print(seeds_table(table))
        print(f"The same as a file, with lowest and highest: {target.relative_to(root)}")
    else:
        print_json({"event": "seeds", "table": table.to_dict("records")})


def run_in_words(settings: Settings, root: Path, options: RunOptions) -> dict[str, Any]:
    """One run, printed for people; returns its metrics."""
    console = Console()
    pipeline = open_pipeline(settings, root, options)
    with training_progress(console) as show_epoch:
        run_pipeline(pipeline, show_epoch)
    console.print()
    console.print(results_table(pipeline.metrics))
    print(verdict_sentence(pipeline.metrics))
    if options.quick:
        print("This was a quick run, to see that every step works; `capstone run` trains for real.")
    folder = pipeline.folder.relative_to(root)
    print(f"Open {folder / 'report.html'} in a browser; everything about this run is beside it.")
    print("Try its model on a page: `capstone serve`.")
    return pipeline.metrics


def run_as_json(settings: Settings, root: Path, options: RunOptions) -> dict[str, Any]:
    """One run, one JSON object a line; returns its metrics."""
    pipeline = open_pipeline(settings, root, options, say=line_as_json)
    run_pipeline(pipeline, epoch_as_json)
    print_json({"event": "run", "run": pipeline.folder.name, "metrics": pipeline.metrics})
    return pipeline.metrics


def run_pipeline(pipeline: CapstonePipeline, show_epoch: Callable[[Epoch], object]) -> None:
    """The seven steps. What [tracking] asks for is logged on the way."""
    pipeline.load().clean().engineer().split()
    with tracking(pipeline.settings, pipeline.root, pipeline.say, show_epoch) as logs:
        pipeline.callbacks.append(EachEpoch(logs.epoch))
        pipeline.train().evaluate().save()
        logs.finish(read_run(pipeline.root / "runs", pipeline.folder.name))


def train_along(settings: Settings, root: Path, options: RunOptions) -> None:
    """What every process but the first does: help to train, print nothing, write nothing."""
    options = replace(options, keep_checkpoints=False)
    pipeline = open_pipeline(settings, root, options, say=lambda line: None)
    pipeline.load().clean().engineer().split().train()
