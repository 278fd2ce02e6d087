"""Tables larger than memory, beside peers: `nox -s bench -- streaming [--quick] [--rows N] [--json FILE]`.

A Parquet file of 20 columns of numbers is made on the fly. A project of the template trains on it in blocks, from the
first step to the last, in a process of its own. README.md beside this file says how to read the table.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "template" / "engine"))

import copier
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from capstone.core.settings import Training
from capstone.core.settings_file import load_settings
from capstone.pipeline import CapstonePipeline, RunOptions
from capstone.streaming.pipeline import open_pipeline
from capstone.training.batches import Batch
from capstone.training.devices import use_threads_for
from capstone.training.history import Epoch
from capstone.training.loop import Trainer

ROOT = Path(__file__).resolve().parents[1]
COLUMNS, BATCH, GROUP = 20, 1_024, 131_072
FASTEST, MOST_MEMORY = 1_000_000, 500  # goals: rows a second, and megabytes above imports
PEER_ROWS = 1_000_000  # of the table that the peers learn from, at most
NAMES = [f"x{number}" for number in range(COLUMNS)]


def make_file(path: Path, rows: int) -> None:
    """A table whose target depends on three of its columns, sorted by a fourth as real ones often are."""
    schema = pa.schema([(name, pa.float32()) for name in [*NAMES, "y"]])
    chance = np.random.default_rng(0)
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for first in range(0, rows, GROUP):
            count = min(GROUP, rows - first)
            inputs = chance.standard_normal((COLUMNS, count), dtype=np.float32)
            inputs[3] = np.linspace(first / rows, (first + count) / rows, count)
            target = inputs[0] * inputs[1] + inputs[2] + inputs[3]
            writer.write_table(pa.Table.from_arrays([*inputs, target], schema=schema))


class Peak:
    """The most memory that this process holds while the block lasts, above what it held before, in MB."""

    def __enter__(self) -> Peak:
        self.before = self.most = psutil.Process().memory_info().rss
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self._watch)
        self.watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.watcher.join()

    @property
    def megabytes(self) -> float:
        """What was reached."""
        return (self.most - self.before) / 1e6

    def _watch(self) -> None:
        process = psutil.Process()
        while not self.over.wait(0.01):
            self.most = max(self.most, process.memory_info().rss)


class Clock:
    """A callback that notes each epoch's rows per second: by the wall, and by the learning thread's own seconds."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.found: list[dict[str, float]] = []
        self.restart()

    def restart(self) -> None:
        """An epoch begins."""
        self.then = (time.perf_counter(), time.thread_time(), time.process_time())

    def on_fit_begin(self, trainer: Trainer) -> None:
        """What is done before the first epoch is no part of it."""
        self.restart()

    def on_epoch_end(self, trainer: Trainer, epoch: Epoch) -> None:
        """An epoch has ended."""
        self.stop()

    def stop(self) -> None:
        """An epoch has ended, and another one begins."""
        now = (time.perf_counter(), time.thread_time(), time.process_time())
        spent = [after - before for after, before in zip(now, self.then, strict=True)]
        rates = [self.rows / seconds for seconds in spent]
        self.found.append(dict(zip(("wall", "thread", "process"), rates, strict=True)))
        self.restart()


# ---- Each in a process of its own ---------------------------------------------------------------------


def streamed(project: Path, rows: int, epochs: int, members: int) -> dict[str, Any]:
    """A run in blocks, from load to save."""
    import capstone.evaluation.fairness
    import capstone.evaluation.mitigation
    import capstone.reporting.report.report  # so that what they take counts among the imports  # noqa: F401

    settings = load_settings(project, changes(epochs, members, "always"))
    pipeline = open_pipeline(settings, project)
    with Peak() as peak:
        clock = train_with_clock(pipeline, rows)
        pipeline.evaluate().save()
    return {"seconds": pipeline.seconds, "epochs": clock.found, "megabytes": peak.megabytes}


