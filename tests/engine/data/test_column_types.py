"""Whatever type a column has, it is read as numbers, booleans, moments or text, and every command copes with it."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capstone.core.settings import Data
from capstone.data.reading import read_table
from tests.engine.data.conftest import OwnProject
from tests.support.promise import keep_promise
from tests.support.tables import QUICK_RUN, ROWS, good_table, reads

DAYS = [dt.datetime(2024, 1, 1) + dt.timedelta(days=number) for number in range(ROWS)]
NUMBERS = range(ROWS)


def with_gaps(values: list[object]) -> list[object]:
    return [None if number % 7 == 0 else value for number, value in enumerate(values)]


# name: (a column of a Parquet file, the kind of NumPy type that it is read as)
COLUMNS: dict[str, tuple[pa.Array, str]] = {
    "lists": (pa.array([[i, i + 1] for i in NUMBERS]), "text"),
    "lists of text": (pa.array([["a"]] * ROWS), "text"),
    "lists with gaps": (pa.array(with_gaps([[i] for i in NUMBERS])), "text"),
    "lists of one length": (pa.array([[1.0, 2.0]] * ROWS, pa.list_(pa.float64(), 2)), "text"),
    "records": (pa.array([{"u": i, "v": "x"} for i in NUMBERS]), "text"),
    "maps": (pa.array([[("k", i)] for i in NUMBERS], pa.map_(pa.string(), pa.int64())), "text"),
    "records in lists": (pa.array([[{"u": [i]}] for i in NUMBERS]), "text"),
    "bytes": (pa.array([bytes([i, 0, 255]) for i in NUMBERS]), "text"),
    "bytes that are text": (pa.array([b"red", b"blue"] * (ROWS // 2)), "text"),
    "bytes of one length": (pa.array([bytes([i, 255]) for i in NUMBERS], pa.binary(2)), "text"),
    "decimals": (pa.array([Decimal(f"{i}.25") for i in NUMBERS]), "f"),
    "decimals with gaps": (pa.array(with_gaps([Decimal(f"{i}.25") for i in NUMBERS])), "f"),
    "decimals of 60 digits": (
        pa.array([Decimal(f"{i}.25") for i in NUMBERS], pa.decimal256(60, 2)),
        "f",
    ),
    "lengths of time": (pa.array([dt.timedelta(seconds=i) for i in NUMBERS]), "f"),
    "lengths of time with gaps": (
        pa.array(with_gaps([dt.timedelta(seconds=i) for i in NUMBERS]), pa.duration("ns")),
        "f",
    ),
    "a dictionary": (pa.array(["u", "v"] * (ROWS // 2)).dictionary_encode(), "text"),
    "a dictionary of numbers": (pa.array([1, 2] * (ROWS // 2)).dictionary_encode(), "i"),
    "a dictionary with gaps": (pa.array(["u", None] * (ROWS // 2)).dictionary_encode(), "text"),
    "a time zone": (pa.array(DAYS, pa.timestamp("us", tz="Europe/Berlin")), "M"),
    "a fixed offset": (pa.array(DAYS, pa.timestamp("ns", tz="+05:30")), "M"),
    "moments in seconds": (pa.array(DAYS, pa.timestamp("s")), "M"),
    "days": (pa.array([day.date() for day in DAYS]), "M"),
    "days with gaps": (pa.array(with_gaps([day.date() for day in DAYS]), pa.date32()), "M"),
    "days of date64": (pa.array([day.date() for day in DAYS], pa.date64()), "M"),
    "days of the year 1": (
        pa.array([dt.date(1, 1, 1) + dt.timedelta(days=i) for i in NUMBERS]),
        "M",
    ),
    "days of the year 9999": (
        pa.array(
            [dt.datetime(9999, 12, 31) - dt.timedelta(days=i) for i in NUMBERS], pa.timestamp("s")
        ),
        "M",
    ),
    "times of day": (pa.array([dt.time(i % 24, i) for i in NUMBERS]), "text"),
    "nothing": (pa.nulls(ROWS), "O"),
    "booleans": (pa.array([True, False] * (ROWS // 2)), "b"),
    "booleans with gaps": (pa.array([True, None, False] * (ROWS // 3)), "O"),
    "large whole numbers": (pa.array([2**64 - 1 - i for i in NUMBERS], pa.uint64()), "u"),
    "large whole numbers with gaps": (
        pa.array(with_gaps([2**64 - 1 - i for i in NUMBERS]), pa.uint64()),
        "f",
    ),
    "small whole numbers with gaps": (pa.array(with_gaps([*NUMBERS]), pa.int8()), "f"),
    "numbers of 16 bits": (pa.array(np.arange(ROWS, dtype=np.float16)), "f"),
    "numbers of 32 bits": (pa.array(np.arange(ROWS, dtype=np.float32)), "f"),
    "large text": (pa.array(["u", "v"] * (ROWS // 2), pa.large_string()), "text"),
    "a view of text": (pa.array(["u", "v"] * (ROWS // 2), pa.string_view()), "text"),
}


@pytest.fixture
def parquet(own_project: OwnProject) -> Iterator[Path]:
    """Where the project's Parquet file goes."""
    path = reads(own_project(), "table.parquet")
    yield path
    path.unlink(missing_ok=True)


