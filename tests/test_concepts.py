"""Each of the chapter's concepts leads to a place that exists."""

import ast
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from capstone.cli import app
from tests.helpers import ROOT, SIMS, Render

GROUPS = yaml.safe_load((ROOT / "docs" / "concepts.yml").read_text(encoding="utf-8"))
CONCEPTS = [concept for group in GROUPS for concept in group["concepts"]]


def python_names(text: str) -> set[str]:
    """Classes, functions and constants of a module; methods as "Class.method"."""
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [item.name for item in node.body if isinstance(item, ast.FunctionDef)]
            found |= {f"{node.name}.{name}" for name in methods}
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def toml_keys(table: dict[str, Any], before: str = "") -> set[str]:
    """Every key of a TOML file, as "section.key"."""
    found = {before + key for key in table}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= toml_keys(value, f"{before}{key}.")
    return found


def headings(text: str) -> set[str]:
    return set(re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE))


def symbols_of(path: Path) -> set[str]:
    """What a concept may point to in this file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return python_names(text)
    if path.suffix == ".toml":
        return toml_keys(tomllib.loads(text))
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] != "code")
    return headings(text)


def test_the_chapter_has_55_concepts_each_once() -> None:
    assert [len(group["concepts"]) for group in GROUPS] == [20, 20, 10, 5]
    assert len({concept["name"] for concept in CONCEPTS}) == 55


def test_each_is_told_in_one_sentence_of_its_own() -> None:
    sentences = [concept["about"] for concept in CONCEPTS]
    assert len(set(sentences)) == 55
    for sentence in sentences:
        assert sentence.endswith(".") and sentence.count(". ") == 0, sentence


@pytest.mark.parametrize("concept", CONCEPTS, ids=lambda concept: concept["name"])
def test_its_place_exists(render: Render, concept: dict[str, str]) -> None:
    [kind] = {"file", "command", "sim"} & set(concept)
    assert set(concept) - {"symbol"} == {"name", "about", kind}
    if kind == "sim":
        assert (SIMS / concept["sim"] / "index.html").is_file()
    elif kind == "command":
        assert concept["command"] in get_command(app).commands  # type: ignore[attr-defined]
    else:
        path = render() / concept["file"].format(package="my_capstone")
        assert path.is_file(), f"{concept['file']} is not in the project"
        if "symbol" in concept:
            assert concept["symbol"] in symbols_of(path)


def test_a_symbol_that_is_gone_is_noticed(render: Render) -> None:
    network = render() / "src" / "my_capstone" / "network.py"
    assert "NeuralNetwork.forward" in symbols_of(network)
    assert "NeuralNetwork.backward" not in symbols_of(network)
    assert "network.hiden" not in symbols_of(render() / "capstone.toml")