def in_memory(project: Path, rows: int, epochs: int, members: int) -> dict[str, Any]:
    """The same steps on a table read whole, up to the end of training."""
    settings = load_settings(project, changes(epochs, members, "never"))
    pipeline = CapstonePipeline(settings, project, RunOptions(keep_checkpoints=False))
    with Peak() as peak:
        clock = train_with_clock(pipeline, rows)
    return {"seconds": pipeline.seconds, "epochs": clock.found, "megabytes": peak.megabytes}


def data_loader(project: Path, rows: int, epochs: int, _: int) -> dict[str, Any]:
    """torch's DataLoader over pyarrow's batches, the chapter's loop: whole batches, in the file's order."""
    path = project / "data" / "raw" / "rows.parquet"

    class Batches(IterableDataset[tuple[Tensor, Tensor]]):
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            for batch in pq.ParquetFile(path).iter_batches(BATCH):
                columns = np.column_stack([column.to_numpy() for column in batch.columns])
                numbers = torch.from_numpy(columns)
                yield numbers[:, :COLUMNS], numbers[:, COLUMNS]

    network, loss_function = chapters_network(project), nn.MSELoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
    use_threads_for(BATCH)
    with Peak() as peak:
        clock = Clock(rows)
        for _ in range(epochs):
            for inputs, targets in DataLoader(Batches(), batch_size=None):
                optimizer.zero_grad()
                loss = loss_function(network(inputs).squeeze(1), targets)
                loss.backward()
                optimizer.step()
            clock.stop()
    return {"epochs": clock.found, "megabytes": peak.megabytes}


def limit(project: Path, rows: int, epochs: int, _: int) -> dict[str, Any]:
    """Our loop on batches that lie ready: the same rows each time, neither read nor shuffled."""
    ready = ReadyRows(rows)
    trainer = Trainer(chapters_network(project), nn.MSELoss(), Training(), seed=0)
    trainer.batch_size = BATCH
    use_threads_for(BATCH)
    clock = Clock(rows)
    for _ in range(epochs):
        trainer.train_epoch(ready)
        clock.stop()
    return {"epochs": clock.found, "megabytes": 0.0}


