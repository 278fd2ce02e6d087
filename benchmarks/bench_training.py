"""How fast the training loop is, beside its peers: `nox -s bench -- training [--quick] [--json FILE]`.

Every peer trains the chapter's network (20-64-32-1) on the same numbers, with the same batch size and
the same number of threads. README.md beside this file says how to read the table.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import logging
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "template" / "engine"))

import psutil
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from capstone.core.settings import Training
from capstone.training.batches import TrainingRows
from capstone.training.devices import matrix_products as rounded_products
from capstone.training.devices import use_threads_for
from capstone.training.ensemble import build_ensemble
from capstone.training.loop import Trainer
from capstone.training.seed import set_seed
from capstone.training.training_data import data_for_ensemble, data_for_one

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = 20
HIDDEN = (64, 32)
LEARNING_RATE = 0.001
SIZES = [(1_000, 32), (100_000, 32), (100_000, 256), (1_000_000, 4_096)]
GOALS = {32: 1.8, 256: 3.5, 4_096: 17.0}  # times the DataLoader loop, by batch size
AHEAD_FROM = 256  # the batch size from which on no peer may be quicker
ENGINE, CHAPTER, LIMIT = "capstone", "DataLoader loop", "limit: matrix products alone"
MEMBERS = 8
EIGHT = f"capstone, {MEMBERS} members"


class Cost(NamedTuple):
    """What one epoch took."""

    wall: float
    cpu: float


Epoch = Callable[[], Cost]  # trains one epoch and says what it took
Peer = Callable[[Tensor, Tensor, int], Epoch]  # inputs, targets, batch size; sets up, untimed


def clock() -> Cost:
    """Now, on the wall and in this process's CPU time."""
    return Cost(time.perf_counter(), time.process_time())


def since(start: Cost) -> Cost:
    """What has passed since then."""
    now = clock()
    return Cost(now.wall - start.wall, now.cpu - start.cpu)


def timed(work: Callable[[], object]) -> Epoch:
    """The work, with a clock around it."""

    def epoch() -> Cost:
        start = clock()
        work()
        return since(start)

    return epoch


@functools.cache
def student_class() -> Callable[..., nn.Module]:
    """The student's NeuralNetwork, from the template as it lies here."""
    path = ROOT / "template" / "src" / "{{package_name}}" / "network.py"
    spec = importlib.util.spec_from_file_location("network", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.NeuralNetwork


def make_network() -> nn.Module:
    """A new network of the chapter's size."""
    return student_class()(COLUMNS, 1, HIDDEN)


def make_table(rows: int) -> tuple[Tensor, Tensor]:
    """Random inputs, and a target that depends on two of them."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(rows, COLUMNS, generator=generator)
    return inputs, inputs[:, 0] * inputs[:, 1]


# ---- The peers ------------------------------------------------------------------------------------


def capstone_engine(inputs: Tensor, targets: Tensor, size: int) -> Epoch:
    """Our own loop, as `capstone run` calls it."""
    trainer, rows = make_trainer(inputs, targets, size, members=1)
    return timed(lambda: trainer.train_epoch(rows))


def members_engine(inputs: Tensor, targets: Tensor, size: int) -> Epoch:
    """Our loop with the default's eight networks, which all learn from each row but those of their fold."""
    trainer, rows = make_trainer(inputs, targets, size, MEMBERS)
    return timed(lambda: trainer.train_epoch(rows))


def make_trainer(
    inputs: Tensor, targets: Tensor, size: int, members: int, precision: str = "float32"
) -> tuple[Trainer, TrainingRows]:
    """So many networks side by side, with a fold of the rows for each, as `capstone run` makes them."""
    model = build_ensemble([make_network() for _ in range(members)], COLUMNS).to(inputs.device)
    if members == 1:
        data = data_for_one((inputs, targets), (inputs, targets), "regression")
    else:
        folds = torch.arange(len(inputs)).numpy() % members
        data = data_for_ensemble((inputs, targets), folds, "regression")
    settings = Training.model_validate({"batch_size": size, "precision": precision})
    trainer = Trainer(model, data.criterion, settings, seed=0)
    trainer.batch_size = size
    return trainer, data.train


def loader_of(inputs: Tensor, targets: Tensor, size: int) -> DataLoader[tuple[Tensor, ...]]:
    """What the chapter and every peer but scikit-learn reads from."""
    return DataLoader(TensorDataset(inputs, targets), batch_size=size, shuffle=True)


def dataloader_loop(inputs: Tensor, targets: Tensor, size: int) -> Epoch:
    """The chapter's loop to the letter."""
    loader = loader_of(inputs, targets, size)
    return chapter_epoch(make_network(), lambda: loader)


def chapter_epoch(network: nn.Module, load: Callable[[], Iterable[Sequence[Tensor]]]) -> Epoch:
    """The chapter's loop over the batches that `load` gives for each epoch."""
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)

    def epoch() -> None:
        network.train()
        total = 0.0
        for batch_inputs, batch_targets in load():
            optimizer.zero_grad()
            outputs = network(batch_inputs).squeeze(-1)
            loss = criterion(outputs, batch_targets)
            loss.backward()
            optimizer.step()
            total += loss.item()

    return timed(epoch)


