"""A table is read as it is, whatever kind of file it lies in."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from capstone.core.errors import CapstoneError
from capstone.core.settings import Data
from capstone.data.csv_files import detect_delimiter
from capstone.data.reading import fingerprint, read_table

TABLE = pd.DataFrame(
    {
        "town": ["Köln", "Zürich", "Łódź", None],
        "price": [1.5, 2.25, None, 4.0],
        "rooms": [1, 2, 3, 4],
        "sold": ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"],
        "new": [True, False, True, False],
    }
)
WRITERS: dict[str, Callable[[Path], object]] = {
    "t.csv": lambda path: TABLE.to_csv(path, index=False),
    "semicolons.csv": lambda path: TABLE.to_csv(path, index=False, sep=";", decimal=","),
    "t.tsv": lambda path: TABLE.to_csv(path, index=False, sep="\t"),
    "pipes.txt": lambda path: TABLE.to_csv(path, index=False, sep="|"),
    "windows.csv": lambda path: TABLE.to_csv(path, index=False, lineterminator="\r\n"),
    "marked.csv": lambda path: TABLE.to_csv(path, index=False, encoding="utf-8-sig"),
    "utf16.csv": lambda path: TABLE.to_csv(path, index=False, encoding="utf-16"),
    "quoted.csv": lambda path: TABLE.to_csv(path, index=False, quoting=1),
    "t.parquet": lambda path: TABLE.to_parquet(path, index=False),
    "t.xlsx": lambda path: TABLE.to_excel(path, index=False),
    "UPPER.CSV": lambda path: TABLE.to_csv(path, index=False),
}


def data(**changes: str) -> Data:
    values = {"path": "t.csv", "target": "price", "problem": "regression"}
    return Data.model_validate(values | changes)


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_same_table(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    found, _ = read_table(tmp_path / name, data())
    assert found.index.name == "row"
    assert list(found.index) == [1, 2, 3, 4]
    pd.testing.assert_frame_equal(found.reset_index(drop=True), TABLE, check_dtype=False)


def test_a_folder_is_one_table_in_the_order_of_the_names(tmp_path: Path) -> None:
    TABLE.tail(2).to_parquet(tmp_path / "b.parquet", index=False)
    TABLE.head(2).to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "notes.md").write_text("no table", encoding="utf-8")
    (tmp_path / "a_predictions.csv").write_text("x\n1\n", encoding="utf-8")
    found, how = read_table(tmp_path, data())
    assert list(found["rooms"]) == [1, 2, 3, 4]
    assert how == "2 files"


def test_what_is_set_is_used_instead_of_what_is_found(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("town;price\nKöln;1,5\n".encode("cp437"))
    found, how = read_table(path, data(encoding="cp437", delimiter=";", decimal=","))
    assert found.iloc[0].to_dict() == {"town": "Köln", "price": 1.5}
    assert "cp437" in how


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"encoding": "klingon"}, r'encoding "klingon" is unknown'),
        ({"encoding": "ascii"}, r"is not text in ascii"),
        ({"delimiter": ";;"}, r'delimiter ";;" must be one character'),
    ],
)
def test_a_setting_that_cannot_be_is_named(
    tmp_path: Path, changes: dict[str, str], sentence: str
) -> None:
    WRITERS["t.csv"](tmp_path / "t.csv")
    with pytest.raises(CapstoneError, match=sentence):
        read_table(tmp_path / "t.csv", data(**changes))


@pytest.mark.parametrize("name", ["t.parquet", "t.xlsx"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CapstoneError, match=f"{name} is not a readable"):
        read_table(tmp_path / name, data())


def test_commas_in_quotes_do_not_mislead_the_search_for_the_separator() -> None:
    assert detect_delimiter('a;b\n"1,2,3";4\n"5,6,7";8\n') == ";"


def test_the_fingerprint_is_of_the_bytes_and_of_all_files(tmp_path: Path) -> None:
    WRITERS["t.csv"](tmp_path / "t.csv")
    one, folder = fingerprint(tmp_path / "t.csv"), fingerprint(tmp_path)
    assert len(one) == len(folder) == 64
    (tmp_path / "t.csv").write_bytes((tmp_path / "t.csv").read_bytes() + b"\n")
    assert fingerprint(tmp_path / "t.csv") != one
    assert fingerprint(tmp_path) != folder
