"""What `capstone run` does: one run, or one for each of several seeds, told in words or as JSON lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from capstone.commands.console import (
    epoch_as_json,
    print_json,
    results_table,
    said_as_json,
    seeds_table,
    training_progress,
)
from capstone.commands.seeds import FILE, over_seeds
from capstone.commands.tracking import tracking
from capstone.core.files import write_csv
from capstone.core.settings import Settings
from capstone.core.text import verdict_sentence
from capstone.pipeline import CapstonePipeline
from capstone.runs.folder import read_run
from capstone.streaming.pipeline import open_pipeline
from capstone.training.distributed import joined
from capstone.training.loop import Epoch
from capstone.training.transfer import name_the_start


def run_as_json(settings: Settings, root: Path, quick: bool, resume: bool) -> dict[str, Any]:
    """One run, one JSON object a line; returns its metrics."""
    pipeline = open_pipeline(settings, root, quick, resume, say=said_as_json)
    run_and_log(pipeline, epoch_as_json)
    print_json({"event": "run", "run": pipeline.folder.name, "metrics": pipeline.metrics})
    return pipeline.metrics


def run_in_words(settings: Settings, root: Path, quick: bool, resume: bool) -> dict[str, Any]:
    """One run, told in the terminal; returns its metrics."""
    console = Console()
    pipeline = open_pipeline(settings, root, quick, resume)
    with training_progress(console) as on_epoch:
        run_and_log(pipeline, on_epoch)
    console.print()
    console.print(results_table(pipeline.metrics))
    print(verdict_sentence(pipeline.metrics))
    if quick:
        print(
            "This was a quick run, to see that every step works; `capstone run` learns in earnest."
        )
    folder = pipeline.folder.relative_to(root)
    print(f"Open {folder / 'report.html'} in a browser; everything about this run is beside it.")
    print("Try its model on a page: `capstone serve`.")
    return pipeline.metrics


def train_along(settings: Settings, root: Path, quick: bool, resume: bool) -> dict[str, Any]:
    """What every process but the first does: help to train, say nothing, write nothing."""
    pipeline = open_pipeline(settings, root, quick, resume, say=lambda said: None)
    pipeline.load().clean().engineer().split().train()
    return {}


def run_and_log(pipeline: CapstonePipeline, on_epoch: Callable[[Epoch], None]) -> None:
    """The seven steps; what is tracked elsewhere is told as it happens."""
    pipeline.load().clean().engineer().split()
    with tracking(pipeline.settings, pipeline.root, pipeline.say, on_epoch) as logs:
        pipeline.on_epoch = logs.epoch
        pipeline.train().evaluate().save()
        logs.finish(read_run(pipeline.root / "runs", pipeline.folder.name))


def run_seeds(
    settings: Settings, root: Path, quick: bool, resume: bool, as_json: bool, seeds: int
) -> None:
    """A run for each seed from `settings.seed` on; of several, their mean and spread in one table."""
    results = []
    settings = name_the_start(settings, root)
    with joined(settings.training.device) as team:
        tells = team.rank == 0
        run = (run_as_json if as_json else run_in_words) if tells else train_along
        for number in range(seeds):
            its = settings.model_copy(update={"seed": settings.seed + number})
            if seeds > 1 and tells and not as_json:
                print(f"\nSeed {its.seed} ({number + 1} of {seeds})")
            results.append(run(its, root, quick, resume))
    if seeds == 1 or not tells:
        return
    table = over_seeds(results)
    target = root / "runs" / FILE
    write_csv(target, table)
    if as_json:
        print_json({"event": "seeds", "table": table.to_dict("records")})
    else:
        print()
        Console().print(seeds_table(table))
        print(f"The same as a file, with lowest and highest: {target.relative_to(root)}")