def default_threads(inputs: Tensor, targets: Tensor, size: int) -> Epoch:
    """The chapter's loop with torch's own choice of threads: one for each core."""
    epoch = dataloader_loop(inputs, targets, size)

    def with_all_cores() -> Cost:
        before = torch.get_num_threads()
        torch.set_num_threads(os.cpu_count() or 1)
        try:
            return epoch()
        finally:
            torch.set_num_threads(before)

    return with_all_cores


def skorch(inputs: Tensor, targets: Tensor, size: int) -> Epoch:
    """skorch without a validation part and without printing."""
    from skorch import NeuralNetRegressor

    model = NeuralNetRegressor(
        make_network(),
        optimizer=torch.optim.Adam,
        lr=LEARNING_RATE,
        batch_size=size,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        max_epochs=1,
    ).initialize()
    return timed(lambda: model.partial_fit(inputs, targets[:, None]))


def lightning_trainer(inputs: Tensor, targets: Tensor, size: int) -> Epoch:
    """Lightning's Trainer, everything optional off; only the epoch is timed, not the set-up of fit."""
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    loader = loader_of(inputs, targets, size)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.criterion = make_network(), nn.MSELoss()
            self.cost = self.started = Cost(0, 0)

        def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
            batch_inputs, batch_targets = batch
            return self.criterion(self.network(batch_inputs).squeeze(-1), batch_targets)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=LEARNING_RATE)

        def on_train_epoch_start(self) -> None:
            self.started = clock()

        def on_train_epoch_end(self) -> None:
            self.cost = since(self.started)

    module = Module()

    def epoch() -> Cost:
        trainer = lightning.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, loader)
        return module.cost

    return epoch


def five_steps(
    network: nn.Module,
    optimizer: Any,
    loader: Any,
    backward: Callable[[Tensor], object],
) -> Epoch:
    """The loop of Fabric and of accelerate: the chapter's, with their backward pass."""
    criterion = nn.MSELoss()

    def epoch() -> None:
        network.train()
        for batch_inputs, batch_targets in loader:
            optimizer.zero_grad()
            outputs = network(batch_inputs).squeeze(-1)
            loss = criterion(outputs, batch_targets)
            backward(loss)
            optimizer.step()

    return timed(epoch)


def lightning_fabric(inputs: Tensor, targets: Tensor, size: int) -> Epoch:
    """Lightning Fabric."""
    from lightning import Fabric

    fabric = Fabric(accelerator="cpu", devices=1)
    plain = make_network()
    network, optimizer = fabric.setup(plain, torch.optim.Adam(plain.parameters(), lr=LEARNING_RATE))
    loader = fabric.setup_dataloaders(loader_of(inputs, targets, size))
    return five_steps(network, optimizer, loader, fabric.backward)


def accelerate(inputs: Tensor, targets: Tensor, size: int) -> Epoch:
    """Hugging Face's accelerate."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    plain = make_network()
    network, optimizer, loader = accelerator.prepare(
        plain,
        torch.optim.Adam(plain.parameters(), lr=LEARNING_RATE),
        loader_of(inputs, targets, size),
    )
    return five_steps(network, optimizer, loader, accelerator.backward)


def scikit_learn(inputs: Tensor, targets: Tensor, size: int) -> Epoch:
    """scikit-learn's MLPRegressor, in float32 like the others."""
    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(
        hidden_layer_sizes=HIDDEN,
        batch_size=size,
        max_iter=1,
        warm_start=True,
        learning_rate_init=LEARNING_RATE,
    )
    x, y = inputs.numpy(), targets.numpy()

    def epoch() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that one epoch is too few
            model.fit(x, y)

    return timed(epoch)


