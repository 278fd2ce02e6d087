"""Projects of a student's own table, one for each problem, that the tests of a module share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.helpers import PROBLEMS, Render

OwnProject = Callable[..., Path]


@pytest.fixture(scope="module")
def own_project(render: Render, tmp_path_factory: pytest.TempPathFactory) -> OwnProject:
    """`own_project("binary")` gives a project on data/raw/table.csv with the target y; the table isn't there yet."""
    made: dict[str, Path] = {}

    def project(problem: str = "regression") -> Path:
        assert problem in PROBLEMS
        if problem not in made:
            answers = {"data_source": "own", "data_path": "data/raw/table.csv"}
            source = render(problem=problem, target_column="y", **answers)
            target = tmp_path_factory.mktemp("own") / "my-capstone"
            made[problem] = Path(shutil.copytree(source, target))
            (target / "data" / "raw").mkdir(parents=True, exist_ok=True)
        return made[problem]

    return project
