"""How fast a model answers: `nox -s bench -- serving [--quick] [--json FILE]`, or `--soak MINUTES`.

`capstone serve` beside the chapter's Flask app, plain FastAPI with torch, LitServe, and FastAPI with no model, in the
same run. README.md beside this file says how to read the tables.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.load.chapter import FEATURES  # noqa: E402
from benchmarks.load.clients import WRK, Rate, as_body, load, post, wait_until_ready  # noqa: E402
from benchmarks.load.soak import soak  # noqa: E402

FLASK, LIMIT = "Flask, torch (the chapter's)", "FastAPI, no model (limit)"
PEERS = {
    FLASK: "flask",
    "FastAPI, torch, def": "fastapi-def",
    "FastAPI, torch, async def": "fastapi-async",
    "LitServe, torch": "litserve",
    LIMIT: "fastapi-no-model",
}
OURS, TWO = "capstone serve", "capstone serve --workers 2"
MB = 2**20


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    turns: int
    seconds: float
    batch: int
    table: int
    starts: int
    settings: tuple[str, ...] = ()


FULL, QUICK = Size(5, 4, 10_000, 1_000_000, 5), Size(3, 2, 10_000, 100_000, 3)
TINY = Size(1, 0.3, 1000, 3000, 1, ("network.members=1", "training.epochs=2"))


def make_project(folder: Path, size: Size) -> Path:
    """A project on the house prices with one run: eight networks, as every project starts."""
    import copier

    project = folder / "project"
    # As it lies here, which Copier would otherwise remark on.
    warnings.simplefilter("ignore")
    copier.run_copy(str(ROOT), project, defaults=True, quiet=True, vcs_ref="HEAD")
    settings = ("evaluation.bootstrap=50", "evaluation.explained_rows=0", *size.settings)
    words = [part for one in settings for part in ("--set", one)]
    capstone(project, "run", *words)
    return project


def capstone(project: Path, *words: str) -> None:
    command, env = call(project, *words)
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


def call(project: Path, *words: str) -> tuple[list[str], dict[str, str]]:
    paths = os.pathsep.join([str(project / "engine"), str(project / "src")])
    env = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": ""}
    return [sys.executable, "-m", "capstone", *words], env


def example_rows(project: Path, count: int) -> list[dict[str, Any]]:
    """Rows of the table as a caller sends them, over and over until there are enough."""
    run = project / "runs" / (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()
    schema = json.loads((run / "schema.json").read_text(encoding="utf-8"))
    kinds = {name: one["kind"] for name, one in schema.items() if one["role"] == "feature"}
    with (project / "data" / "raw" / "house_prices.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))

    def sent(cell: str, kind: str) -> Any:
        if cell == "":
            return None
        return float(cell) if kind == "number" else cell == "True" if kind == "boolean" else cell

    rows = [{name: sent(line[name], kind) for name, kind in kinds.items()} for line in lines]
    return (rows * (count // len(rows) + 1))[:count]


@contextmanager
def service(
    command: Sequence[str], project: Path, env: dict[str, str], port: int, path: str, body: bytes
) -> Iterator[psutil.Process]:
    """A service in processes of its own, ready to answer; its log goes to a file, as a server's does."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=project, env=env, stdout=log, stderr=log)
        try:
            wait_until_ready(port, path, body, process)
            yield psutil.Process(process.pid)
        finally:
            family = [*psutil.Process(process.pid).children(recursive=True)]
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
            for one in family:
                if one.is_running():
                    one.kill()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def memory(process: psutil.Process) -> float:
    """MB of a process and its children."""
    family = [process, *process.children(recursive=True)]
    return sum(one.memory_info().rss for one in family) / MB


def cpu_seconds(process: psutil.Process) -> float:
    """What a process and its children have used of the processor so far."""
    family = [process, *process.children(recursive=True)]
    return sum(one.cpu_times().user + one.cpu_times().system for one in family)


def ask(
    process: psutil.Process, port: int, path: str, body: bytes, clients: int, seconds: float
) -> Rate:
    """A load, and how many requests the service would manage with a processor for itself."""
    load(port, path, body, clients, seconds / 4)  # warm
    before = cpu_seconds(process)
    rate = load(port, path, body, clients, seconds)
    used = cpu_seconds(process) - before
    return replace(rate, by_cpu=rate.rate * seconds / max(used, 0.01))


