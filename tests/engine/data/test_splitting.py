"""The parts share nothing: no row, no copy of a row, no group, no moment in time."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capstone.core.errors import CapstoneError
from capstone.core.settings import Settings
from capstone.data.splitting import Parts, assign_folds, duplicate_groups, split_rows

METHODS = ("random", "stratified", "group", "time")


def some_table(seed: int, rows: int = 400) -> pd.DataFrame:
    """Small numbers, so that many rows are copies of each other; groups and days of some rows each."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "id": [f"r{number}" for number in range(rows)],
            "a": rng.integers(0, 12, rows),
            "b": rng.choice(["x", "y"], rows),
            "person": rng.integers(0, 60, rows),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 90, rows), "D"),
            "y": rng.choice(["no", "yes"], rows, p=[0.7, 0.3]),
        }
    )
    copies = table.sample(40, random_state=seed)
    table = pd.concat([table, copies]).sample(frac=1, random_state=seed)
    table["day"] = table["day"].dt.strftime("%Y-%m-%d")
    return table.set_index(pd.RangeIndex(1, len(table) + 1, name="row"))


def asked(method: str, seed: int = 1, members: int = 1, **data: Any) -> Settings:
    values = {
        "network": {"members": members},
        "seed": seed,
        "data": {"path": "t.csv", "target": "y", "problem": "binary", "id": "id", **data},
        "split": {"method": method, "group_column": "person", "time_column": "day"},
    }
    return Settings.model_validate(values)


def parts_of(table: pd.DataFrame, method: str, seed: int = 1, **data: Any) -> Parts:
    return split_rows(table, table["y"], asked(method, seed, **data))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), method=st.sampled_from(METHODS))
def test_several_members_share_the_training_part_in_folds_that_share_nothing(
    seed: int, method: str
) -> None:
    table, several = some_table(seed), asked(method, seed, members=8)
    one = parts_of(table, method, seed)
    parts = split_rows(table, table["y"], several)
    assert set(parts["train"]) == {*one["train"], *one["validation"]}
    assert set(parts["test"]) == set(one["test"])
    folds = assign_folds(table, table["y"], parts["train"], several)
    assert folds is not None and set(folds) == set(range(8))
    train = table.loc[parts["train"]]
    together = train["person"] if method == "group" else duplicate_groups(train, "id")
    assert (pd.Series(folds).groupby(np.asarray(together)).nunique() == 1).all()
    if method == "stratified":
        shares = pd.Series((train["y"] == "yes").to_numpy()).groupby(folds).mean()
        assert shares.max() - shares.min() < 0.15


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), method=st.sampled_from(METHODS))
def test_no_row_and_no_copy_of_a_row_is_in_two_parts(seed: int, method: str) -> None:
    table = some_table(seed)
    parts = parts_of(table, method, seed)
    copies = dict(zip(table.index, duplicate_groups(table, "id"), strict=True))
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not set(parts[first]) & set(parts[second])
        assert not {copies[row] for row in parts[first]} & {copies[row] for row in parts[second]}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_group_is_in_one_part_alone(seed: int) -> None:
    table = some_table(seed)
    people = [set(table.loc[rows, "person"]) for rows in parts_of(table, "group", seed).values()]
    assert sum(map(len, people)) == len(set().union(*people))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_training_is_before_validation_and_validation_before_test(seed: int) -> None:
    table = some_table(seed)
    parts = parts_of(table, "time", seed)
    days = {part: table.loc[rows, "day"] for part, rows in parts.items()}
    assert days["train"].max() < days["validation"].min()
    assert days["validation"].max() < days["test"].min()


@pytest.mark.parametrize("method", ["random", "stratified", "group"])
def test_every_row_is_used_and_the_shares_are_those_asked_for(method: str) -> None:
    table = some_table(3, rows=3000)
    parts = parts_of(table, method)
    assert sum(map(len, parts.values())) == len(table)
    assert len(parts["test"]) / len(table) == pytest.approx(0.2, abs=0.06)
    assert len(parts["validation"]) / len(table) == pytest.approx(0.2, abs=0.06)


def test_stratified_parts_have_the_classes_in_equal_shares() -> None:
    table = some_table(5, rows=3000).drop_duplicates()
    parts = parts_of(table, "stratified")
    shares = [(table.loc[rows, "y"] == "yes").mean() for rows in parts.values()]
    assert max(shares) - min(shares) < 0.03


@pytest.mark.parametrize("method", ["random", "stratified", "group"])
def test_the_seed_decides(method: str) -> None:
    table = some_table(7)
    first, again, other = (parts_of(table, method, seed) for seed in (1, 1, 2))
    assert all(first[part].equals(again[part]) for part in first)
    assert not first["test"].equals(other["test"])


def test_a_moment_that_is_missing_is_named() -> None:
    table = some_table(9)
    table.loc[17, "day"] = None
    with pytest.raises(CapstoneError, match=r'time_column "day" is missing in row 17'):
        parts_of(table, "time")


def test_a_group_that_is_missing_is_named() -> None:
    table = some_table(9).astype({"person": "float"})
    table.loc[17, "person"] = None
    with pytest.raises(CapstoneError, match=r'group_column "person" is missing in row 17'):
        parts_of(table, "group")


def test_a_column_that_is_no_time_is_named() -> None:
    table = some_table(9).assign(day="soon")
    with pytest.raises(CapstoneError, match="holds no dates or numbers"):
        parts_of(table, "time")


def test_a_part_without_a_class_is_named() -> None:
    table = some_table(9).drop_duplicates("id").drop_duplicates(["a", "b", "person"])
    table["y"] = np.where(table["day"] > "2024-03-20", "yes", "no")
    with pytest.raises(CapstoneError, match='train part has no row of class "yes"'):
        parts_of(table, "time")