def write(path: Path, column: pa.Array, name: str = "odd") -> None:
    good = pa.Table.from_pandas(good_table(), preserve_index=False)
    pq.write_table(
        good.drop_columns([name] * (name in good.schema.names)).append_column(name, column), path
    )


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_read_as_a_plain_type(tmp_path: Path, name: str) -> None:
    column, kind = COLUMNS[name]
    write(tmp_path / "t.parquet", column)
    data = Data(path="t.parquet", target="y", problem="regression")
    table, how = read_table(tmp_path / "t.parquet", data)
    found = table["odd"]
    assert found.isna().sum() == column.null_count
    is_text = isinstance(found.dtype, pd.StringDtype)
    assert (
        is_text
        if kind == "text"
        else not is_text and found.dtype.kind in (kind, "M" if kind == "M" else kind)
    )
    assert ("as text: odd" in how) == (name.startswith(("lists", "records", "maps", "bytes")))


@pytest.mark.parametrize("streaming", ["never", "always"])
def test_a_run_copes_with_all_of_them(parquet: Path, streaming: str) -> None:
    project = parquet.parents[2]
    table = pa.Table.from_pandas(good_table(), preserve_index=False)
    for name, (column, _) in COLUMNS.items():
        table = table.append_column(name, column)
    pq.write_table(table, parquet)
    keep_promise(project, "data", code=0)
    keep_promise(project, *QUICK_RUN, "--set", f"data.streaming={streaming}", code=0)
    keep_promise(project, "predict", "data/raw/table.parquet", code=0)
    keep_promise(project, "explain", "--row", "2", code=0)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_target_of_any_type_is_taken_or_refused(parquet: Path, name: str) -> None:
    project = parquet.parents[2]
    write(parquet, COLUMNS[name][0], "y")
    keep_promise(project, "data", code=0)
    keep_promise(project, *QUICK_RUN, names=["y"])


def test_values_come_out_as_they_went_in(tmp_path: Path) -> None:
    columns = {
        "decimal": pa.array([Decimal("1.25"), None]),
        "seconds": pa.array([dt.timedelta(minutes=1), None]),
        "list": pa.array([[1, 2], None]),
        "latin": pa.array([b"gr\xfcn", b"red"]),
        "time": pa.array([dt.time(13, 5), None]),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    data = Data(path="t.parquet", target="y", problem="regression")
    table, _ = read_table(tmp_path / "t.parquet", data)
    first = table.iloc[0].to_dict()
    assert first["decimal"] == 1.25
    assert first["seconds"] == 60
    assert first["list"] == "[1, 2]"
    assert first["latin"] == b"gr\xfcn".hex()
    assert first["time"].startswith("13:05")


def test_an_index_with_a_name_is_a_column_and_row_numbers_are_none(tmp_path: Path) -> None:
    good_table().assign(id=[f"c{i}" for i in NUMBERS]).set_index("id").to_parquet(
        tmp_path / "named.parquet"
    )
    good_table().iloc[::-1].to_parquet(tmp_path / "plain.parquet")
    data = Data(path="t.parquet", target="y", problem="regression")
    assert [*read_table(tmp_path / "named.parquet", data)[0]] == ["size", "colour", "y", "id"]
    assert [*read_table(tmp_path / "plain.parquet", data)[0]] == ["size", "colour", "y"]


CELLS: dict[str, list[object]] = {
    "numbers and text": [1, "two"],
    "booleans and text": [True, "no"],
    "booleans and numbers": [True, 2.5],
    "moments": [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2, 3, 4)],
    "moments and text": [dt.datetime(2024, 1, 1), "soon"],
    "times of day": [dt.time(1), dt.time(2)],
    "lengths of time": [dt.timedelta(hours=1), dt.timedelta(hours=30)],
    "errors of formulas": ["#DIV/0!", 1.5],
    "long numbers": [10**30, 10**31],
}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("column", ["odd", "y"])
def test_a_column_of_excel_may_hold_anything(
    own_project: OwnProject, name: str, column: str
) -> None:
    project = own_project()
    values = [*CELLS[name], None] * (ROWS // 3)
    path = reads(project, "table.xlsx")
    good_table().assign(**{column: pd.Series(values, dtype=object)}).to_excel(path, index=False)
    keep_promise(project, "data", code=0)
    keep_promise(project, *QUICK_RUN, names=[column])
