"""A file is what its first bytes say: what is packed is read where it can be, what is no table is named."""

import bz2
import gzip
import io
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from capstone.core.errors import CapstoneError
from capstone.core.settings import Data
from capstone.data import packed_files
from capstone.data.reading import fingerprint, read_table
from tests.engine.data.conftest import OwnProject
from tests.support.promise import keep_promise
from tests.support.tables import QUICK_RUN, good_table, reads

TEXT = good_table().to_csv(index=False)
CSV = TEXT.encode()
DATA = Data(path="t.csv", target="y", problem="regression")


def excel() -> bytes:
    buffer = io.BytesIO()
    good_table().to_excel(buffer, index=False)
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    good_table().to_parquet(buffer)
    return buffer.getvalue()


def zipped(**files: bytes) -> bytes:
    """A ZIP archive; "__" in a name stands for a dot."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return buffer.getvalue()


def from_a_mac() -> bytes:
    """What macOS's Finder packs: the table, its notes on it, and a folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data/", "")
        archive.writestr("data/t.csv", CSV)
        archive.writestr("__MACOSX/data/._t.csv", b"\0\5\x16\7")
        archive.writestr("data/.DS_Store", b"\0\0\0\1Bud1")
    return buffer.getvalue()


def with_password() -> bytes:
    """As zip -e writes it: its entry says that it is encrypted."""
    raw = bytearray(zipped(t__csv=CSV))
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.find(start) + flags] |= 1
    return bytes(raw)


