"""What is said of columns and targets that need mending: true, and with a line for clean() that does it."""

import ast
import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import capstone
from capstone.core.errors import CapstoneError
from capstone.core.settings import Data
from capstone.data.mends import find_mends
from capstone.data.reading import read_table
from capstone.data.spellings import changed_meaning
from capstone.data.validation import check_columns, check_target, notes_on_columns
from tests.support.helpers import tool

SUITE, LONG = 60, 2000  # made-up targets
rng = np.random.default_rng(0)
PLACE = "src/my_capstone/features.py"
EUROS = [f"{v:,.2f}".translate(str.maketrans(",.", ".,")) for v in rng.uniform(10, 3000, 90)]


def data(problem: str) -> Data:
    return Data.model_validate({"path": "x", "target": "y", "problem": problem})


def done(sentence: str, table: pd.DataFrame) -> pd.DataFrame:
    """The table after the line for clean() that a sentence names, written as it says."""
    lines = re.search(r"write in clean\(\)[^:]*: (.+) \((with .+)\)", sentence)
    assert lines, sentence
    code, imports = lines.groups()
    names = {"table": table.copy()}
    exec("\n".join(re.findall(r"`(.+?)`", imports)), names)
    exec(code, names)
    return names["table"]


TARGETS = {  # name: the column, the problem, the classes or the kind that it has to be after the line
    "five spellings": (["ja", "Ja", "JA", "nein", "Nein"] * 20, "binary", 2),
    "spellings and a placeholder": (["yes", "Y", "No", "no", "n/a"] * 20, "binary", 2),
    "two languages' short forms": (["sim", "Sim", "não", "NAO", "n"] * 20, "binary", 2),
    "999 among 0 and 1": ([0, 1, 0, 1, 999] * 20, "binary", 2),
    "a spelling seen once": (["A"] * 50 + ["B"] * 50 + ["b"], "multiclass", 2),
    "amounts in text": ([*EUROS, "k.A."], "regression", 90),
    "amounts with a currency": ([f"€ {text}" for text in EUROS], "regression", 90),
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_line_for_a_target_mends_it(name: str) -> None:
    values, problem, different = TARGETS[name]
    table = pd.DataFrame({"y": values})
    with pytest.raises(CapstoneError) as error:
        check_target(table["y"], data(problem))
    assert "set [data] problem" not in str(error.value)
    mended = check_target(done(str(error.value), table)["y"], data(problem))
    assert mended.nunique() == different
    assert "y" not in done(str(error.value), table.rename(columns={"y": "z"}))


@pytest.mark.parametrize(
    ("values", "problem", "advice"),
    [
        (rng.integers(18, 91, 300), "binary", 'problem = "regression"'),
        (rng.integers(18, 91, 300), "multiclass", 'problem = "regression"'),
        (rng.normal(size=300), "multiclass", 'problem = "regression"'),
        (EUROS, "binary", 'problem = "regression", and mend it: all cells are numbers'),
        ([0, 1, 2] * 50, "binary", 'problem = "multiclass"'),
        (["low", "middle", "high"] * 50, "binary", 'problem = "multiclass"'),
        (["ja", "Ja", "nein", "vielleicht"] * 50, "binary", "3 classes (in 4 spellings)"),
        (["good", "bad"] * 50, "regression", 'problem = "binary"'),
        (["good", "bad", "so so"] * 50, "regression", 'problem = "multiclass"'),
        ([f"word {i}" for i in range(150)] * 5, "multiclass", "name another target"),
    ],
)
def test_a_target_of_another_kind_is_called_by_its_name(
    values: list[object], problem: str, advice: str
) -> None:
    with pytest.raises(CapstoneError, match=re.escape(advice)):
        check_target(pd.Series(values, name="y"), data(problem))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (rng.integers(1, 31, 3000), "multiclass"),  # codes of thirty classes
        ([1.0, 1.3, 1.7, 2.0] * 30, "multiclass"),
        ([True, False] * 30, "binary"),
        (["AA", "BB", "CC"] * 30, "multiclass"),
    ],
)
def test_classes_are_not_talked_out_of(values: list[object], problem: str) -> None:
    assert len(check_target(pd.Series(values, name="y"), data(problem))) == len(values)


COLUMNS = {
    "amounts": [f"{v:.2f} €".replace(".", ",") for v in rng.uniform(10, 3000, 100)],
    "thousands": [f"{v:,}" for v in rng.integers(1000, 99999, 100)],
    "numbers and a placeholder": ["5", "7", "k.A.", "9"] * 30,
    "numbers and remarks": [*map(str, range(100)), "about 3"],
}


@pytest.mark.parametrize("name", COLUMNS)
def test_the_line_for_a_column_makes_it_numbers(name: str) -> None:
    table = pd.DataFrame({"x": COLUMNS[name]})
    with pytest.raises(CapstoneError) as error:
        check_columns(table, data("binary"), PLACE)
    assert PLACE in str(error.value)
    mended = done(str(error.value), table)
    assert pd.api.types.is_numeric_dtype(mended["x"])
    check_columns(mended, data("binary"), PLACE)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ([f"{v} %" for v in rng.integers(0, 30, 100)], True),
        (np.where(np.arange(100) % 9 == 0, -1, rng.integers(20, 60, 100)), True),  # a fee
        (np.where(np.arange(100) % 9 == 0, 999, rng.integers(20, 60, 100)), True),  # an age
        (["north", "south", "-", "North"] * 25, True),
        ([-1, 0, 1, 2] * 25, False),  # a scale
        (["a12", "b13"] * 50, False),
        (["3 of 5", "4 of 5"] * 50, False),
        (rng.normal(size=100), False),
    ],
)
def test_a_run_names_what_is_not_mended(values: list[object], named: bool) -> None:
    table = pd.DataFrame({"x": values})
    check_columns(table, data("binary"), PLACE)
    assert bool(notes_on_columns(table)) is named


