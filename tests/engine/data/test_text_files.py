"""Text as programs write it, in any encoding and with anything in it, is a table or one sentence."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from capstone.core.settings import Data
from capstone.data.reading import read_table
from tests.engine.data.conftest import OwnProject
from tests.support.promise import keep_promise
from tests.support.tables import ROWS, good_table, reads

TABLE = good_table().replace({"red": "grün"})
TEXT = TABLE.to_csv(index=False)
HEAD, BODY = TEXT.split("\n", 1)
DATA = Data(path="t.csv", target="y", problem="regression")

ENCODINGS = {
    "utf-8-sig": TEXT.encode("utf-8-sig"),
    "utf-16 with a mark": TEXT.encode("utf-16"),
    "utf-16 of a big machine with a mark": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "utf-32 with a mark": TEXT.encode("utf-32"),
    **{name: TEXT.encode(name) for name in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")},
    "cp1252": TEXT.encode("cp1252"),
    "latin-1": TEXT.encode("latin-1"),
}
SET = {  # [data] encoding, beside a file with a mark
    "utf-8": TEXT.encode("utf-8-sig"),
    "utf8": TEXT.encode("utf-8-sig"),
    "utf-16-le": b"\xff\xfe" + TEXT.encode("utf-16-le"),
    "utf_32": TEXT.encode("utf-32"),
}
ALIKE = {  # ways of writing the same table
    "carriage returns": TEXT.replace("\n", "\r"),
    "lines of Windows": TEXT.replace("\n", "\r\n"),
    "both": TEXT.replace("\n", "\r\n", 9),
    "blank lines": TEXT.replace("\n", "\n\n"),
    "no last line end": TEXT.rstrip("\n"),
    "quotes": TABLE.to_csv(index=False, quoting=1),
    "tabs": TABLE.to_csv(index=False, sep="\t"),
    "pipes": TABLE.to_csv(index=False, sep="|"),
}
# name: (bytes of the file, exit code of `capstone data`, what is said)
ODD: dict[str, tuple[bytes, int, str]] = {
    "a mark and nothing": (b"\xef\xbb\xbf", 2, "is empty"),
    "half a character": (TEXT.encode("utf-16")[:-1], 2, "is not text in utf-16"),
    "encodings mixed": (TEXT.encode() + "1,grün,2\n".encode("latin-1"), 0, "cp1252"),
    "a zero byte": (TEXT.encode() + b"1,\0,2\n", 2, "is not text in utf-8"),
    "zero bytes for letters": (TEXT.encode().replace(b"blue", b"\0"), 2, "is not text in utf-8"),
    "a byte that no page has": (TEXT.encode() + b"1,\x81,2\n", 2, "is not text in utf-8, cp1252"),
    **{
        f"{sign!r} between columns": (
            TEXT.replace(",", sign).encode(),
            2,
            "read as a single column",
        )
        for sign in (":", "^", "~", " ", "\x01", "::")
    },
    "a quote never closed": ((TEXT + '1,"x,2\n').encode(), 2, "a quote may never be closed"),
    "a quote alone": (b'"', 2, "can't be read as CSV"),
    "a row too short": ((TEXT + "1,2\n").encode(), 2, f"line {ROWS + 2}: 2 fields"),
    "a row too long": ((TEXT + "1,2,3,4\n").encode(), 2, f"line {ROWS + 2}: 4 fields"),
    "spaces for a row": ((TEXT + "   \n").encode(), 2, f"line {ROWS + 2}: 1 fields"),
    "lines in a cell": ((TEXT + '1,"x\ny",2\n1,"x\ry",2\n').encode(), 0, f"{ROWS + 2} rows"),
    "odd line ends in a cell": ((TEXT + "1,x\u2028y\x85\x0b,2\n").encode(), 0, f"{ROWS + 1} rows"),
    "a header only": (HEAD.encode(), 2, "no rows"),
    "no header": (BODY.encode(), 2, 'no column "y"'),
    "columns without names": (TEXT.replace(HEAD, ",,y").encode(), 0, "3 columns"),
    "a name that pandas would give": (
        TEXT.replace(HEAD, "Unnamed: 1,,y").encode(),
        0,
        "3 columns",
    ),
    "one name twice": (TEXT.replace(HEAD, "size,size,y").encode(), 2, '2 columns called "size"'),
    "one column": (b"y\n" + b"".join(b"%d\n" % row for row in range(ROWS)), 0, "1 columns"),
    "one row": ((HEAD + "\n1,x,2\n").encode(), 0, "1 rows"),
    "two rows alike": ((HEAD + "\n1,x,2\n1,x,2\n").encode(), 0, "2 rows"),
    "a separator behind each row": (TEXT.replace("\n", ",\n").encode(), 0, "4 columns"),
    "a separator behind each row but the header": (
        (HEAD + "\n" + BODY.replace("\n", ",\n")).encode(),
        2,
        "line 2: 4 fields where the header has 3; delete",
    ),
    "comments above the header": (
        b"# exported\n# by me\n" + TEXT.encode(),
        2,
        "delete what stands above the column names",
    ),
    "a title": (b"My table\n\n" + TEXT.encode(), 2, "delete what stands above the column names"),
    "a hint to Excel": (b"sep=,\n" + TEXT.encode(), 2, "delete what stands above"),
    "lines in a name": (TEXT.replace(HEAD, '"a\nb",c,y').encode(), 0, "3 columns"),
    "an endless name": (TEXT.replace("size", "x" * 100_000).encode(), 0, "3 columns"),
    "names that mean nothing": (TEXT.replace(HEAD, "nan,None,y").encode(), 0, "3 columns"),
    "names that are numbers": (TEXT.replace(HEAD, "1,1.0,y").encode(), 0, "3 columns"),
    "commas only": (b",,,\n,,,\n", 2, 'no column "y"'),
    "a space": (b" ", 2, "can't be read as CSV"),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_an_encoding_is_found_out(tmp_path: Path, name: str) -> None:
    (tmp_path / "t.csv").write_bytes(ENCODINGS[name])
    table, _ = read_table(tmp_path / "t.csv", DATA)
    assert table.to_numpy().tolist() == TABLE.to_numpy().tolist()
    assert [*table] == [*TABLE]


@pytest.mark.parametrize("name", SET)
def test_a_mark_is_no_part_of_the_first_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "t.csv").write_bytes(SET[name])
    data = Data(path="t.csv", target="y", problem="regression", encoding=name)
    assert [*read_table(tmp_path / "t.csv", data)[0]] == [*TABLE]


@pytest.mark.parametrize("name", ALIKE)
def test_a_way_of_writing_makes_no_difference(tmp_path: Path, name: str) -> None:
    (tmp_path / "t.csv").write_bytes(ALIKE[name].encode())
    table, _ = read_table(tmp_path / "t.csv", DATA)
    assert table.to_numpy().tolist() == TABLE.to_numpy().tolist()


@pytest.fixture
def path(own_project: OwnProject) -> Iterator[Path]:
    path = reads(own_project(), "table.csv")
    yield path
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("name", ODD)
def test_odd_text_is_read_or_told(path: Path, name: str) -> None:
    content, code, sentence = ODD[name]
    path.write_bytes(content)
    ended = keep_promise(path.parents[2], "data", code=code, names=["table.csv"])
    assert sentence in ended.out + ended.err