def tar(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        entry = tarfile.TarInfo("t.csv")
        entry.size = len(CSV)
        archive.addfile(entry, io.BytesIO(CSV))
    return buffer.getvalue()


def database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (y real)")
    return connection.serialize()


def feather() -> bytes:
    buffer = io.BytesIO()
    good_table().to_feather(buffer)
    return buffer.getvalue()


# (name of the file, its bytes)
READ: dict[str, tuple[str, bytes]] = {
    "gzip": ("t.csv.gz", gzip.compress(CSV)),
    "gzip of another name": ("t.csv", gzip.compress(CSV)),
    "gzip in two parts": ("t.csv.gz", gzip.compress(CSV[:100]) + gzip.compress(CSV[100:])),
    "xz": ("t.csv.xz", lzma.compress(CSV)),
    "lzma": ("t.csv", lzma.compress(CSV, lzma.FORMAT_ALONE)),
    "bzip2": ("t.csv.bz2", bz2.compress(CSV)),
    "ZIP": ("t.zip", zipped(t__csv=CSV)),
    "ZIP of a name that says CSV": ("t.csv", zipped(t__csv=CSV)),
    "ZIP from a Mac": ("t.zip", from_a_mac()),
    "ZIP of a workbook": ("t.zip", zipped(t__xlsx=excel())),
    "gzip of Parquet": ("t.parquet.gz", gzip.compress(parquet())),
    "gzip of a name that says Parquet": ("t.parquet", gzip.compress(parquet())),
    "gzip of UTF-16": ("t.csv.gz", gzip.compress(TEXT.encode("utf-16"))),
    "a name that says gzip": ("t.csv.gz", CSV),
    "a workbook called ZIP": ("t.zip", excel()),
    "columns called like signatures": (
        "t.csv",
        TEXT.replace("size", "PAR1").replace("colour", "ORC").encode(),
    ),
    "a column in brackets": ("t.csv", TEXT.replace("size", "[size]").encode()),
}
CAN_BE_NO_TABLE: dict[str, tuple[str, bytes, str]] = {
    "a ZIP of two": ("t.zip", zipped(a__csv=CSV, b__csv=CSV), r"holds 2 files \(a.csv, b.csv\)"),
    "a ZIP of nothing": ("t.zip", zipped(), "an empty ZIP archive"),
    "a ZIP with a password": ("t.zip", with_password(), "with a password"),
    "half a ZIP": ("t.zip", zipped(t__csv=CSV)[:-60], "not a readable Excel file or ZIP archive"),
    "a ZIP in a ZIP": ("t.zip", zipped(t__zip=zipped(t__csv=CSV)), "packed twice"),
    "a gzip in a gzip": ("t.csv.gz", gzip.compress(gzip.compress(CSV)), "packed twice"),
    "half a gzip": ("t.csv.gz", gzip.compress(CSV)[:-20], "not a readable gzip file"),
    "the head of a gzip": ("t.csv.gz", b"\x1f\x8b", "not a readable gzip file"),
    "a gzip and more": ("t.csv.gz", gzip.compress(CSV) + b"junk", "not a readable gzip file"),
    "half an xz": ("t.csv.xz", lzma.compress(CSV)[:50], "not a readable xz file"),
    "half a bzip2": ("t.csv.bz2", bz2.compress(CSV)[:50], "not a readable bzip2 file"),
    "a gzip of nothing": ("t.csv.gz", gzip.compress(b""), "is empty"),
    "a Word document": (
        "t.xlsx",
        zipped(word__document=b"") + b"",
        "holds 1 files|not a readable|is text",
    ),
    "a workbook called CSV": ("t.csv", excel(), "an Excel file, not CSV: give it the ending .xlsx"),
    "a workbook called Parquet": ("t.parquet", excel(), "an Excel file, not Parquet"),
    "Parquet called CSV": (
        "t.csv",
        parquet(),
        "a Parquet file, not CSV: give it the ending .parquet",
    ),
    "CSV called Excel": ("t.xlsx", CSV, "text, not Excel: give it the ending .csv"),
    "CSV called Parquet": ("t.parquet", CSV, "text, not Parquet"),
    "half a workbook": ("t.xlsx", excel()[:3000], "not a readable Excel file"),
    "half a Parquet file": ("t.parquet", parquet()[:900], "not a readable Parquet file"),
    "a Parquet file with holes": (
        "t.parquet",
        parquet()[:500] + bytes(200) + parquet()[700:],
        "not a readable Parquet file",
    ),
    "JSON": ("t.csv", good_table().to_json(orient="records").encode(), "JSON"),
    "JSON in columns": ("t.csv", good_table().to_json().encode(), "JSON"),
    "JSON in lines": ("t.csv", b'{"y": 1}\n{"y": 2}\n', "JSON"),
    "JSON with a mark": ("t.json", b'\xef\xbb\xbf[ {"y": 1} ]', "JSON"),
    "a page to log in": ("t.csv", b"\n <!DOCTYPE html><html>Please log in</html>", "a web page"),
    "a page in UTF-16": ("t.csv", "<html>Please log in</html>".encode("utf-16"), "a web page"),
    "a page called Excel": ("t.xls", b"<html><table></table></html>", "a web page"),
    "XML": ("t.csv", b"<?xml version='1.0'?><rows/>", "XML"),
    "a PDF": ("t.csv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "a PDF"),
    "a picture": ("t.csv", b"\x89PNG\r\n\x1a\n" + bytes(100), "a picture"),
    "a pickle": ("t.pkl", pickle.dumps([1, 2]), "a Python pickle, which .* is never opened"),
    "a pickle called CSV": ("t.csv", pickle.dumps({"y": [1]}, 2), "a Python pickle"),
    "SQLite": ("t.csv", database(), "an SQLite database"),
    "a tar archive": ("t.csv", tar("w"), "a tar archive"),
    "a tar archive in gzip": ("t.tar.gz", tar("w:gz"), "a tar archive"),
    "Feather": ("t.feather", feather(), "a Feather file"),
    "Zstandard": ("t.csv.zst", b"\x28\xb5\x2f\xfd" + bytes(30), "a Zstandard archive"),
    "7-Zip": ("t.csv", b"7z\xbc\xaf\x27\x1c" + bytes(30), "a 7-Zip archive"),
    "RAR": ("t.csv", b"Rar!\x1a\x07\x01\x00", "a RAR archive"),
    "an old workbook": ("t.xls", b"\xd0\xcf\x11\xe0" + bytes(600), "an old Excel file"),
    "a pointer of Git LFS": ("t.csv", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    "zero bytes": ("t.csv", bytes(5000), "full of zero bytes"),
    "a lock file": ("~$t.xlsx", b"\x05me" + bytes(160), "no table but what a program has left"),
    "an unknown ending": ("t.dat", CSV, "no kind of table known here"),
}


@pytest.mark.parametrize("name", READ)
def test_it_is_read_as_it_is(tmp_path: Path, name: str) -> None:
    file, content = READ[name]
    (tmp_path / file).write_bytes(content)
    table, _ = read_table(tmp_path / file, DATA)
    assert table.to_numpy().tolist() == good_table().to_numpy().tolist()


@pytest.mark.parametrize("name", CAN_BE_NO_TABLE)
def test_it_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    file, content, sentence = CAN_BE_NO_TABLE[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(CapstoneError, match=sentence) as told:
        read_table(tmp_path / file, DATA)
    assert file in str(told.value) and "\n" not in str(told.value)


@pytest.fixture
def packed(own_project: OwnProject) -> Iterator[Path]:
    path = reads(own_project(), "table.csv.gz")
    yield path
    path.unlink(missing_ok=True)


def test_every_command_reads_a_packed_table(packed: Path) -> None:
    project = packed.parents[2]
    packed.write_bytes(gzip.compress(CSV))
    keep_promise(project, "data", code=0)
    keep_promise(project, *QUICK_RUN, code=0)
    keep_promise(project, "predict", "data/raw/table.csv.gz", code=0)
    keep_promise(project, "explain", "--row", "2", code=0)
    streamed = keep_promise(project, *QUICK_RUN, "--set", "data.streaming=always", code=2)
    assert "only Parquet can" in streamed.err
    packed.write_bytes(gzip.compress(CSV)[:-9])
    keep_promise(project, "predict", "data/raw/table.csv.gz", names=["table.csv.gz"], code=2)


@pytest.mark.parametrize(
    ("name", "content"),
    [("bomb.csv.gz", gzip.compress(bytes(2_000_000))), ("bomb.zip", zipped(t__csv=b"1\n" * 10**6))],
)
def test_a_small_file_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes
) -> None:
    monkeypatch.setattr(packed_files, "most_unpacked", lambda: 1_000_000)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CapstoneError, match=r"unpacks to more than 0\.0 GB"):
        read_table(tmp_path / name, DATA)


def test_a_workbook_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_files, "most_unpacked", lambda: 1_000)
    (tmp_path / "t.xlsx").write_bytes(excel())
    with pytest.raises(CapstoneError, match="unpacks to more than"):
        read_table(tmp_path / "t.xlsx", DATA)


LEFT = ("~$a.xlsx", ".~lock.a.csv#", "._a.csv", ".DS_Store", "Thumbs.db", "desktop.ini", ".a.csv")


def test_what_programs_leave_in_a_folder_is_skipped_and_said(own_project: OwnProject) -> None:
    folder = reads(own_project(), "parts")
    folder.mkdir(parents=True)
    table = good_table()
    table.head(30).to_csv(folder / "a.csv", index=False)
    (folder / "b.csv.gz").write_bytes(gzip.compress(table.tail(30).to_csv(index=False).encode()))
    (folder / "notes.csv").mkdir()
    (folder / "__MACOSX").mkdir()
    before = fingerprint(folder)
    for name in LEFT:
        (folder / name).write_bytes(b"\0\5\x16\7")
    assert fingerprint(folder) == before
    found, how = read_table(folder, DATA)
    assert len(found) == 60
    assert how.startswith("2 files, without ")
    told = keep_promise(own_project(), "data", code=0).out
    assert "._a.csv" in how and "and 3 more" in how and "without" in told