def one_by_one(project: Path, size: Size, row: bytes) -> tuple[dict[str, Any], dict[str, float]]:
    """Every service in its turn, another one first each time: rates by name and clients, and MB."""
    features = json.dumps({"features": [0.5] * FEATURES}).encode()
    peer = str(ROOT / "benchmarks" / "load" / "peers.py")
    plans: dict[str, Callable[[int], tuple[list[str], dict[str, str], str, bytes]]] = {}
    for name, workers in ((OURS, "1"), (TWO, "2")):
        plans[name] = lambda port, workers=workers: (  # type: ignore[misc]
            *call(project, "serve", "--port", str(port), "--workers", workers),
            "/v1/predict",
            row,
        )
    for name, word in PEERS.items():
        library = word.partition("-")[0]
        if find_spec(library) is None:
            print(f"{name} is left out: {library} is not installed", flush=True)
            continue
        plans[name] = lambda port, word=word: (  # type: ignore[misc]
            [sys.executable, peer, word, str(port)],
            dict(os.environ),
            "/predict",
            features,
        )
    rates: dict[str, Any] = {name: {1: [], 32: []} for name in plans}
    sizes: dict[str, list[float]] = {name: [] for name in plans}
    names = list(plans)
    for turn in range(size.turns):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            port = free_port()
            command, env, path, body = plans[name](port)
            with service(command, project, env, port, path, body) as process:
                for clients in (1, 32):
                    rates[name][clients].append(
                        ask(process, port, path, body, clients, size.seconds)
                    )
                sizes[name].append(memory(process))
        print(f"turn {turn + 1} of {size.turns}, load {psutil.getloadavg()[0]:.1f}", flush=True)
    return rates, {name: statistics.median(found) for name, found in sizes.items()}


