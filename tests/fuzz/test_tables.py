"""Any table, any bytes and any settings: `capstone data` and `capstone run` end well, or with one sentence."""

import gzip
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from capstone.core.settings import Settings
from tests.support.helpers import Render
from tests.support.promise import keep_promise
from tests.support.tables import QUICK_RUN, good_table, reads

SUITE, LONG = 40, 6_000  # inputs that are tried
ROUNDS = 10  # of the long test, each with a seed of its own: an example is found again by it
SEED = 2611

NUMBERS = st.one_of(
    st.integers(-5, 5).map(float),
    st.floats(),
    st.sampled_from([1e38, -1e39, 1e98, 1e-300, 5e-324, 1e15, 2.0**53, float("inf"), float("nan")]),
)
WORDS = st.one_of(
    st.sampled_from(
        ["yes", "no", "", " ", "NA", "None", "nan", "1", "1.0", "1,5", "2024-01-31", "31.01.2024"]
    ),
    st.sampled_from(
        ["now", "True", "inf", "1e400", "=1+1", "[/b]", "<b>", "\u202e", "\x1b[31m", "a\nb", '"']
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)
NAMES = st.one_of(st.sampled_from(["a", "b", "c d", "prediction", "row", "y "]), WORDS)
VALUES: tuple[st.SearchStrategy[Any], ...] = (
    NUMBERS,
    WORDS,
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1]),
    st.dates().map(str),
    st.datetimes(),
    st.one_of(NUMBERS, WORDS, st.booleans()),
    st.lists(st.integers(), max_size=2),
    st.decimals(
        allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9
    ),
    st.timedeltas(),
    st.binary(max_size=4),
)
FORMS = ("csv", "csv", "parquet", "parquet", "xlsx", "csv.gz", "tsv")


@st.composite
def columns(draw: st.DrawFn, rows: int) -> list[Any]:
    """A column of one kind or of several, of few values or many, with gaps or without."""
    values = draw(st.sampled_from(VALUES))
    known = draw(st.lists(values, min_size=1, max_size=draw(st.sampled_from([1, 2, 8, 40]))))
    if draw(st.booleans()):
        known.append(None)
    order = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).integers(len(known), size=rows)
    return [known[place] for place in order]


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Rows and columns of anything, with a target called y most of the time."""
    rows = draw(st.sampled_from([1, 2, 19, 25, 60]))
    names = draw(st.lists(NAMES, max_size=4, unique=True))
    if draw(st.integers(0, 9)):
        names = [*[name for name in names if name != "y"], "y"]
    table = pd.DataFrame(index=range(rows))
    for name in names:
        table[name] = pd.Series(draw(columns(rows)), dtype=draw(st.sampled_from([object, None])))
    if draw(st.booleans()):  # fit for a run, but for one column
        good = good_table()
        table = good.assign(odd=pd.Series(draw(columns(len(good))), dtype=object))
    return table


def as_bytes(table: pd.DataFrame, form: str) -> bytes:
    """A table as the bytes of a file; what a form can't hold is written as text."""
    buffer = io.BytesIO()
    if form in ("csv", "csv.gz", "tsv"):
        text = table.to_csv(index=False, sep="\t" if form == "tsv" else ",")
        encoded = text.encode("utf-8", "replace")
        return gzip.compress(encoded, mtime=0) if form == "csv.gz" else encoded
    try:
        table.to_parquet(buffer) if form == "parquet" else table.to_excel(buffer, index=False)
    except Exception:  # e.g. whole numbers of more than 64 bits; control characters in Excel
        buffer = io.BytesIO()
        # Without brackets: what looks like Python is to be ours, not the table's own.
        as_text = table.astype(object).map(lambda cell: str(cell).replace("(", "["))
        as_text.to_parquet(buffer)
    return buffer.getvalue()