@torch.inference_mode()
def matrix_products(inputs: Tensor, targets: Tensor, size: int) -> Epoch:
    """The eight matrix products of a step, forward and backward, and nothing else. No loop is faster."""
    widths = [COLUMNS, *HIDDEN, 1]
    weights = [torch.randn(a, b) / a for a, b in pairwise(widths)]

    def epoch() -> None:
        for batch in inputs.split(size):
            layers = [batch]
            for weight in weights:
                layers.append(layers[-1] @ weight)
            gradient = layers.pop()
            for layer, weight in zip(reversed(layers), reversed(weights), strict=True):
                layer.T @ gradient  # the gradient of the weights
                if layer is not batch:
                    gradient = gradient @ weight.T

    return timed(torch.inference_mode()(epoch))


PEERS: dict[str, Peer] = {
    CHAPTER: dataloader_loop,
    ENGINE: capstone_engine,
    EIGHT: members_engine,
    "skorch": skorch,
    "Lightning Trainer": lightning_trainer,
    "Lightning Fabric": lightning_fabric,
    "accelerate": accelerate,
    "scikit-learn MLP": scikit_learn,
    LIMIT: matrix_products,
    "DataLoader, a thread per core": default_threads,
}
LIBRARIES = {
    "skorch": "skorch",
    "Lightning Trainer": "lightning",
    "Lightning Fabric": "lightning",
    "accelerate": "accelerate",
}
MISSING = [name for name, library in LIBRARIES.items() if not importlib.util.find_spec(library)]
HERE = [name for name in PEERS if name not in MISSING]
RIVALS = [name for name in HERE if name not in (ENGINE, EIGHT, LIMIT)]


# ---- Measuring ------------------------------------------------------------------------------------


@dataclass
class Measured:
    """One peer at one size: a rate for each repetition."""

    peer: str
    rows: int  # how many of the table's rows it trained on
    epochs: int  # how many times, in each repetition
    wall: list[float]  # samples per second
    cpu: list[float]  # samples per CPU second

    @property
    def rate(self) -> float:
        return statistics.median(self.wall)


def measure_size(rows: int, size: int, repetitions: int, seconds: float) -> list[Measured]:
    """Samples per second of every peer, the peers taking turns. Each gets about so many seconds."""
    use_threads_for(size)
    inputs, targets = make_table(rows)
    with threadpool_limits(torch.get_num_threads()):  # scikit-learn's threads
        found = [fit_into(name, inputs, targets, size, seconds) for name in HERE]
        epochs = {
            one.peer: PEERS[one.peer](inputs[: one.rows], targets[: one.rows], size)
            for one in found
        }
        for epoch in epochs.values():
            epoch()  # warms up
        for turn in range(repetitions):
            start = turn * 2 % len(found)
            for one in found[start:] + found[:start]:
                costs = [epochs[one.peer]() for _ in range(one.epochs)]
                trained = one.rows * one.epochs
                one.wall.append(trained / sum(cost.wall for cost in costs))
                one.cpu.append(trained / max(sum(cost.cpu for cost in costs), 1e-9))
    return found