def many_at_once(project: Path, size: Size, row: bytes) -> dict[str, list[float]]:
    """Rows a second where one request holds many: as columns, and as rows with names."""
    rows = example_rows(project, size.batch)
    columns = {name: [one[name] for one in rows] for name in rows[0]}
    port = free_port()
    command, env = call(project, "serve", "--port", str(port))
    found: dict[str, list[float]] = {"columns": [], "rows": []}
    with service(command, project, env, port, "/v1/predict", row):
        for _ in range(3 * size.turns):
            for form, content in (("columns", columns), ("rows", rows)):
                body = as_body(content, form)
                status, answer, seconds = post(port, "/v1/predict", body)
                assert status == 200, answer[:300]
                found[form].append(size.batch / seconds)
    return {
        form: rates[len(rates) // 3 :] for form, rates in found.items()
    }  # the first are warm-up


def first_answers(project: Path, size: Size, row: bytes) -> list[float]:
    """Seconds from the start of the process to its first answer."""
    found = []
    for _ in range(size.starts + 1):
        port = free_port()
        command, env = call(project, "serve", "--port", str(port))
        start = time.perf_counter()
        with service(command, project, env, port, "/v1/predict", row):
            found.append(time.perf_counter() - start)
    return found[1:]  # the very first one compiles the modules


def whole_tables(project: Path, size: Size) -> list[tuple[int, float, float]]:
    """`capstone predict` on tables of two sizes: rows, seconds, MB at most."""
    source = (project / "data" / "raw" / "house_prices.csv").read_text(encoding="utf-8")
    head, *lines = source.splitlines()
    found = []
    for rows in (size.table // 10, size.table):
        path = project / f"table{rows}.csv"
        body = (lines * (rows // len(lines) + 1))[:rows]
        path.write_text("\n".join([head, *body, ""]), encoding="utf-8")
        command, env = call(project, "predict", path.name)
        start, largest = time.perf_counter(), 0.0
        with subprocess.Popen(command, cwd=project, env=env, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None:
                try:
                    largest = max(largest, memory(psutil.Process(process.pid)))
                except psutil.Error:
                    break
                time.sleep(0.02)
        if process.returncode:
            raise SystemExit("capstone predict failed")
        found.append((rows, time.perf_counter() - start, largest))
    return found


def spread(values: Sequence[float], digits: int = 0) -> str:
    middle = statistics.median(values)
    return f"{middle:,.{digits}f} ({min(values):,.{digits}f} - {max(values):,.{digits}f})"


def rate_table(rates: dict[str, Any], sizes: dict[str, float]) -> list[str]:
    """Medians, in brackets the least and the most."""
    shown = [
        "| one row per request | 1 client: requests/s | ms half, 99 % | 32: requests/s | ms half, 99 % | by CPU | MB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, found in rates.items():
        cells = []
        for clients in (1, 32):
            every: list[Rate] = found[clients]
            half, most = (
                statistics.median(getattr(r, at) for r in every) for at in ("half", "most")
            )
            cells += [spread([one.rate for one in every]), f"{half:.2f}, {most:.1f}"]
        cells.append(spread([one.by_cpu for one in found[32]]))
        shown.append(f"| {name} | " + " | ".join(cells) + f" | {sizes[name]:.0f} |")
    return shown


def verdict(goal: str, *met: bool) -> dict[str, str]:
    """Of two clocks, both must say so."""
    return {"goal": goal, "met": "met" if all(met) else "undecided" if any(met) else "MISSED"}


def judge(figures: dict[str, Any], size: Size) -> list[dict[str, str]]:
    """Each goal, and whether it was met."""
    rates, found = figures["rates"], []

    def middle(name: str, clients: int, what: str = "rate") -> float:
        return statistics.median(getattr(one, what) for one in rates[name][clients])

    def times(name: str, clients: int) -> list[float]:
        """Ours as a share of another's, by the clock and by CPU seconds."""
        return [middle(OURS, clients, w) / middle(name, clients, w) for w in ("rate", "by_cpu")]

    if FLASK in rates:  # with one client, FastAPI without a model is five times Flask at most
        wall, cpu = times(FLASK, 32)
        goal = f"32 clients: 9 times the chapter's Flask (is {wall:.1f}, by CPU {cpu:.1f})"
        found.append(verdict(goal, wall >= 9, cpu >= 9))
    if LIMIT in rates:
        wall, cpu = times(LIMIT, 32)
        goal = f"32 clients: 75 % of the limit (is {wall:.0%}, by CPU {cpu:.0%})"
        found.append(verdict(goal, wall >= 0.75, cpu >= 0.75))
    most = middle(OURS, 32, "most")
    found.append(verdict(f"32 clients: 99 % within 25 ms (is {most:.1f})", most < 25))
    failed = sum(one.failed for rows in rates[OURS].values() for one in rows)
    found.append(verdict(f"no request failed ({failed} did)", failed == 0))
    rate = statistics.median(figures["batch"]["columns"])
    goal = f"{size.batch:,} rows in one request: 250,000 rows/s (is {rate:,.0f} as columns)"
    found.append(verdict(goal, rate >= 250_000))
    start = statistics.median(figures["starts"])
    found.append(verdict(f"first answer within 1 s (is {start:.2f})", start < 1))
    held = figures["memory"][OURS]
    found.append(verdict(f"under 200 MB (is {held:.0f})", held < 200))
    (few, short, small), (rows, long, large) = figures["tables"]
    million = short + (long - short) * (1_000_000 - few) / (rows - few)
    goal = f"capstone predict: 1,000,000 rows in 20 s (is {million:.1f}, by {rows:,} rows)"
    found.append(verdict(goal, million < 20))
    goal = f"its memory the same for ten times the rows (is {small:.0f} and {large:.0f} MB)"
    return [*found, verdict(goal, large < 1.3 * small)]


def measure(project: Path, size: Size) -> dict[str, Any]:
    row = as_body(example_rows(project, 1))
    rates, sizes = one_by_one(project, size, row)
    figures: dict[str, Any] = {"rates": rates, "memory": sizes}
    figures["batch"] = many_at_once(project, size, row)
    figures |= {"starts": first_answers(project, size, row), "tables": whole_tables(project, size)}
    print("\n".join(["", *rate_table(rates, sizes), ""]))
    for form, found in figures["batch"].items():
        print(f"{size.batch:,} rows in one request, as {form}: {spread(found)} rows/s")
    print(f"From the start of the process to its first answer: {spread(figures['starts'], 2)} s")
    for rows, seconds, megabytes in figures["tables"]:
        print(f"capstone predict, {rows:,} rows: {seconds:.1f} s, {megabytes:.0f} MB at most")
    return figures


def main() -> None:
    """Measure, print, and keep as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter, and fewer turns")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="mixed load instead")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every figure here")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)  # for the tests
    options = parser.parse_args()
    size = TINY if options.tiny else QUICK if options.quick else FULL
    client = "wrk" if WRK else "a client in Python, which is slower than wrk"
    print(f"{os.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}, {client}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="capstone-serving-"))
    try:
        project = make_project(folder, size)
        if options.soak:
            port = free_port()
            command, env = call(project, "serve", "--port", str(port), "--time-limit", "5")
            rows = example_rows(project, 1000)
            with service(command, project, env, port, "/v1/predict", as_body(rows[:1])) as process:
                figures, goals = soak(port, rows, process, options.soak * 60)
        else:
            figures = measure(project, size)
            goals = judge(figures, size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\nGoals")
    for one in goals:
        print(f"- {one['met']:<7} {one['goal']}")
    print(f"Load at the end: {psutil.getloadavg()[0]:.1f}")
    if options.json:
        kept = json.dumps({**figures, "goals": goals}, indent=2, default=asdict)
        options.json.write_text(kept + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
