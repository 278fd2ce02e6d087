"""Targets that 32-bit numbers can't hold or tell apart are refused, with what to do; any input is scaled or refused."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.engine.data.conftest import OwnProject
from tests.support.promise import keep_promise
from tests.support.tables import QUICK_RUN, ROWS, good_table, reads

NOISE = np.random.default_rng(1).normal(size=ROWS)


def but(*rows: int, value: float = 1.0, rest: float = 0.0) -> np.ndarray:
    """The same value everywhere but in these rows."""
    values = np.full(ROWS, rest)
    values[list(rows)] = value
    return values


LARGE, SMALL, FINE = (
    "too large for a network",
    "too little for 32-bit",
    "too little for numbers of 7",
)
# name: (the target, what the sentence says, or "" where a run goes well)
TARGETS: dict[str, tuple[object, str]] = {
    **{f"{size:g}": (NOISE * size, LARGE) for size in (1e31, 1e38, 1e39, 1e50, 1e98, 1e150)},
    **{f"{size:g}": (NOISE * size, SMALL) for size in (1e-32, 1e-45, 1e-160, 1e-300)},
    "1e28": (NOISE * 1e28, ""),
    "1e-20": (NOISE * 1e-20, ""),
    "numbers below all normal ones": (np.arange(ROWS) * 5e-324, SMALL),
    "1e98 with noise": (1e98 * (1 + NOISE / 1000), LARGE),
    "1e15 with noise": (1e15 + NOISE, FINE),
    "1e8 with noise": (1e8 + NOISE, FINE),
    "1e5 with noise": (1e5 + NOISE * 10, ""),
    "whole numbers beyond 2**53": ([2**53 + row for row in range(ROWS)], FINE),
    "whole numbers beyond 2**63": ([2**63 + row for row in range(ROWS)], FINE),
    "whole numbers beyond 2**64": ([2**70 + row for row in range(ROWS)], FINE),
    "constant": (but(), "0 in every row"),
    "zero of both signs": (np.where(NOISE > 0, 0.0, -0.0), "0 in every row"),
    "constant but for one row": (but(7), "is 0 in all rows of the test part"),
    "constant but for two rows": (but(7, 30), "is 0 in all rows of the test part"),
    "one row far off": (but(5, value=1e90), LARGE),
    "infinite": (np.where(np.arange(ROWS) == 5, np.inf, NOISE), LARGE),
    "minus infinite": (np.where(np.arange(ROWS) == 5, -np.inf, NOISE), LARGE),
    "booleans": (NOISE > 0, '"False" in row|"True" in row'),
    "booleans with gaps": (
        pd.Series(NOISE > 0).astype(object).where(NOISE < 1),
        "regression needs",
    ),
    "days": (pd.date_range("2024-01-01", periods=ROWS), '"2024-01-01" in row 1'),
    "zero or one": ((NOISE > 0).astype(int), ""),
}


@pytest.fixture
def path(own_project: OwnProject) -> Iterator[Path]:
    path = reads(own_project(), "table.parquet")
    yield path
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("name", TARGETS)
def test_a_target_is_learnt_or_refused(own_project: OwnProject, name: str, kind: str) -> None:
    values, sentence = TARGETS[name]
    project = own_project()
    path = reads(project, f"table.{kind}")
    table = good_table().assign(y=values)
    if kind == "csv":
        table.to_csv(path, index=False)
    elif "beyond 2**6" in name:
        pytest.skip("Parquet has no whole numbers of more than 64 bits")
    else:
        table.to_parquet(path)
    noticed = keep_promise(project, "data", code=0)
    ended = keep_promise(
        project, *QUICK_RUN, code=2 if sentence else 0, names=["y"] * bool(sentence)
    )
    assert not sentence or any(part in ended.err for part in sentence.split("|")), ended.err
    if sentence in (LARGE, SMALL, FINE):
        assert sentence in " ".join(noticed.out.split()), "capstone data says so before"
    if not sentence:
        keep_promise(project, "report", code=0)
    path.unlink()


def test_a_table_in_blocks_is_held_to_the_same(path: Path) -> None:
    blocks = ("--set", "data.streaming=always")
    for name, (values, sentence) in TARGETS.items():
        if sentence in (LARGE, SMALL, FINE) and "beyond 2**6" not in name:
            good_table().assign(y=values).to_parquet(path)
            ended = keep_promise(path.parents[2], *QUICK_RUN, *blocks, code=2, names=["y"])
            assert sentence in ended.err


def test_inputs_of_any_size_are_scaled(path: Path) -> None:
    """All that a target may not be, as columns of one table; and what can't be scaled is refused by name."""
    scaled = {
        name.replace(" ", "_"): values
        for name, (values, _) in TARGETS.items()
        if name not in ("1e+150", "one row far off")
        and "infinite" not in name
        and "beyond" not in name
    }
    project = path.parents[2]
    good_table().assign(**scaled).to_parquet(path)
    for command in (("data",), QUICK_RUN, ("report",), ("explain", "--row", "2")):
        keep_promise(project, *command, code=0)
    for name in ("1e+150", "infinite", "minus infinite"):
        good_table().assign(far=TARGETS[name][0]).to_parquet(path)
        keep_promise(project, "data", code=0)
        keep_promise(project, *QUICK_RUN, code=2, names=["far"])