class ReadyRows:
    """Rows that need no reading: one batch that lies ready, again and again."""

    device = torch.device("cpu")

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.batch = torch.randn(BATCH, COLUMNS), torch.randn(BATCH)

    def __len__(self) -> int:
        return self.rows

    def make_batches(self, batch_size: int) -> Iterator[Batch]:
        """As many as it takes to learn from all rows."""
        yield from [self.batch] * (self.rows // batch_size)


PEERS: dict[str, Callable[[Path, int, int, int], dict[str, Any]]] = {
    "capstone, in blocks": streamed,
    "capstone, in memory": in_memory,
    "DataLoader over pyarrow": data_loader,
    "limit: no reading at all": limit,
}


def changes(epochs: int, members: int, streaming: str) -> list[str]:
    """What is set otherwise than in capstone.toml."""
    return [
        f"training.epochs={epochs}",
        f"training.batch_size={BATCH}",
        f"network.members={members}",
        "preprocessing.numbers=plain",
        f"data.streaming={streaming}",
        "evaluation.bootstrap=100",
        "evaluation.explained_rows=50",
    ]


def train_with_clock(pipeline: CapstonePipeline, rows: int) -> Clock:
    """The first five steps; the rows of the training part count, as often as they are learnt from."""
    pipeline.say = lambda said: None
    pipeline.load().clean().engineer().split()
    share = 1 - pipeline.settings.split.test
    if pipeline.settings.network.members == 1:
        share -= pipeline.settings.split.validation
    clock = Clock(round(rows * share))
    pipeline.callbacks.append(clock)
    pipeline.train()
    return clock


def chapters_network(project: Path) -> nn.Module:
    """The project's NeuralNetwork."""
    path = next(project.glob("src/*/network.py"))
    spec = importlib.util.spec_from_file_location("network", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.NeuralNetwork(COLUMNS, 1, (64, 32), "silu")


# ---- The table ------------------------------------------------------------------------------------------


def measure(name: str, project: Path, rows: int, epochs: int, members: int) -> dict[str, Any]:
    """One peer in a process of its own."""
    command = [sys.executable, __file__, "--one", name, str(project), f"--rows={rows}"]
    command += [f"--epochs={epochs}", f"--members={members}"]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(project / "engine"), str(project / "src")]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def line(name: str, rows: int, members: int, found: dict[str, Any]) -> str:
    """One line of the table: the median epoch but the first."""
    epochs = found["epochs"][1:] or found["epochs"]
    rates = [statistics.median(epoch[kind] for epoch in epochs) for kind in ("wall", "thread")]
    said = " | ".join(f"{rate:,.0f}" for rate in rates)
    before = sum(found.get("seconds", {}).get(step, 0.0) for step in ("load", "split"))
    return f"| {name} | {rows:,} | {members} | {said} | {found['megabytes']:,.0f} | {before:,.1f} |"


def goals(rows: int, found: dict[str, Any]) -> list[tuple[str, str]]:
    """The goals for one network, each with its verdict."""
    epochs = found["epochs"][1:] or found["epochs"]
    wall, thread = (
        statistics.median(epoch[kind] for epoch in epochs) for kind in ("wall", "thread")
    )
    fast = {wall >= FASTEST, thread >= FASTEST}
    verdict = "undecided" if len(fast) == 2 else "met" if fast.pop() else "MISSED"
    megabytes = found["megabytes"]
    return [
        (
            f"{rows:,} rows: {FASTEST:,} rows/s at batch {BATCH:,} (is {wall:,.0f}; by seconds of the learning "
            f"thread {thread:,.0f})",
            verdict,
        ),
        (
            f"{rows:,} rows: under {MOST_MEMORY} MB above imports, load to save (is {megabytes:,.0f})",
            "met" if megabytes < MOST_MEMORY else "MISSED",
        ),
    ]


def main() -> None:
    """Measure, print, and keep as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a million rows alone")
    parser.add_argument("--rows", type=int, help="how many rows at most; else 20 million")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every figure here")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)  # for the tests
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--epochs", type=int, default=4, help="how often all rows are learnt from")
    parser.add_argument("--members", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, project = options.one
        work = PEERS[name](Path(project), options.rows, options.epochs, options.members)
        print(json.dumps(work))
        return
    warnings.filterwarnings("ignore", module="copier")
    most = options.rows or (5_000 if options.tiny else PEER_ROWS if options.quick else 20_000_000)
    small = min(most, PEER_ROWS)
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}")
    print(f"\n20 numbers a row, network 20-64-32-1, batch {BATCH:,}\n")
    print(
        "| | rows | networks | rows/s | by CPU of the learning thread | MB above imports | s before training |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    kept: dict[str, Any] = {"torch": torch.__version__, "peers": [], "goals": []}
    runs = [(name, small, 1) for name in PEERS] + [("capstone, in blocks", small, 8)]
    runs += [("capstone, in blocks", most, 1)] * (most > small)
    verdicts = []
    with tempfile.TemporaryDirectory(dir=".") as folder:
        project = Path(folder).resolve() / "project"
        answers = {"data_source": "own", "target_column": "y", "data_path": "data/raw/rows.parquet"}
        copier.run_copy(str(ROOT), project, answers, defaults=True, quiet=True, vcs_ref="HEAD")
        path = project / "data" / "raw" / "rows.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        made = 0
        for name, rows, members in runs:
            if rows != made:
                make_file(path, rows)
                made = rows
            epochs = 2 if rows > small else options.epochs
            found = measure(name, project, rows, epochs, members)
            print(line(name, rows, members, found), flush=True)
            kept["peers"].append({"name": name, "rows": rows, "members": members, **found})
            if name == "capstone, in blocks" and members == 1:
                verdicts += goals(rows, found)
    print("\nGoals")
    for goal, said in verdicts:
        print(f"- {said:<9} {goal}")
    kept["goals"] = [{"goal": goal, "verdict": said} for goal, said in verdicts]
    print(f"Load at the end: {psutil.getloadavg()[0]:.1f}")
    if options.json:
        options.json.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
