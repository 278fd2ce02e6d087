"""The benchmarks still run. What they measure is for `nox -s bench`, on a quiet machine."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.helpers import ROOT, must_run

pytestmark = pytest.mark.slow


SOAKED = [("one row", 200), ("1,000 rows", 200), ("explain", 200), ("invalid", 422), ("slow", 408)]
SOAKED += [("invalid", 400), ("oversized", 413), ("broken off", 0)]


def measure(name: str, folder: Path, *options: str) -> tuple[str, dict[str, Any]]:
    """A benchmark on next to nothing: what it printed, and what it kept."""
    script, kept = ROOT / "benchmarks" / f"bench_{name}.py", folder / "kept.json"
    paths = os.pathsep.join([str(ROOT / "template" / "engine"), str(ROOT)])
    env = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": paths}
    words = ["--tiny", "--json", str(kept), *options]
    printed = must_run(sys.executable, script, *words, cwd=folder, **env)
    return printed, json.loads(kept.read_text(encoding="utf-8"))


@pytest.mark.long
def test_training(tmp_path: Path) -> None:
    printed, kept = measure("training", tmp_path)
    assert "| capstone |" in printed and "| DataLoader loop |" in printed
    assert len(kept["goals"]) == 1
    assert len(kept["growth"]) == 1


@pytest.mark.long
def test_first_run(tmp_path: Path) -> None:
    printed, kept = measure("first_run", tmp_path)
    assert printed.count("| capstone run, ") == 3
    assert len(kept["goals"]) == 3


def test_choices(tmp_path: Path) -> None:
    printed, kept = measure("choices", tmp_path)
    assert "| import skops.io |" in printed
    assert all(seconds > 0 for cost in kept["costs"] for seconds in cost["seconds"])


def test_embeddings(tmp_path: Path) -> None:
    printed, kept = measure("embeddings", tmp_path)
    assert "| made | R2 |" in printed
    assert {way: len(scores) for way, scores in kept["made"].items()} == {
        "twenty": 5,
        "one-hot": 5,
        "embedded": 5,
    }


@pytest.mark.long
def test_streaming(tmp_path: Path) -> None:
    printed, kept = measure("streaming", tmp_path)
    assert printed.count("| capstone, in blocks | 5,000 |") == 2
    assert "| DataLoader over pyarrow |" in printed and "| capstone, in memory |" in printed
    assert len(kept["goals"]) == 2 and len(kept["peers"]) == 5


def test_cohort(tmp_path: Path) -> None:
    printed, kept = measure("cohort", tmp_path)
    assert "| update | 2 |" in printed and "| fetch, update, push | 2 |" in printed
    assert len(kept["costs"]) == 3


def test_serving(tmp_path: Path) -> None:
    printed, kept = measure("serving", tmp_path)
    assert "| capstone serve |" in printed and "| FastAPI, no model (limit) |" in printed
    assert len(kept["goals"]) == 9
    assert {"goal": "no request failed (0 did)", "met": "met"} in kept["goals"]


@pytest.mark.long
def test_the_service_stands_mixed_load(tmp_path: Path) -> None:
    printed, kept = measure("serving", tmp_path, "--soak", "0.15")
    assert "| broken off | - |" in printed
    assert kept["errors"] == {}
    assert {f"{kind}: {status}" for kind, status in SOAKED} <= set(kept["answers"])


@pytest.mark.browser
def test_sims(browser: Any, tmp_path: Path) -> None:
    printed = must_run(sys.executable, ROOT / "benchmarks" / "bench_sims.py", cwd=tmp_path)
    assert [line.split()[0] for line in printed.splitlines()[1:]] == [
        "empty",
        "activation-functions",
        "network-architecture",
        "training-loop",
    ]
