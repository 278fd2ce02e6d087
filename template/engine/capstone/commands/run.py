"""`capstone run`: one run, or one for each of several seeds, printed in words or as JSON lines."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from capstone.commands.options import NameOption, NoteOption, SetOption
from capstone.core.errors import Stopped
from capstone.core.text import say

if TYPE_CHECKING:  # heavy libraries are imported where they are used
    from capstone.core.settings import Settings
    from capstone.pipeline import CapstonePipeline, RunOptions
    from capstone.training.history import Epoch

    Run = Callable[[Settings, Path, RunOptions], dict[str, Any]]


def run(
    quick: Annotated[
        bool, typer.Option("--quick", help="A smoke run: three epochs, to see every step work.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with training that was stopped half way.")
    ] = False,
    json_lines: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, for programs.")
    ] = False,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Run with so many seeds: how much is chance?")
    ] = 1,
    name: NameOption = "",
    note: NoteOption = "",
    set_: SetOption = None,
) -> None:
    """Train, evaluate and save a model: the seven steps, once."""
    from capstone.core.project import find_root
    from capstone.core.settings_file import QUICK, load_settings

    root = find_root()
    # Defaults, then capstone.toml, then --set: the later one counts. What came out is kept with the run, in
    # settings.toml.
    settings = load_settings(root, [*(QUICK if quick else ()), *(set_ or ())])

    several = "TORCHELASTIC_RUN_ID" in os.environ  # torchrun has started several processes
    if several:
        # Read when PyTorch is imported: else each of them warns that the network uses all its weights.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    elif not json_lines:
        say(
            f'Predicting "{settings.data.target}" in {settings.data.path}. Loading the libraries ...'
        )
    # Only now, so that a slip in the settings is named at once: these take seconds.
    from capstone.pipeline import RunOptions
    from capstone.runs.folder import name_the_start

    # "runs/LATEST" to start from is written down as the run that it is today, so that `capstone reproduce` finds it.
    settings, options = name_the_start(settings, root), RunOptions(quick, resume, name, note)
    one_run = run_as_json if json_lines else run_in_words
    if several:
        share_run(settings, root, options, seeds, one_run)
    else:
        run_seeds(settings, root, options, seeds, one_run)


def share_run(
    settings: Settings, root: Path, options: RunOptions, seeds: int, one_run: Run
) -> None:
    """A run for each seed, shared by the processes that torchrun has started."""
    from capstone.streaming.pipeline import reads_in_blocks
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
    """A run for each seed from `settings.seed` on; of several, their mean and spread in one table."""
    from capstone.commands.console import print_json, show_seeds
    from capstone.commands.seeds import FILE, over_seeds
    from capstone.core.files import write_csv

    in_words, results = one_run is run_in_words, []
    # Another seed is another split, other first weights, another order of rows: what differs between these runs is
    # luck.
    for number in range(seeds):
        seed = settings.seed + number
        if seeds > 1 and in_words:
            say()
            say(f"Seed {seed} ({number + 1} of {seeds})")
        results.append(one_run(settings.model_copy(update={"seed": seed}), root, options))
    if seeds == 1:
        return
    table = over_seeds(results)
    target = root / "runs" / FILE
    # Printed first: the runs took long, and the file may be open in another program.
    if in_words:
        say()
        show_seeds(table)
    else:
        print_json({"event": "seeds", "table": table.to_dict("records")})
    write_csv(target, table)
    if in_words:
        say(f"The same as a file, with lowest and highest: {target.relative_to(root)}")


def run_in_words(settings: Settings, root: Path, options: RunOptions) -> dict[str, Any]:
    """One run, printed for people; returns its metrics."""
    from capstone.commands.console import run_progress, show_results, terminal
    from capstone.core.text import verdict_sentence
    from capstone.evaluation.plausibility import doubt_sentence
    from capstone.streaming.pipeline import open_pipeline

    pipeline = open_pipeline(settings, root, options)
    with run_progress(terminal()) as progress:
        pipeline.show = progress.step
        run_pipeline(pipeline, progress.epoch)
    say()
    # Look at the intervals before the scores: where two of them overlap widely, the better score may be luck.
    show_results(pipeline.metrics)
    say(verdict_sentence(pipeline.metrics))
    if options.quick:
        say("This was a quick run, to see that every step works; `capstone run` trains for real.")
    folder = pipeline.folder.relative_to(root)
    say(f"Next: open {folder / 'report.html'} in a browser; all else about the run is beside it.")
    doubt = doubt_sentence(pipeline.metrics, settings.data.target)
    say(f"CAREFUL: {doubt}" if doubt else "Then try its model on a page: `capstone serve`.")
    return pipeline.metrics


def run_as_json(settings: Settings, root: Path, options: RunOptions) -> dict[str, Any]:
    """One run, one JSON object a line; returns its metrics."""
    from capstone.commands.console import epoch_as_json, line_as_json, print_json
    from capstone.streaming.pipeline import open_pipeline

    pipeline = open_pipeline(settings, root, options, say=line_as_json)
    run_pipeline(pipeline, epoch_as_json)
    print_json({"event": "run", "run": pipeline.folder.name, "metrics": pipeline.metrics})
    return pipeline.metrics


def run_pipeline(pipeline: CapstonePipeline, show_epoch: Callable[[Epoch], object]) -> None:
    """The seven steps. What [tracking] asks for is logged on the way."""
    from capstone.commands.tracking import tracking
    from capstone.core.files import check_writable
    from capstone.runs.folder import LATEST, read_run
    from capstone.training.loop import EachEpoch

    # The next stop on the path: pipeline.py, where each of these is a method.
    # Nothing is learned in the first four steps: what they print is worth a look before training takes its time.
    pipeline.load().clean().engineer().split()
    check_writable(pipeline.root / "runs" / LATEST)  # after hours of training it would be too late
    try:
        with tracking(pipeline.settings, pipeline.root, pipeline.say, show_epoch) as logs:
            pipeline.callbacks.append(EachEpoch(logs.epoch))
            # train() learns from one part of the rows and evaluate() asks about another: that is what the split is for.
            pipeline.train().evaluate().save()
            logs.finish(read_run(pipeline.root / "runs", pipeline.folder.name))
    except KeyboardInterrupt:
        raise Stopped(_what_is_kept(pipeline)) from None


def _what_is_kept(pipeline: CapstonePipeline) -> str:
    """The sentence on a run that Ctrl-C has ended."""
    if "save" in pipeline.seconds:
        return (
            f"Stopped. The run was saved before, in {pipeline.folder.relative_to(pipeline.root)}."
        )
    how = "; the same command with --resume goes on with the training that was begun"
    return f"Stopped. No run was saved{how * pipeline.checkpoint.path.is_file()}."


def train_along(settings: Settings, root: Path, options: RunOptions) -> None:
    """What every process but the first does: help to train, print nothing, write nothing."""
    from capstone.streaming.pipeline import open_pipeline

    options = replace(options, keep_checkpoints=False)
    pipeline = open_pipeline(settings, root, options, say=lambda line: None)
    pipeline.load().clean().engineer().split().train()
