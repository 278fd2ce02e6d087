"""What updating a class costs: `nox -s bench -- cohort [--quick] [--parts 40 remote] [--json FILE]`.

`cohort update` and `cohort status` beside a loop of `copier update --defaults` and `copier check-update`, over the
same projects in the same run. README.md beside this file says how to read the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("copier.yml", "includes", "template")
PROBLEMS = ("regression", "binary", "multiclass")
BARE = 1000  # from so many projects on they are bare repositories, as on a server
DELAY = 0.3  # seconds that each connection to a server takes
COHORT = (sys.executable, "-m", "cohort")
COPIER = (sys.executable, "-m", "copier")


@dataclass(frozen=True)
class Cost:
    """What a command, or a loop of commands, took: seconds, CPU seconds, and the largest process in MB."""

    wall: float
    cpu: float
    memory: float = 0.0


def measure(
    commands: Sequence[tuple[Sequence[str | Path], Path]], codes: tuple[int, ...] = (0,), **env: str
) -> Cost:
    """Run commands one after the other. CPU counts all their processes, once they have ended."""
    before, start, largest = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0.0
    for command, cwd in commands:
        words = [str(word) for word in command]
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                words,
                cwd=cwd,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            largest = max(largest, used.ru_maxrss / 1024)
            if process.returncode not in codes:
                output.seek(0)
                raise SystemExit(f"{words} failed:\n{output.read().decode(errors='replace')}")
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, largest)


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def releases(folder: Path) -> Path:
    """The template as it lies here, with a second release: engine, pins and a student's file change."""
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        folder.mkdir(parents=True, exist_ok=True)
        copy(ROOT / part, folder / part)
    for leaving in list(folder.rglob("__pycache__")):
        shutil.rmtree(leaving)
    git(folder, "init", "--quiet")
    for tag, change in (("v1.0.0", lambda: None), ("v2.0.0", lambda: second(folder / "template"))):
        change()
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", tag)
        git(folder, "tag", tag)
    return folder


def second(template: Path) -> None:
    for name in (
        "engine/capstone/training/loop.py",
        "engine/capstone/pipeline.py",
        "README.md.jinja",
        ".gitignore",
    ):
        path = template / name
        path.write_text(path.read_text(encoding="utf-8") + "\n# News.\n", encoding="utf-8")
    pins = template / "pyproject.toml.jinja"
    pins.write_text(
        pins.read_text(encoding="utf-8").replace("rich~=15.0", "rich~=16.0"), encoding="utf-8"
    )


def make_class(
    folder: Path, template: Path, count: int, server: Path | None = None, bare: bool = False
) -> list[Path]:
    """A class of so many projects of the first release, on which their students have worked."""
    names = [f"s{number:04}" for number in range(count)]
    remote = f'[class]\nremote = "file://{server}/{{student}}.git"\n[forge]\nfile_remotes = true\n'
    settings = f'[template]\nurl = "{template}"\nreleases = ["v1.0.0", "v2.0.0"]\n'
    folder.mkdir(parents=True)
    rows = [
        f"{name},Project {name},Author {name},{PROBLEMS[i % 3]}\n" for i, name in enumerate(names)
    ]
    (folder / "class.csv").write_text("student,project_name,author_name,problem\n" + "".join(rows))
    (folder / "class.toml").write_text(settings)
    cost = measure([((*COHORT, "create", "--to", "v1.0.0", *(["--bare"] * bare)), folder)])
    each = share(cost, count)
    print(
        f"create, {count} projects: {each.wall * 1e3:.0f} ms, CPU {each.cpu * 1e3:.0f} ms, {cost.memory:.1f} MB at most"
    )
    projects = [folder / "students" / name for name in names]
    for number, project in enumerate(projects):
        (work_in_bare if bare else work)(project, random.Random(number))
        if server is not None:
            git(
                folder,
                "clone",
                "--quiet",
                "--bare",
                str(project),
                str(server / f"{project.name}.git"),
            )
    if server is not None:
        (folder / "class.toml").write_text(settings + remote)
    return projects


def work(project: Path, chance: random.Random) -> None:
    """What a student does: own code and words; every other one adds a library, some change a hook."""
    features = next((project / "src").glob("*/features.py"))
    features.write_text(
        features.read_text(encoding="utf-8") + f"# {chance.random()}\n", encoding="utf-8"
    )
    if chance.random() < 0.5:
        pins = project / "pyproject.toml"
        line = "    # Your libraries: add them below this line.\n"
        text = pins.read_text(encoding="utf-8").replace(line, f'{line}    "seaborn~=0.13",\n')
        pins.write_text(text, encoding="utf-8")
    (project / "notes.md").write_text(f"{chance.random()}\n")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Work")