def fit_into(name: str, inputs: Tensor, targets: Tensor, size: int, seconds: float) -> Measured:
    """How many rows and epochs this peer manages in the time: a slow one gets a part of the table."""
    probe = min(8 * size, len(inputs))
    epoch = PEERS[name](inputs[:probe], targets[:probe], size)
    epoch()  # warms up
    affordable = int(probe * seconds / epoch().wall)
    rows = min(max(affordable // size, 8) * size, len(inputs))
    return Measured(name, rows, max(affordable // rows, 1), [], [])


def measure_start() -> list[float]:
    """Seconds from the start of a new process until 1,000 rows have been trained on once."""

    def once() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, __file__, "--one-epoch", "1000"], check=True)
        return time.perf_counter() - start

    return [once() for _ in range(3)]


def one_epoch(rows: int, size: int) -> Cost:
    """One epoch of our loop."""
    use_threads_for(size)
    return capstone_engine(*make_table(rows), size)()


def measure_growth(most: int) -> Iterator[tuple[int, Cost, float]]:
    """For more and more rows: one epoch at batch 4,096, and the bytes of memory per row it added."""
    rows = 1_000
    one_epoch(rows, 4_096)  # warms up
    while rows <= most:
        before = psutil.Process().memory_info().rss
        inputs, targets = make_table(rows)
        cost = capstone_engine(inputs, targets, 4_096)()
        yield rows, cost, (psutil.Process().memory_info().rss - before) / rows
        del inputs, targets
        rows *= 10


# ---- Graphics cards ------------------------------------------------------------------------------


def measure_card(seconds: float = 1.0) -> Iterator[str]:
    """Rows per second on this machine's graphics card: the chapter's loop, ours, and ours in each precision."""
    card = torch.accelerator.current_accelerator(check_available=True)
    if card is None:
        yield "No graphics card on this machine: that part is left out."
        return
    set_seed(0)  # as `capstone run` does: CUDA is told to repeat itself
    name = torch.cuda.get_device_name() if card.type == "cuda" else card.type
    yield f"\n{name}, torch {torch.__version__}\n"
    yield "| rows, batch | loop | members | precision | rows/s | times the DataLoader loop |"
    yield "|---|---|---:|---|---:|---:|"
    for rows, size in ((10_000, 256), (100_000, 256), (1_000_000, 4_096)):
        few = make_table(min(rows, 40 * size))
        chapter = card_rate(chapter_on(card, few, size), len(few[0]), seconds)
        yield f"| {rows:,}, {size:,} | {CHAPTER} | 1 | float32 | {chapter:,.0f} | 1 |"
        on_card = [its.to(card) for its in make_table(rows)]
        kinds = [("plain", "float32"), *((ENGINE, its) for its in ("float32", "tf32", "bf16"))]
        for members, (loop, precision) in product((1, MEMBERS), kinds):
            inputs, targets = on_card
            trainer, train = make_trainer(inputs, targets, size, members, precision)
            if loop == "plain":
                trainer.take_step = trainer.train_step
            with rounded_products(precision, card):
                rate = card_rate(functools.partial(trainer.train_epoch, train), rows, seconds)
            yield (
                f"| {rows:,}, {size:,} | {loop} | {members} | {precision} | {rate:,.0f} | {rate / chapter:.1f} |"
            )


def chapter_on(card: torch.device, table: tuple[Tensor, Tensor], size: int) -> Epoch:
    """The chapter's loop on a card: each batch is moved there when its turn comes."""

    loader = loader_of(*table, size)

    def load() -> Iterator[list[Tensor]]:
        for batch in loader:
            yield [its.to(card) for its in batch]

    return chapter_epoch(make_network().to(card), load)


def card_rate(epoch: Callable[[], object], rows: int, seconds: float) -> float:
    """Rows per second. An epoch ends by reading its loss, so the card is done; the first only warms up."""
    epoch()
    start, epochs = clock(), 0
    while since(start).wall < seconds:
        epoch()
        epochs += 1
    return epochs * rows / since(start).wall


# ---- Saying it ------------------------------------------------------------------------------------


def ratios(found: list[Measured], by: str = "wall") -> dict[str, float]:
    """Median rate of each peer, as a multiple of the chapter's loop; by wall or CPU seconds."""
    rates = {one.peer: statistics.median(getattr(one, by)) for one in found}
    return {peer: rate / rates[CHAPTER] for peer, rate in rates.items()}


def size_table(rows: int, size: int, found: list[Measured]) -> list[str]:
    """One size as a Markdown table."""
    ratio, by_cpu = ratios(found), ratios(found, "cpu")
    base = next(one.rate for one in found if one.peer == CHAPTER)
    lines = [
        f"\n{rows:,} rows, batch {size:,}, {torch.get_num_threads()} thread(s)\n",
        "| peer | rows/s | times the DataLoader loop | from - to | by CPU seconds | rows measured |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for one in sorted(found, key=lambda one: one.rate, reverse=True):
        low, high = min(one.wall) / base, max(one.wall) / base
        part = f"{one.rows:,} x {one.epochs}"
        lines.append(
            f"| {one.peer} | {one.rate:,.0f} | {ratio[one.peer]:.2f} | {low:.2f} - {high:.2f} "
            f"| {by_cpu[one.peer]:.2f} | {part} |"
        )
    return lines


def verdict(by_wall: bool, by_cpu: bool) -> str:
    """Met or missed when both clocks say so; else the machine was too busy to tell."""
    if by_wall != by_cpu:
        return "UNDECIDED"
    return "met" if by_wall else "MISSED"


def goals(rows: int, size: int, found: list[Measured]) -> list[tuple[str, str]]:
    """The goals of this size, each with its verdict."""
    wall, cpu = ratios(found), ratios(found, "cpu")
    rival, by_cpu = max(RIVALS, key=wall.__getitem__), max(cpu[name] for name in RIVALS)
    where, goal = f"{rows:,} rows, batch {size:,}", GOALS[size]
    ours = f"is {wall[ENGINE]:.2f}, by CPU seconds {cpu[ENGINE]:.2f}"
    share = f"{wall[ENGINE] / wall[LIMIT]:.0%} of the limit"
    loop = (
        f"{where}: {goal:g} times the DataLoader loop ({ours}; {share})",
        verdict(wall[ENGINE] >= goal, cpu[ENGINE] >= goal),
    )
    peers = (
        f"{where}: ahead of every peer (best: {rival}, {wall[rival]:.2f}; by CPU {by_cpu:.2f})",
        verdict(wall[ENGINE] > wall[rival], cpu[ENGINE] > by_cpu),
    )
    # With 32 rows a step, what is measured is the calls and not the products: scikit-learn's MLP, which has no
    # autograd to call, is level with us or a little ahead.
    return [loop, peers] if size >= AHEAD_FROM else [loop]


def main() -> None:
    """Measure, print, and keep as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute instead of several")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every figure here")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)  # for the tests
    parser.add_argument("--one-epoch", type=int, metavar="ROWS", help=argparse.SUPPRESS)
    parser.add_argument("--card", action="store_true", help="only the graphics card")
    options = parser.parse_args()
    if options.one_epoch:
        one_epoch(options.one_epoch, 32)
        return
    if options.card:
        for line in measure_card():
            print(line, flush=True)
        return
    warnings.filterwarnings("ignore", module="lightning|torch.utils.data")

    sizes = [(200, 32)] if options.tiny else SIZES
    repetitions, seconds = (7, 0.7) if not options.quick else (3, 0.2)
    if options.tiny:
        repetitions, seconds = 1, 0.01
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, load {load()}", flush=True)
    for name in MISSING:
        print(f"Left out, for it is not installed: {name}")
    kept: dict[str, Any] = {"torch": torch.__version__, "left_out": MISSING, "sizes": []}
    verdicts: list[tuple[str, str]] = []
    for rows, size in sizes:
        found = measure_size(rows, size, repetitions, seconds)
        print("\n".join(size_table(rows, size, found)), flush=True)
        verdicts += goals(rows, size, found)
        wall, cpu = ratios(found), ratios(found, "cpu")
        print(
            f"\n{MEMBERS} members take {wall[ENGINE] / wall[EIGHT]:.1f} times the seconds of one network, "
            f"{cpu[ENGINE] / cpu[EIGHT]:.1f} times its CPU seconds.",
            flush=True,
        )
        kept["sizes"].append({"rows": rows, "batch": size, "peers": [vars(one) for one in found]})

    print("\n| rows | seconds for an epoch, batch 4,096 | CPU seconds | bytes per row |")
    print("|---:|---:|---:|---:|", flush=True)
    most = 1_000 if options.tiny else 1_000_000 if options.quick else 10_000_000
    kept["growth"] = []
    for rows, cost, memory in measure_growth(most):
        said = f"{memory:,.0f}" if rows >= 100_000 else "-"  # below, it is the allocator's noise
        print(f"| {rows:,} | {cost.wall:.3f} | {cost.cpu:.3f} | {said} |", flush=True)
        kept["growth"].append({"rows": rows, **cost._asdict(), "bytes_per_row": memory})

    for line in measure_card():
        print(line, flush=True)
    kept["start_seconds"] = measure_start()
    print(f"\nProcess start to first epoch done: {statistics.median(kept['start_seconds']):.2f} s")
    kept["goals"] = [{"goal": goal, "verdict": said} for goal, said in verdicts]
    print("\nGoals")
    for goal, said in verdicts:
        print(f"- {said:<9} {goal}")
    print(f"Load at the end: {load()}")
    if options.json:
        options.json.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def load() -> str:
    """How busy the machine is: the mean number of waiting processes, over a minute."""
    return f"{psutil.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
