"""The page on what is tried counts what pytest finds, and nothing else."""

from pathlib import Path

import pytest

from site_tools import tried
from site_tools.tried import OTHER, Module, collect, mechanism_of, page

FUZZ = '''"""No table ends in a traceback. Whatever it holds."""

import pytest

SUITE, LONG = 40, 40_000


def test_some() -> None: ...


@pytest.mark.long
@pytest.mark.parametrize("part", range(3))
def test_many(part: int) -> None: ...
'''
CASES = """import pytest


@pytest.mark.parametrize("row", range(7))
def test_row(row: int) -> None: ...
"""


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    """A suite of eight cases, three more for `nox -s long`, and a fuzz."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = long\n")
    for name, text in {"fuzz/test_tables.py": FUZZ, "engine/data/test_rows.py": CASES}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_each_module_is_counted_as_pytest_collects_it(tests: Path) -> None:
    sentence = "No table ends in a traceback. Whatever it holds."
    assert collect(tests) == [
        Module("engine/data/test_rows.py", "engine/data/test_rows.py", 7, 0, None, None),
        Module("fuzz/test_tables.py", sentence, 1, 3, 40, 40_000),
    ]


def test_a_fuzz_that_does_not_say_how_many_it_tries_is_named(tests: Path) -> None:
    (tests / "fuzz" / "test_tables.py").write_text(FUZZ.replace("SUITE, LONG", "A, B"))
    with pytest.raises(ValueError, match=r"tests/fuzz/test_tables\.py must set SUITE and LONG"):
        collect(tests)


def test_a_module_that_can_not_be_read_is_no_smaller_number(tests: Path) -> None:
    (tests / "fuzz" / "test_tables.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(RuntimeError, match="nothing_of_that_name"):
        collect(tests)


def test_both_tables_add_up() -> None:
    modules = [
        Module("engine/data/test_rows.py", "Rows.", 7, 0, None, None),
        Module("engine/data/test_files.py", "Files.", 1_200, 1, None, None),
        Module("benchmarks/test_benchmarks.py", "Speed.", 2, 0, None, None),
        Module("fuzz/test_tables.py", "No table ends in a traceback.", 1, 3, 40, 40_000),
        Module("fuzz/test_runs.py", "No run does.", 1, 1, 5, 7),
    ]
    rows = [line for line in page(modules).splitlines() if line.startswith("| ")]
    table = "An odd, damaged or unsuitable table"
    assert rows[2:5] == [
        f"| {table} | 1,207 | 1 |",
        f"| {OTHER} | 2 | 0 |",
        "| **in all** | 1,209 | 1 |",
    ]
    assert rows[7:] == [
        "| No table ends in a traceback (`tests/fuzz/test_tables.py`) | 40 | 40,000 |",
        "| No run does (`tests/fuzz/test_runs.py`) | 5 | 7 |",
        "| **in all** | 45 | 40,007 |",
    ]


@pytest.mark.parametrize("room", ["core", "data", "runs", "serving"])
def test_the_engines_rooms_that_take_what_others_give_have_rows(room: str) -> None:
    """A new module there is to be named in MECHANISMS, unless it is about what no input can break."""
    folder = tried.TESTS / "engine" / room
    modules = [path.relative_to(tried.TESTS).as_posix() for path in folder.glob("test_*.py")]
    assert [path for path in modules if mechanism_of(path) == OTHER] == []