def work_in_bare(project: Path, chance: random.Random) -> None:
    """The same for a repository without files: a commit on top, written by git alone."""
    pins = git(project, "show", "main:pyproject.toml") + "\n"
    if chance.random() < 0.5:
        line = "    # Your libraries: add them below this line.\n"
        pins = pins.replace(line, f'{line}    "seaborn~=0.13",\n')
    files = {"pyproject.toml": pins, "notes.md": f"{chance.random()}\n"}
    parts = ["commit refs/heads/main\ncommitter Workbench <bench@example.org> 1700000000 +0000\n"]
    parts += ["data 4\nWork\nfrom refs/heads/main^0\n"]
    for name, text in files.items():
        parts.append(f"M 100644 inline {name}\ndata {len(text.encode())}\n{text}\n")
    command = ["git", "fast-import", "--quiet"]
    subprocess.run(command, cwd=project, input="".join(parts).encode(), check=True)


def copier_loop(
    projects: Sequence[Path], folder: Path, words: Sequence[str], codes: tuple[int, ...] = (0,)
) -> Cost:
    """One copier command per project, on copies of them; the copying is not measured."""
    folder.mkdir()
    for one in projects:  # a clone, since copier needs files
        git(folder, "clone", "--quiet", str(one), one.name)
    copies = [folder / one.name for one in projects]
    cost = measure([((*COPIER, *words), copy) for copy in copies], codes)
    shutil.rmtree(folder)
    return cost


def compare_local(
    folder: Path, template: Path, count: int, sample: int, times: int
) -> list[tuple[str, int, Cost, Cost]]:
    """cohort over all projects, copier over a sample; costs are per project."""
    projects = make_class(folder, template, count, bare=count >= BARE)
    lines = []
    chosen = random.Random(1).sample(projects, min(sample, count))
    ours: dict[str, list[Cost]] = {"update": [], "status": []}
    theirs: dict[str, list[Cost]] = {"update": [], "status": []}
    for _ in range(times):
        # The caches of the first time are what an instructor has too; the branches are not.
        measure([((*COHORT, "rollback"), folder)])
        ours["update"].append(share(measure([((*COHORT, "update"), folder)]), count))
        ours["status"].append(share(measure([((*COHORT, "status"), folder)]), count))
        update = ("update", "--defaults", "--quiet", "--vcs-ref", "v2.0.0")
        cost = copier_loop(chosen, folder / "copies", update)
        theirs["update"].append(share(cost, len(chosen)))
        cost = copier_loop(
            chosen, folder / "copies", ("check-update", "--quiet"), (0, 1, 2, 3, 4, 5)
        )
        theirs["status"].append(share(cost, len(chosen)))
    for what in ("update", "status"):
        lines.append((what, count, middle(ours[what]), middle(theirs[what])))
    return lines


def compare_remote(
    folder: Path, template: Path, count: int, sample: int
) -> tuple[tuple[str, int, Cost, Cost], int]:
    """Fetch, update and push, with a delay on each connection; copier clones, updates and pushes.

    Returns the line of the table, and how often cohort connected to the template.
    """
    server = folder / "server"
    server.mkdir(parents=True)
    make_class(folder / "class", template, count, server)
    path = slow_git(folder / "bin")
    ours = measure([((*COHORT, "update", "--push"), folder / "class")], PATH=path)
    log = (folder / "bin" / "connections").read_text(encoding="utf-8").splitlines()
    to_template = sum(str(template) in line.split() for line in log)
    loop = []
    for one in sorted(server.iterdir())[:sample]:
        project = folder / "clones" / one.name
        project.parent.mkdir(exist_ok=True)
        update = " ".join((*COPIER, "update", "--defaults", "--quiet", "--vcs-ref", "v2.0.0"))
        script = (
            f"git clone --quiet file://{one} {project} && cd {project} && {update} && git checkout -q -b up && "
            "git add --all && git commit -q -m Update && git push -q origin up"
        )
        loop.append((("sh", "-c", script), folder))
    theirs = measure(loop, PATH=path)
    return ("fetch, update, push", count, share(ours, count), share(theirs, len(loop))), to_template


def slow_git(folder: Path) -> str:
    """A git that notes each connection and waits before it; returns the PATH that finds it first."""
    folder.mkdir()
    noted = f'echo "$*" >> {folder}/connections; sleep {DELAY}; break;;'
    cases = f"fetch|push|clone|ls-remote) {noted}"
    script = f'#!/bin/sh\nfor word in "$@"; do case "$word" in {cases} esac; done\n'
    (folder / "git").write_text(f'{script}exec {shutil.which("git")} "$@"\n')
    (folder / "git").chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def share(cost: Cost, count: int) -> Cost:
    return Cost(cost.wall / count, cost.cpu / count, cost.memory)


