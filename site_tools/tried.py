"""The page that says, in numbers, what is tried: counted from the tests themselves each time the site is built."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

from site_tools.project import ROOT

TESTS = ROOT / "tests"
FUZZ = "fuzz/"  # its modules count their inputs
# What can go wrong, and which test modules break it, as patterns of their paths; the first that fits counts.
MECHANISMS = {
    "An impossible setting": ("engine/*/test_settings*",),
    "An odd, damaged or unsuitable table": ("engine/data/*",),
    "A mistake in the student's own code": ("engine/core/test_student*",),
    "A run's folder with a file that is missing, edited or from another run": ("engine/runs/*",),
    "A request that is wrong, hostile or beyond the limit": ("engine/serving/*",),
    "Text that a terminal or a page could mistake for markup": (
        "*/test_text*",
        "*/test_rendering*",
        "*/test_hostile*",
    ),
    "A full, read-only or slow disk": ("engine/core/test_files*",),
    "A kill, a power cut or Ctrl-C": (
        "engine/training/test_resume*",
        "engine/training/test_checkpoint*",
        "engine/training/test_processes*",
        "cohort/projects/test_faults*",
    ),
    "A student's repository, and a class's history": ("cohort/*",),
    "The files of a new or updated project": ("template/*",),
}
OTHER = "All other claims: scores, pages, sims, speed"
TOP = """# What is tested, in numbers

The promise: nothing ends in a traceback, nothing lies and nothing is lost. The promise is only as good as the attempts
to break it. These figures are counted from the tests each time this site is built.

"""
CASES = """## Written cases

A case is a test with one input: a table with a quote that is never closed, a network that returns a tuple, a disk
that fills up halfway.

"""
INPUTS = """
## Generated inputs

A program generates other inputs from fixed seeds, so each can be repeated. Some are tested with every change, and far
more by `nox -s long`.

"""


@dataclass(frozen=True)
class Module:
    """One test module: its path below tests/, its first sentence, its cases, and how many inputs it makes up."""

    path: str
    sentence: str
    cases: int
    long_cases: int
    suite: int | None
    long: int | None


def collect(tests: Path = TESTS) -> list[Module]:
    """Ask pytest for all tests below a folder; none is run. ValueError where a module of fuzz/ counts no inputs."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        words = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "-p", __name__]
        env = {**os.environ, "CAPSTONE_TESTS": str(tests), "CAPSTONE_FOUND": str(found)}
        asked = subprocess.run(
            [*words, str(tests)], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        if asked.returncode != 0:
            raise RuntimeError(f"pytest can't collect the tests:\n{asked.stdout}{asked.stderr}")
        modules = [Module(**one) for one in json.loads(found.read_text(encoding="utf-8"))]
    silent = [one.path for one in modules if one.path.startswith(FUZZ) and one.suite is None]
    if silent:
        raise ValueError(
            f"tests/{silent[0]} must set SUITE and LONG at its top: how many inputs it tries in the default suite and "
            "in `nox -s long`"
        )
    return modules


def pytest_collection_finish(session: pytest.Session) -> None:
    """Called by pytest, of which this module is a plug-in while it collects."""
    tests = Path(os.environ["CAPSTONE_TESTS"])
    of_file: dict[str, list[pytest.Item]] = {}
    for item in session.items:
        of_file.setdefault(item.path.relative_to(tests).as_posix(), []).append(item)
    modules = [_module(path, items) for path, items in sorted(of_file.items())]
    Path(os.environ["CAPSTONE_FOUND"]).write_text(
        json.dumps([vars(one) for one in modules]), encoding="utf-8"
    )


def _module(path: str, items: list[pytest.Item]) -> Module:
    parent = items[0].getparent(pytest.Module)
    held = vars(parent.obj) if parent else {}
    long = sum(item.get_closest_marker("long") is not None for item in items)
    sentence = (held.get("__doc__") or path).splitlines()[0]
    return Module(path, sentence, len(items) - long, long, held.get("SUITE"), held.get("LONG"))


def page(modules: list[Module]) -> str:
    """Both tables."""
    rows: dict[str, list[Module]] = {name: [] for name in (*MECHANISMS, OTHER)}
    for one in modules:
        if not one.path.startswith(FUZZ):
            rows[mechanism_of(one.path)].append(one)
    cases = [
        (name, sum(one.cases for one in found), sum(one.long_cases for one in found))
        for name, found in rows.items()
        if found
    ]
    inputs = [
        (f"{one.sentence.rstrip('.')} (`tests/{one.path}`)", one.suite, one.long or 0)
        for one in modules
        if one.suite is not None
    ]
    cases_head = ("What goes wrong", "with every change", "more in `nox -s long`")
    inputs_head = (
        "The claim, and the test",
        "with every change",
        "in `nox -s long`",
    )
    return TOP + CASES + _table(cases_head, cases) + INPUTS + _table(inputs_head, inputs)


def mechanism_of(path: str) -> str:
    """Which row of the first table a module counts in."""
    for name, patterns in MECHANISMS.items():
        if any(fnmatch(path, pattern) for pattern in patterns):
            return name
    return OTHER


def _table(head: tuple[str, str, str], rows: list[tuple[str, int, int]]) -> str:
    lines = [f"| {' | '.join(head)} |", "| --- | ---: | ---: |"]
    total = ("**in all**", sum(row[1] for row in rows), sum(row[2] for row in rows))
    lines += [f"| {name} | {suite:,} | {long:,} |" for name, suite, long in (*rows, total)]
    return "\n".join(lines) + "\n"
