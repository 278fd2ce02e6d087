"""What a student waits for: `nox -s bench -- first_run [--quick] [--json FILE]`.

`copier copy`, `capstone --help` and `capstone run`, each as a command in a process of its own.
README.md beside this file says how to read the table.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("copier.yml", "includes", "template")  # what Copier reads
PROBLEMS = ("regression", "binary", "multiclass")
LOOK_EVERY = 0.02  # seconds between two looks at the memory


@dataclass(frozen=True)
class Cost:
    """What one command took: seconds, CPU seconds, and the most memory it held, in megabytes."""

    wall: float
    cpu: float
    memory: float


def measure(*command: str | Path, cwd: Path, **env: str) -> Cost:
    """Run a command to its end, which has to be a good one. Its child processes count too."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = psutil.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        cpu = memory = 0.0
        while True:
            try:
                family = [process, *process.children(recursive=True)]
                times = process.cpu_times()
                used = times.user + times.system + times.children_user + times.children_system
                cpu = max(cpu, used)
                memory = max(memory, sum(one.memory_info().rss for one in family) / 1e6)
            except psutil.Error:
                pass  # it has just ended
            try:
                code = process.wait(LOOK_EVERY)
                break
            except psutil.TimeoutExpired:
                continue
        wall = time.perf_counter() - start
        output.seek(0)
        if code != 0:
            raise SystemExit(f"{command} failed:\n{output.read().decode(errors='replace')}")
    return Cost(wall, cpu, memory)


def tool(name: str) -> str:
    """The command of a Python package, from the environment that runs this."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if not found:
        raise SystemExit(f"{name} is not installed beside {sys.executable}: use `nox -s bench`.")
    return found


def git(folder: Path, *arguments: str) -> None:
    """Run git, as somebody."""
    who = ["-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def tagged_clone(folder: Path) -> Path:
    """The template as it lies here, as the released version of a repository: what a student copies."""
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        folder.mkdir(parents=True, exist_ok=True)
        copy(ROOT / part, folder / part)
    for leaving in list(folder.rglob("__pycache__")):
        shutil.rmtree(leaving)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "The template")
    git(folder, "tag", "v1.0.0")
    git(folder, "gc", "--quiet")  # what came over a network lies in one file too
    return folder


def copy_project(template: Path, project: Path, problem: str = "regression") -> Cost:
    """`copier copy --defaults`, for one of the three problems."""
    shutil.rmtree(project, ignore_errors=True)
    copy = [tool("copier"), "copy", "--quiet", "--defaults", "--data", f"problem={problem}"]
    return measure(*copy, template, project, cwd=template.parent)


def run_project(project: Path, *options: str) -> tuple[Cost, dict[str, float]]:
    """`capstone run`, and the seconds that it says each step took."""
    capstone = [sys.executable, "-m", "capstone"]
    cost = measure(
        *capstone, "run", *options, cwd=project, PYTHONPATH=os.pathsep.join(["engine", "src"])
    )
    name = (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()
    info = json.loads((project / "runs" / name / "run.json").read_text(encoding="utf-8"))
    return cost, info["seconds"]


def measure_help(project: Path) -> dict[str, Cost]:
    """`capstone --help`, and what of it is Python and Typer."""
    python = sys.executable
    return {
        "capstone --help": measure(
            python,
            "-m",
            "capstone",
            "--help",
            cwd=project,
            PYTHONPATH=os.pathsep.join(["engine", "src"]),
        ),
        "python -c pass": measure(python, "-c", "pass", cwd=project),
        'python -c "import typer"': measure(python, "-c", "import typer", cwd=project),
    }


def spread(values: list[float], digits: int = 2) -> str:
    """Median, and from least to most."""
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f} - {max(values):.{digits}f})"


def table(costs: dict[str, list[Cost]]) -> list[str]:
    """All commands as a Markdown table."""
    lines = [
        "| command | times | seconds | CPU seconds | MB at most |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, found in costs.items():
        wall, cpu = spread([one.wall for one in found]), spread([one.cpu for one in found])
        memory = spread([one.memory for one in found], 0)
        lines.append(f"| {name} | {len(found)} | {wall} | {cpu} | {memory} |")
    return lines


def goals(costs: dict[str, list[Cost]]) -> list[tuple[str, bool]]:
    """The goals, each met or not, by the medians."""
    median = {name: statistics.median(one.wall for one in found) for name, found in costs.items()}
    copy, help_ = median["copier copy"], median["capstone --help"]
    both = copy + max(median[f"capstone run, {problem}"] for problem in PROBLEMS)
    return [
        (f"copier copy under 1.5 s (is {copy:.2f})", copy < 1.5),
        (f"capstone --help under 0.3 s (is {help_:.2f})", help_ < 0.3),
        (f"copy to finished run, the slowest example, under 60 s (is {both:.1f})", both < 60),
    ]


def main() -> None:
    """Measure, print, and keep as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="each run once, the rest three times")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every figure here")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)  # for the tests
    options = parser.parse_args()
    short, long = (1, 1) if options.tiny else (3, 1) if options.quick else (7, 3)
    how = ("--quick",) if options.tiny else ()
    costs: dict[str, list[Cost]] = defaultdict(list)
    steps: dict[str, list[dict[str, float]]] = defaultdict(list)

    print(f"{os.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        template, project = tagged_clone(Path(folder) / "template"), Path(folder) / "project"
        for _ in range(short):
            costs["copier copy"].append(copy_project(template, project))
        measure_help(project)  # once untimed: Python compiles what it imports for the first time
        for _ in range(short):
            for name, cost in measure_help(project).items():
                costs[name].append(cost)
        for problem in PROBLEMS:
            copy_project(template, project, problem)
            for _ in range(long):
                cost, seconds = run_project(project, *how)
                costs[f"capstone run, {problem}"].append(cost)
                steps[problem].append(seconds)

    print("\n" + "\n".join(table(costs)) + "\n\nSeconds per step of the runs (median)\n")
    for problem, found in steps.items():
        medians = {step: statistics.median(one[step] for one in found) for step in found[0]}
        print(f"- {problem}: " + ", ".join(f"{step} {s:.2f}" for step, s in medians.items()))
    verdicts = goals(costs)
    print("\nGoals")
    for goal, met in verdicts:
        print(f"- {'met   ' if met else 'MISSED'} {goal}")
    print(f"Load at the end: {psutil.getloadavg()[0]:.1f}")
    if options.json:
        kept = {
            "commands": {name: [vars(one) for one in found] for name, found in costs.items()},
            "steps": steps,
            "goals": [{"goal": goal, "met": met} for goal, met in verdicts],
        }
        options.json.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