def middle(costs: Sequence[Cost]) -> Cost:
    return Cost(
        *(
            statistics.median(getattr(one, name) for one in costs)
            for name in ("wall", "cpu", "memory")
        )
    )


def table(lines: Sequence[tuple[str, int, Cost, Cost]]) -> list[str]:
    """Milliseconds per project, and how many times less than copier."""
    shown = [
        "| what | projects | cohort ms | CPU ms | MB at most | copier ms | CPU ms | times by wall | by CPU |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for what, count, ours, theirs in lines:
        cells = [ours.wall * 1e3, ours.cpu * 1e3, ours.memory, theirs.wall * 1e3, theirs.cpu * 1e3]
        cells += [theirs.wall / ours.wall, theirs.cpu / ours.cpu]
        shown.append(f"| {what} | {count} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
    return shown


def goals(
    lines: Sequence[tuple[str, int, Cost, Cost]], to_template: int | None
) -> list[tuple[str, str]]:
    """Met or missed when wall and CPU agree, else undecided. The remote goal is one of waiting: wall only."""
    wanted = {
        ("update", 40): 50,
        ("update", 400): 100,
        ("status", 400): 200,
        ("fetch, update, push", 200): 50,
    }
    verdicts = []
    for what, count, ours, theirs in lines:
        if (what, count) in wanted:
            times = [theirs.wall / ours.wall, theirs.cpu / ours.cpu]
            met = [
                ratio >= wanted[what, count] for ratio in (times[:1] if "push" in what else times)
            ]
            word = "met" if all(met) else "undecided" if any(met) else "MISSED"
            said = f"{what}, {count} projects: {wanted[what, count]} times copier"
            verdicts.append((f"{said} (is {times[0]:.0f} by wall, {times[1]:.0f} by CPU)", word))
    largest = max(ours.memory for _, _, ours, _ in lines)
    verdicts.append(
        (f"a process under 64 MB (is {largest:.0f})", "met" if largest < 64 else "MISSED")
    )
    if to_template is not None:
        word = "met" if to_template == 1 else "MISSED"
        verdicts.append((f"one connection to the template in a run (is {to_template})", word))
    return verdicts


def main() -> None:
    """Measure, print, and keep as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="40 projects, and 20 on a server; once"
    )
    parser.add_argument("--large", action="store_true", help="2,000 projects too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every figure here")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)  # for the tests
    parser.add_argument(
        "--parts", nargs="+", choices=("40", "400", "2000", "remote"), help="only these"
    )
    options = parser.parse_args()
    sizes, sample, times, remote = [40, 400], 12, 3, 200
    if options.quick:
        sizes, sample, times, remote = [40], 6, 1, 20
    if options.tiny:
        sizes, sample, times, remote = [2], 1, 1, 2
    if options.large:
        sizes.append(2000)
    if options.parts:
        sizes = [int(part) for part in options.parts if part != "remote"]
    to_template = None
    print(f"{os.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}", flush=True)
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "gitconfig").write_text("[user]\nname = Workbench\nemail = bench@example.org\n")
        os.environ |= {"GIT_CONFIG_GLOBAL": str(folder / "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}
        template = releases(folder / "template")
        for size in sizes:
            lines += compare_local(
                folder / f"class{size}", template, size, sample, times if size < 2000 else 1
            )
            print(f"{size} projects done, load {psutil.getloadavg()[0]:.1f}", flush=True)
        if not options.parts or "remote" in options.parts:
            line, to_template = compare_remote(folder / "remote", template, remote, min(sample, 6))
            lines.append(line)
        # Before the folder is deleted, which takes minutes for thousands of repositories.
        tell(lines, to_template, options.json)


def tell(
    lines: Sequence[tuple[str, int, Cost, Cost]], to_template: int | None, kept_in: Path | None
) -> None:
    """Print the table and the goals, and keep them."""
    print("\n" + "\n".join(table(lines)) + "\n\nGoals")
    verdicts = goals(lines, to_template)
    for goal, met in verdicts:
        print(f"- {met:<9} {goal}")
    print(f"Load at the end: {psutil.getloadavg()[0]:.1f}", flush=True)
    if kept_in:
        costs = [
            {"what": what, "projects": count, "cohort": vars(ours), "copier": vars(theirs)}
            for what, count, ours, theirs in lines
        ]
        kept = {"costs": costs, "goals": [{"goal": goal, "met": met} for goal, met in verdicts]}
        kept_in.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
