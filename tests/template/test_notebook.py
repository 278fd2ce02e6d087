"""The notebook of each project: every cell runs, and NumPy and torch agree."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.helpers import Render, printed_by

FILE = Path("notebooks") / "from_scratch.ipynb"


@pytest.fixture(scope="module")
def cells(render: Render) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((render() / FILE).read_text(encoding="utf-8"))["cells"]
    return found


def code_of(cells: list[dict[str, Any]]) -> str:
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def test_it_holds_no_output(cells: list[dict[str, Any]]) -> None:
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 10
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_its_cells_run_and_both_networks_agree(cells: list[dict[str, Any]]) -> None:
    printed = printed_by(code_of(cells))
    assert "AND: 100% right, XOR: 50% right" in printed
    assert "XOR learnt: [0. 1. 1. 0.]" in printed
    assert "The gradients agree." in printed
    difference = float(printed.rpartition("greatest difference in 500 updates: ")[2])
    assert difference < 1e-6


def test_it_draws_what_it_tells(cells: list[dict[str, Any]]) -> None:
    """A cell that draws ends with its figure, so that Jupyter shows it."""
    last = [ast.parse(code_of([cell])).body[-1] for cell in cells if cell["cell_type"] == "code"]
    shown = [ast.unparse(line) for line in last if isinstance(line, ast.Expr)]
    drawn = [line for line in shown if line.startswith(("px.", "figure", "draw_boundary"))]
    assert (
        len(drawn) == 6
    )  # XOR by hand and learnt, activations, loss, gradients by layer, both losses


def test_a_wrong_derivative_would_be_noticed(cells: list[dict[str, Any]]) -> None:
    right = code_of(cells)
    wrong = right.replace("d_w2 = a1.T @ d_output", "d_w2 = 1.001 * (a1.T @ d_output)")
    assert wrong != right
    with pytest.raises(AssertionError):
        printed_by(wrong)
