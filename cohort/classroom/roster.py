"""The roster: one student per row of a CSV file, as spreadsheets and registrars' offices write it."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import category, combining, normalize

from cohort.classroom.config import Class, is_address
from cohort.errors import CohortError
from cohort.git.network import without_password

SEPARATORS = ",;\t"
LONGEST = 100  # characters of a student's name
# What can name a folder on every system (but for the names in DEVICES), and a repository on every forge.
FOLDER = re.compile(r"(?![-.])[\w.+@ -]{1,100}(?<![. ])(?<!\.lock)")
ON_A_FORGE = re.compile(
    r"(?![-.])[A-Za-z0-9._-]{1,100}(?<![.-])(?<!\.git)(?<!\.wiki|\.lock|\.atom)", re.IGNORECASE
)
# Names that Windows keeps for devices, with any ending.
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
# Letters of Latin alphabets that are no letter with a mark; German umlauts as German writes them without.
LATIN = str.maketrans(
    {
        **{"ä": "ae", "ö": "oe", "ü": "ue", "æ": "ae", "œ": "oe", "ø": "o"},
        **{"đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l", "þ": "th"},
        **{"'": "", "\u2019": "", "`": ""},
    }
)
LONGEST_DERIVED = 80


@dataclass(frozen=True, slots=True)
class Student:
    """A row of the roster."""

    name: str
    repository: str  # a path on this disk, or an address
    extra: dict[str, str] = field(default_factory=dict)  # every other column, answers among them
    line: int = 0

    @property
    def is_remote(self) -> bool:
        return is_address(self.repository)

    @property
    def place(self) -> str:
        """The repository, however its address is spelt, and without a password."""
        if not self.is_remote:
            return os.path.normpath(self.repository)
        return without_password(self.repository).rstrip("/").removesuffix(".git")

    def answers(self, questions: Iterable[str]) -> dict[str, str]:
        """The cells that answer questions of the template; an empty cell answers none."""
        return {name: self.extra[name] for name in questions if self.extra.get(name)}


@dataclass(frozen=True)
class Roster:
    """The students, and what has to be said of the file."""

    name: str
    students: list[Student]
    columns: tuple[str, ...] = ()  # beside student and repository
    problems: list[str] = field(default_factory=list)  # a sentence for each row that can't be used
    notes: list[str] = field(default_factory=list)  # a sentence for each name that was derived

    @property
    def exit_code(self) -> int:
        return 3 if self.problems else 0

    def only(self, names: Sequence[str]) -> Roster:
        """Some of the students, in the roster's order; all, if no name is given."""
        if not names:
            return self
        wanted = [_tidy(name) for name in names]
        known = {student.name for student in self.students}
        missing = [repr(name) for name in wanted if name not in known]
        if missing:
            also = f", or the roster: {' '.join(self.problems)}" if self.problems else "."
            raise CohortError(
                f"{self.name} has no student {', '.join(missing)}; correct --only{also}"
            )
        students = [student for student in self.students if student.name in wanted]
        return Roster(self.name, students, self.columns, self.problems, self.notes)


@dataclass(frozen=True)
class _Row:
    """A row that names a student, before it is known where the repository is."""

    line: int
    name: str
    repository: str
    extra: dict[str, str]


def read_roster(class_: Class, only: Sequence[str] = (), path: Path | None = None) -> Roster:
    """The roster of a class, or of another file. A row that can't be used stops nobody else."""
    path = path or class_.folder / class_.settings.class_.roster
    header, records = _read_table(path)
    rows: dict[str, _Row] = {}
    problems = []
    for line, cells in records:
        try:
            row = _read_row(line, header, cells)
            if row is None:
                continue
            first = rows.setdefault(row.name.casefold(), row)
            if first is not row:
                raise ValueError(f"the student {row.name!r} is already in line {first.line}")
        except ValueError as error:
            problems.append(f"{path.name}, line {line}: {error}.")
    students, notes = _place_all(class_, list(rows.values()))
    columns = tuple(name for name in header if name not in ("", "student", "repository"))
    return Roster(path.name, students, columns, problems, notes).only(only)


def _read_table(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str] | csv.Error]]]:
    """The names of the columns, and the rows below with their line numbers."""
    lines = list(io.StringIO(_read_text(path), newline=""))
    start = 1 if lines and lines[0].lower().startswith("sep=") else 0  # a hint that Excel writes
    headers = {mark: _header(lines[start:], mark) for mark in SEPARATORS}
    mark = next((mark for mark, names in headers.items() if "student" in names), None)
    if mark is None:
        raise CohortError(
            f"{path}, line {start + 1}: one column must be called student; "
            "columns are separated by commas, semicolons or tabs."
        )
    header = headers[mark]
    twice = [name for name, count in Counter(header).items() if name and count > 1]
    if twice:
        raise CohortError(f"{path}, line {start + 1}: two columns are called {twice[0]!r}.")
    records = _records(lines, start, mark)
    next(records)
    return header, records


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise CohortError(
            f"{path} does not exist; create it with a column student and one row per student."
        ) from None
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
        wrong = text.find("\0")
    except UnicodeDecodeError as error:
        text, wrong = content[: error.start].decode("latin-1"), error.start
    if wrong >= 0:
        line = text[:wrong].count("\n") + 1
        raise CohortError(
            f'{path}, line {line} is not text in UTF-8; in Excel save the table as "CSV UTF-8", in LibreOffice '
            'as "Text CSV" with the character set "Unicode (UTF-8)".'
        )
    return text


