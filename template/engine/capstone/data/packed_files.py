"""What a file is by its first bytes, whatever its name says; and what is packed in it, of which one table is read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

import psutil

from capstone.core.errors import CapstoneError, first_line, short_list

HEAD = 560  # bytes that tell what a file is: a tar archive says so in its 257th
GROWS = 7  # times its size is what reading a text file takes of memory
PACKED = (".gz", ".xz", ".bz2", ".zip")  # endings that may follow a table's own
UNPACKERS: dict[str, Callable[[IO[bytes]], object]] = {
    "gzip file": gzip.open,
    "xz file": lzma.open,
    "bzip2 file": bz2.open,
}
ARCHIVE = "Excel file or ZIP archive"  # the first is one of the second too
FORMS = {
    b"\x1f\x8b": "gzip file",
    b"\xfd7zXZ\0": "xz file",
    b"\x5d\0\0": "xz file",  # its forerunner, .lzma
    b"BZh": "bzip2 file",
    b"PK\x03\x04": ARCHIVE,
    b"PAR1": "Parquet",
}
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError)
NO_TEXT = bytes(
    [*range(7), *range(14, 27), *range(28, 32)]
)  # control characters that no text file holds
OLE = b"\xd0\xcf\x11\xe0"  # Excel up to 2003, and a workbook with a password
# What can't be read, by its first bytes: what it is, and what to do.
REFUSED = {
    b"\x28\xb5\x2f\xfd": "a Zstandard archive: unpack it first (zstd -d)",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive: unpack it first",
    b"Rar!\x1a\x07": "a RAR archive: unpack it first",
    b"\x04\x22\x4d\x18": "an LZ4 archive: unpack it first",
    b"\x1f\x9d": "an archive of compress (.Z): unpack it first",
    b"PK\x05\x06": "an empty ZIP archive",
    b"PK\x07\x08": "a part of a ZIP archive in several pieces: unpack all of them first",
    OLE: "an old Excel file or one with a password: save it as .xlsx without one",
    b"SQLite format 3\0": "an SQLite database: export the table as CSV",
    b"%PDF": "a PDF document: get the table as CSV or Excel",
    b"\x89PNG": "a picture (PNG), not a table",
    b"\xff\xd8\xff": "a picture (JPEG), not a table",
    b"GIF8": "a picture (GIF), not a table",
    b"\x89HDF\r\n": "an HDF5 file: save the table as Parquet",
    b"\x93NUMPY": "a NumPy array: save it as CSV with column names",
    b"ARROW1": "a Feather file: save it as Parquet",
    b"FEA1": "a Feather file: save it as Parquet",
    b"Obj\x01": "an Avro file: save it as Parquet",
    b"ORC": "an ORC file: save it as Parquet",
    b"$FL2": "an SPSS file: save it as CSV or Parquet",
    b"$FL3": "an SPSS file: save it as CSV or Parquet",
    b"<stata_dta>": "a Stata file: save it as CSV or Parquet",
    b"RDX": "an R file: save the table as CSV with write.csv",
    b"RDA": "an R file: save the table as CSV with write.csv",
    b"X\n\0\0\0": "an R file: save the table as CSV with write.csv",
    b"\x7fELF": "a program, not a table",
    b"MZ\x90": "a program, not a table",
    b"\0\0\0\0": "full of zero bytes: the file was damaged when it was copied; copy it again",
    b"version https://git-lfs": "a pointer of Git LFS in place of the file: fetch it with `git lfs pull`",
}
PICKLE = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
# Text that is no table, by how it begins (in small letters).
MARKUP = {
    b"<!doctype html": "a web page, perhaps the one to log in: download the table itself",
    b"<html": "a web page, perhaps the one to log in: download the table itself",
    b"<?xml": "XML: save the table as CSV",
    b"{\\rtf": "a document (RTF): save the table as CSV",
}
JSON = "JSON: read it with pandas.read_json and save the table as CSV"
# What is a ZIP archive within, by a file in it.
DOCUMENTS = {
    "xl/workbook.bin": "an Excel file of the binary kind: save it as .xlsx",
    "word/document.xml": "a Word document: get the table as CSV or Excel",
    "ppt/presentation.xml": "a presentation: get the table as CSV or Excel",
    "content.xml": "an OpenDocument file: save it as .xlsx or CSV",
    "Index/Document.iwa": "a Numbers document: export it as CSV or Excel",
}
WORKBOOK = "xl/workbook.xml"


def form_of(head: bytes) -> str:
    """How a file is packed, or "Parquet"; "" when it is neither. `head` are its first bytes."""
    return next((form for start, form in FORMS.items() if _starts(head, start)), "")


def what_else(head: bytes) -> str:
    """What a file is that can't be read, and what to do; "" when nothing speaks against it.

    head  its first bytes, unpacked
    """
    for start, meaning in REFUSED.items():
        if _starts(head, start):
            return meaning
    if head.startswith(PICKLE):
        return "a Python pickle, which could run anything and is never opened: save the table as Parquet"
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it first"
    text = head.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"").removeprefix(b"\xff\xfe").lstrip()
    for start, meaning in MARKUP.items():
        if text.lower().startswith(start):
            return meaning
    dense = b"".join(text[:80].split())
    return JSON if dense.startswith((b'{"', b"[{", b"[[", b"{}", b"[]")) else ""


def _starts(head: bytes, start: bytes) -> bool:
    """Whether a file begins so. Letters alone don't tell: the first column of a CSV file may be called ORC or PAR1."""
    is_plain = start.isalnum() and len(start) < 6
    return head.startswith(start) and (not is_plain or head.translate(None, NO_TEXT) != head)