@st.composite
def files(draw: st.DrawFn) -> tuple[str, bytes]:
    """The ending of a table's file and its bytes, changed here and there in one of three."""
    form = draw(st.sampled_from(FORMS))
    content = bytearray(as_bytes(draw(tables()), form))
    if not draw(st.integers(0, 2)):
        for _ in range(draw(st.integers(1, 4))):
            place = (
                draw(st.integers(0, 1000)) * len(content) // 1000
            )  # a workbook holds the time of day
            change = draw(st.sampled_from(["cut", "insert", "replace", "repeat"]))
            some = draw(
                st.one_of(
                    st.binary(min_size=1, max_size=8),
                    st.sampled_from([b'"', b",", b"\r", b"\0", b"\xff\xfe"]),
                )
            )
            match change:
                case "cut":
                    del content[place:]
                case "insert":
                    content[place:place] = some
                case "replace":
                    content[place : place + len(some)] = some
                case "repeat":
                    content += content[place : place + 200]
    if not draw(st.integers(0, 9)):
        form = draw(st.sampled_from(FORMS))  # called what it isn't
    return form, bytes(content)


@st.composite
def changes(draw: st.DrawFn) -> list[str]:
    """Some values for [data], [split] and the rest that fit or don't, as --set takes them."""
    sections = {name: field.annotation for name, field in Settings.model_fields.items()}
    written = []
    for _ in range(draw(st.integers(1, 3))):
        section = draw(
            st.sampled_from(
                ["data", "split", "preprocessing", "evaluation", "decision", "network", "seed"]
            )
        )
        fields = getattr(sections[section], "model_fields", {})
        key = f"{section}.{draw(st.sampled_from(sorted(fields)))}" if fields else section
        value = draw(
            st.one_of(
                st.sampled_from(
                    [
                        "true",
                        "inf",
                        "nan",
                        "-1",
                        "0",
                        "1",
                        "2",
                        "0.5",
                        "1e300",
                        "[]",
                        "{}",
                        "auto",
                        "always",
                    ]
                ),
                st.sampled_from(
                    [
                        "binary",
                        "multiclass",
                        "regression",
                        "time",
                        "group",
                        "stratified",
                        "y",
                        "size",
                        "colour",
                    ]
                ),
                st.sampled_from([[], [1], ["size"], ["colour"], ["y"], ["nope"], [["size"]]]).map(
                    json.dumps
                ),
                WORDS.map(json.dumps),
                WORDS,
            )
        )
        written.append(f"{key}={value}")
    return written


@pytest.fixture(scope="module")
def own(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = render(data_source="own", data_path="data/raw/table.csv", target_column="y")
    project = Path(shutil.copytree(source, tmp_path_factory.mktemp("own") / "my-capstone"))
    (project / "data" / "raw").mkdir(parents=True, exist_ok=True)
    return project


def try_one(project: Path, form: str, content: bytes, options: list[str]) -> None:
    """Both commands on one table. A run is made anew each time, so that nothing piles up."""
    path = reads(project, f"table.{form}")
    path.write_bytes(content)
    try:
        keep_promise(project, "data")
        keep_promise(
            project, *QUICK_RUN, *[word for change in options for word in ("--set", change)]
        )
    finally:
        path.unlink()
        shutil.rmtree(project / "runs", ignore_errors=True)


def held_for(project: Path, examples: int, number: int = SEED) -> int:
    """Try so many inputs, and count them; which they are is the seed's matter."""
    tried = 0

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(files(), st.one_of(st.just([]), st.just([]), changes()))
    def hold(file: tuple[str, bytes], options: list[str]) -> None:
        nonlocal tried
        tried += 1
        try_one(project, *file, options)

    hold()
    return tried


def test_any_table_is_shown_and_learnt_or_refused(own: Path) -> None:
    assert held_for(own, SUITE) >= SUITE / 2


@pytest.mark.long
def test_thousands_of_tables_are_shown_and_learnt_or_refused(own: Path) -> None:
    tried = 0
    for number in range(ROUNDS):
        tried += held_for(own, LONG // ROUNDS, SEED + number)
        print(f"tables: {tried:,} inputs tried, the last with seed {SEED + number}")
    assert tried > LONG / 2
