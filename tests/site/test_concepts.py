"""Each of the chapter's concepts leads to a place that exists."""

from typing import Any

import pytest
import yaml
from typer.main import get_command

from capstone.commands.app import app
from site_tools.project import lines_of
from tests.support.helpers import ROOT, SIMS, Render

GROUPS = yaml.safe_load((ROOT / "docs" / "concepts.yml").read_text(encoding="utf-8"))
CONCEPTS = [concept for group in GROUPS for concept in group["concepts"]]


def test_the_chapter_has_55_concepts_each_once() -> None:
    assert [len(group["concepts"]) for group in GROUPS] == [20, 20, 10, 5]
    assert len({concept["name"] for concept in CONCEPTS}) == 55


def test_each_is_told_in_one_sentence_of_its_own() -> None:
    sentences = [concept["about"] for concept in CONCEPTS]
    assert len(set(sentences)) == 55
    for sentence in sentences:
        assert sentence.endswith(".") and sentence.count(". ") == 0, sentence


@pytest.mark.parametrize("concept", CONCEPTS, ids=lambda concept: concept["name"])
def test_its_place_exists(render: Render, concept: dict[str, Any]) -> None:
    [kind] = {"file", "command", "sim"} & set(concept)
    assert set(concept) - {"symbol", "needs"} == {"name", "about", kind}
    if kind == "sim":
        assert (SIMS / concept["sim"] / "index.html").is_file()
    elif kind == "command":
        assert concept["command"] in get_command(app).commands  # type: ignore[attr-defined]
    else:
        path = render() / concept["file"].format(package="my_capstone")
        assert path.is_file(), f"{concept['file']} is not in the project"
        if "symbol" in concept:
            assert concept["symbol"] in lines_of(path)


def test_a_symbol_that_is_gone_is_noticed(render: Render) -> None:
    network = render() / "src" / "my_capstone" / "network.py"
    assert "NeuralNetwork.forward" in lines_of(network)
    assert "NeuralNetwork.backward" not in lines_of(network)
    assert "network.hiden" not in lines_of(render() / "capstone.toml")