@contextmanager
def open_table(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a table's file; of a packed file, those of the one table in it.

    Parameters
    ----------
    path : Path
        A file: plain, packed with gzip, xz or bzip2, or a ZIP archive that holds one table. What counts are its first
        bytes, not its name.

    Yields
    ------
    binary file
        It can be read and searched like any other.

    Raises
    ------
    CapstoneError
        When it is no table for certain, packed in another way, damaged, or would unpack to more than memory can hold.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
        file.seek(0)
        content = _unpacked(file, form_of(head), path)
        opened: IO[bytes] = file if content is None else io.BytesIO(content)
        if content is not None:
            head = content[:HEAD]
            form = form_of(head)
            if form in UNPACKERS or (form == ARCHIVE and not is_workbook(opened)):
                raise CapstoneError(f"{path} is packed twice: unpack it first.")
        if meaning := what_else(head):
            raise CapstoneError(f"{path} is {meaning}.")
        yield opened


def _unpacked(file: IO[bytes], form: str, path: Path) -> bytes | None:
    """What is packed in a file, unless it is too much: a small file may unpack to terabytes. None for a plain one."""
    try:
        if form in UNPACKERS:
            packed = cast(IO[bytes], UNPACKERS[form](file))
        elif form == ARCHIVE and (member := _only_member(zipfile.ZipFile(file), path)):
            packed = member
        else:
            file.seek(0)
            return None
        content = packed.read(most_unpacked() + 1)
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the disk's, not the file's
        raise CapstoneError(
            f"{path} is not a readable {form} ({first_line(error)}): copy or download it again."
        ) from None
    _refuse_more(len(content), path)
    return content


def is_workbook(file: IO[bytes]) -> bool:
    """Whether it is an Excel file: a ZIP archive with a workbook in it. The file is left at its beginning."""
    try:
        return WORKBOOK in zipfile.ZipFile(file).namelist()
    except zipfile.BadZipFile:
        return False
    finally:
        file.seek(0)


def most_unpacked() -> int:
    """Bytes that a packed file may come to: as a table, more would not fit into memory."""
    return int(psutil.virtual_memory().available // GROWS)


def _refuse_more(size: int, path: Path) -> None:
    if size > (most := most_unpacked()):
        raise CapstoneError(
            f"{path} unpacks to more than {most / 1e9:,.1f} GB, too much for this machine's memory: unpack it and "
            "make it Parquet, which can be read in blocks."
        )


def _only_member(archive: zipfile.ZipFile, path: Path) -> IO[bytes] | None:
    """The one table of a ZIP archive; None when the archive is a workbook."""
    held = set(archive.namelist())
    if document := next((what for name, what in DOCUMENTS.items() if name in held), ""):
        raise CapstoneError(f"{path} is {document}.")
    if WORKBOOK in held:
        _refuse_more(sum(entry.file_size for entry in archive.infolist()), path)
        return None
    files = [entry for entry in archive.infolist() if not _is_aside(entry.filename)]
    if len(files) != 1:
        names = short_list([entry.filename for entry in files], 5)
        inside = f"{len(files)} files ({names})" if files else "no file"
        raise CapstoneError(
            f"{path} is a ZIP archive that holds {inside}: unpack the table that you mean, or several with the same "
            "columns into a folder, and set [data] path to it."
        )
    if files[0].flag_bits & 1:
        raise CapstoneError(
            f"{path} is a ZIP archive with a password: unpack it and set [data] path to the table in it."
        )
    return archive.open(files[0])


def _is_aside(name: str) -> bool:
    """What an archive holds besides its tables: folders, and what systems leave in them."""
    place = PurePosixPath(name)
    return name.endswith("/") or "__MACOSX" in place.parts or is_leaving(place.name)


def is_leaving(name: str) -> bool:
    """Whether a file is no table but what a program or a system has left beside one.

    Excel's and LibreOffice's lock files, macOS's and Windows' notes, and whatever is hidden.
    """
    return name.startswith((".", "~$")) or name.lower() in ("thumbs.db", "desktop.ini", "__macosx")