@pytest.mark.parametrize(
    ("text", "first", "how"),
    [
        ("a;b\n1.986,90;1\n5,00;2\n", 1986.9, "decimal comma"),
        ("a;b\n31 250,5;1\n2,0;2\n", 31250.5, "decimal comma"),
        ("a;b\n1.234;3,5\n5.678;4\n", 1234, "decimal comma"),  # the other column says it
        ('a,b\n"1.986,90",1\n"5,00",2\n', 1986.9, "separated by"),
        ('a,b\n"1,986.90",1\n"5.00",2\n', 1986.9, "separated by"),
        ("a;b\n1.234;1\n5.678;2\n", 1.234, "such as 1.234 (if that is 1234, set [data] decimal"),
        ('a,b\n"1,234",1\n"5,678",2\n', "1,234", "separated by"),  # either way: left as it is
        ("a;b\n41,89;1\nk.A.;2\n", "41,89", "separated by"),
        ("a;b\n15.01.2015;1\n16.02.2015;2\n", "15.01.2015", "separated by"),
        ("a;b\n0.123;1\n5.678;2\n", 0.123, 'separated by ";"'),
        ("a;b\n12;1\n;2\n", 12, 'separated by ";"'),  # whole numbers with a gap
    ],
)
def test_only_what_is_unmistakable_is_read_as_numbers(
    text: str, first: object, how: str, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    table, said = read_table(path, data("regression"))
    assert table["a"].iloc[0] == first
    assert how in said
    if "if that is" not in how:
        assert "if that is" not in said


WORDS = {"ja": ["Ja", "JA", "j"], "nein": ["Nein", "N"], "vielleicht": ["Vielleicht "]}


SPELT = [spelling for word, others in WORDS.items() for spelling in (word, *others)]


def written(values: list[float], how: str) -> list[str]:
    plain = [f"{value:,.2f}" for value in values]
    german = [text.translate(str.maketrans(",.", ".,")) for text in plain]
    return {
        "plain": plain,
        "german": german,
        "euro": [f"€ {text}" for text in german],
        "unit": [f"{text} kg" for text in plain],
    }[how]


@settings(max_examples=SUITE, deadline=None)
@given(
    words=st.lists(st.sampled_from(SPELT), min_size=3, max_size=30),
    numbers=st.lists(st.floats(0, 1e6).map(lambda x: round(x, 2)), min_size=3, max_size=30),
    how=st.sampled_from(["plain", "german", "euro", "unit"]),
)
def test_what_a_mend_does_changes_no_meaning(
    words: list[str], numbers: list[float], how: str
) -> None:
    for values in (words, written(numbers, how)):
        before = pd.Series(values, name="y")
        after = find_mends(before.to_frame())[0]["y"]
        assert not changed_meaning(before, after).any()


@settings(max_examples=SUITE, deadline=None)
@given(
    values=st.lists(st.sampled_from(["ja", "nein", "1", "0", "left", "stayed"]), min_size=4),
    numbers=st.lists(st.integers(2, 10**6), min_size=4, unique=True),
)
def test_an_answer_turned_round_is_an_alarm(values: list[str], numbers: list[int]) -> None:
    turned = {"ja": "nein", "nein": "ja", "1": "0", "0": "1", "left": "stayed", "stayed": "left"}
    before = pd.Series(values)
    assert changed_meaning(before, before.map(turned)).all()
    amounts = pd.Series(numbers)
    assert changed_meaning(amounts, np.log(amounts)).all()
    assert changed_meaning(amounts.map(lambda value: f"{value},5 €"), amounts / 10).all()
    assert changed_meaning(pd.Series([None] * 4), pd.Series([0.0] * 4)).all(), "a gap filled"


def test_lines_call_what_the_package_offers() -> None:
    table = pd.DataFrame({"a": EUROS, "b": ["north", "North", "-"] * 30, "c": [-1, *range(89)]})
    for mend in find_mends(table)[1]:
        called = {node.id for node in ast.walk(ast.parse(mend.line)) if isinstance(node, ast.Name)}
        assert called - {"table", "np"} <= set(capstone.__all__)


@pytest.mark.parametrize("is_target", [False, True])
def test_a_line_that_is_too_long_is_shown_as_a_formatter_would_break_it(is_target: bool) -> None:
    words = [f"a long word number {n}" for n in range(4)]
    table = pd.DataFrame({"x": [*words, *map(str.title, words)] * 5})
    (mend,) = find_mends(table)[1]
    shown = mend.at_the_margin(is_target) + "\n"
    assert shown.count("\n") > 5
    command = [tool("ruff"), "format", "--line-length", "100", "-"]
    formatted = subprocess.run(command, input=shown, capture_output=True, text=True, check=True)
    assert formatted.stdout == shown