def _header(lines: Sequence[str], mark: str) -> list[str]:
    try:
        names = [_tidy(name) for name in next(csv.reader(lines, delimiter=mark), [])]
    except csv.Error:
        return []
    return [name.lower() if name.lower() in ("student", "repository") else name for name in names]


def _records(
    lines: Sequence[str], start: int, mark: str
) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Each row with its first line's number. After a row that can't be read goes on with the next line."""
    at = start

    def feed() -> Iterator[str]:
        nonlocal at
        while at < len(lines):
            at += 1
            yield lines[at - 1]

    while at < len(lines):
        reader = csv.reader(feed(), delimiter=mark, strict=True)
        first = at
        try:
            for cells in reader:
                yield first + 1, cells
                first = at
        except csv.Error as error:
            at = first + 1
            yield at, error


def _read_row(line: int, header: Sequence[str], cells: list[str] | csv.Error) -> _Row | None:
    """A row, or None when it is empty. Raises ValueError for one that can't be used."""
    if isinstance(cells, csv.Error):
        raise ValueError(f"it can't be read ({cells}); check its quotation marks")
    cells = [cell.strip() for cell in cells]
    if not any(cells):
        return None
    beyond = cells[len(header) :]
    if len(cells) < len(header) or any(beyond):
        raise ValueError(f"{len(cells)} cells, but the first line has {len(header)}")
    if any(cell for name, cell in zip(header, cells, strict=False) if not name):
        raise ValueError("a cell in a column without a name")
    row = dict(zip(header, cells, strict=False))
    row.pop("", None)
    name = _tidy(row.pop("student"))
    _check_name(name)
    repository = row.pop("repository", "")
    if repository.startswith("-"):
        raise ValueError(f"{repository!r} is not an address")
    extra = {column: normalize("NFC", cell) for column, cell in row.items()}
    return _Row(line, name, repository, extra)


def _tidy(text: str) -> str:
    """One spelling for what looks the same: composed letters, plain spaces."""
    return re.sub(r"\s", " ", normalize("NFC", text)).strip()


def _check_name(name: str) -> None:
    if not name:
        raise ValueError("the column student is empty")
    if len(name) > LONGEST:
        raise ValueError(f"{name[:20]!r}... has more than {LONGEST} characters")
    odd = any(letter in "/\\" or category(letter) == "Cc" for letter in name)
    if odd or name[0] in "-." or not any(letter.isalnum() for letter in name):
        raise ValueError(
            f"{name!r} is not a valid student name; start it with a letter or digit, without slashes"
        )


def _place_all(class_: Class, rows: Sequence[_Row]) -> tuple[list[Student], list[str]]:
    """The students with their repositories, and a sentence for each name that was derived.

    First those that are given or called as the student: a derived name gives way to all of them.
    """
    places = {row.line: place for row in rows if (place := _own_place(class_, row)) is not None}
    taken = {place.casefold() for place in places.values()}
    notes = []
    for row in rows:
        if row.line in places:
            continue
        name = derive_name(row.name)
        if _address(class_, name).casefold() in taken:
            name = f"{name}-{_fingerprint(row.name)}"
        places[row.line] = _address(class_, name)
        taken.add(places[row.line].casefold())
        notes.append(
            f"line {row.line}: the repository of {row.name!r} is called {name}; to choose another, "
            "fill in the column repository"
        )
    students = [Student(row.name, places[row.line], row.extra, row.line) for row in rows]
    return students, notes


def _own_place(class_: Class, row: _Row) -> str | None:
    """The repository that the roster gives, or the one called as the student, if that is possible."""
    if row.repository:
        return _absolute(class_, row.repository)
    if is_address(_pattern(class_)):
        return _address(class_, row.name) if ON_A_FORGE.fullmatch(row.name) else None
    if not FOLDER.fullmatch(row.name):
        return None
    place = _address(class_, row.name)
    # A folder that only Windows refuses may have been made elsewhere, and is found for ever.
    return place if is_folder_name(row.name) or Path(place).exists() else None


def is_folder_name(name: str) -> bool:
    """Can a folder have this name, on Windows too?"""
    return bool(FOLDER.fullmatch(name)) and not DEVICES.fullmatch(name)


def _pattern(class_: Class) -> str:
    settings = class_.settings.class_
    return settings.remote or f"{settings.repositories}/{{student}}"


def _address(class_: Class, name: str) -> str:
    return _absolute(class_, _pattern(class_).replace("{student}", name))


def _absolute(class_: Class, where: str) -> str:
    return where if is_address(where) else str((class_.folder / where).absolute())


def derive_name(name: str) -> str:
    """A name of small ASCII letters, digits and hyphens: "Müller, Jürgen" gives mueller-juergen.

    Where letters have no such form, or the name is long, a part of its fingerprint makes it the student's own.
    """
    name = normalize("NFC", name)
    marked = normalize("NFKD", name.casefold().translate(LATIN))
    plain = "".join(letter for letter in marked if not combining(letter))
    words = re.findall(r"[a-z0-9]+", plain)
    derived = "-".join(words)[:LONGEST_DERIVED].strip("-") or "student"
    lossy = any(letter.isalnum() and not letter.isascii() for letter in plain)
    if lossy or not words or len("-".join(words)) > LONGEST_DERIVED:
        derived = f"{derived}-{_fingerprint(name)}"
    return f"{derived}-student" if DEVICES.fullmatch(derived) else derived


def _fingerprint(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:6]
