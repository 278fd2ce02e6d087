"""What the tests of an exported service share: to start it, and to compare its answers with the run's."""

import csv
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.helpers import run_of
from tests.support.serving import Server

KEY = "a-key-of-the-tests-which-nobody-else-has"


def measured(project: Path) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Rows of the test part as a caller sends them, and what the run predicted of them."""
    schema = json.loads((run_of(project) / "schema.json").read_text(encoding="utf-8"))
    with (project / "data" / "raw" / "house_prices.csv").open(encoding="utf-8", newline="") as file:
        raw = list(csv.DictReader(file))
    with (run_of(project) / "predictions.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))[:200]
    needed = [name for name, about in schema.items() if about["role"] == "feature"]
    rows = [
        {name: _sent(raw[int(line["row"]) - 1][name], schema[name]["kind"]) for name in needed}
        for line in lines
    ]
    return rows, np.array([float(line["prediction"]) for line in lines])


def _sent(cell: str, kind: str) -> Any:
    if cell == "":
        return None
    return float(cell) if kind == "number" else cell == "True" if kind == "boolean" else cell


@contextmanager
def running(
    command: list[str], cwd: Path, env: Mapping[str, str]
) -> Iterator[tuple[Server, "subprocess.Popen[str]"]]:
    with subprocess.Popen(
        command, cwd=cwd, env=dict(env), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Server(process), process
        finally:
            process.terminate()
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def check_answers(server: Server, project: Path) -> None:
    rows, expected = measured(project)
    answer = server.ask("v1/predict", {"rows": rows}, X_API_Key=KEY)
    assert answer.status == 200, answer.body
    got = np.array([row["value"] for row in answer.json["predictions"]])
    assert np.abs(got - expected).max() < 1e-5 * expected.std()
    assert answer.json["run"] == run_of(project).name
