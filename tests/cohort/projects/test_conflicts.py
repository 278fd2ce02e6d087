"""Each way in which two sides can meet: what is kept, and what is said of it."""

from pathlib import Path

import pytest

from cohort.classroom.config import load
from cohort.classroom.outcome import CLEAN, CONFLICT, Outcome
from cohort.classroom.roster import read_roster
from cohort.git import process
from cohort.git.writing import File
from cohort.projects.sides import Entry, StudentFiles
from cohort.projects.workbench import Job, Workbench
from cohort.template.releases import Releases
from tests.cohort.projects.histories import (
    EXECUTABLE,
    LATIN_1,
    PLAIN,
    Files,
    read_files,
    write_project,
    write_template,
)
from tests.support.classes import make_class

BRANCH = "template/v2.0.0"
TEXT = "".join(f"line {number} of the engine\n" for number in range(1, 21))
EDITED = TEXT.replace("line 5 ", "the template's line 5 ")
MINE = TEXT.replace("line 5 ", "the student's line 5 ") + "the student's last line\n"
FAR = TEXT.replace("line 15 ", "the student's line 15 ")
BOTH = FAR.replace("line 5 ", "the template's line 5 ")
OTHER = "something else\n" * 3


def files(**texts: str | bytes | File) -> Files:
    """Files by path; `__` stands for a slash and the ending is .py where there is none."""
    return {path: one for name, text in texts.items() for path, one in [_file(name, text)]}


def _file(name: str, text: str | bytes | File) -> tuple[str, File]:
    if isinstance(text, str):
        text = text.encode()
    file = text if isinstance(text, File) else File(PLAIN, text)
    return name.replace("__", "/") + ".py", file


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def update(
    folder: Path, base: Files, theirs: Files, ours: Files, markers: bool = False
) -> tuple[Files, Outcome]:
    """The branch that cohort makes of these three sides, and what it says."""
    template, rest = folder / "template", files(other="other\n")
    write_template(template, base | rest, theirs | rest)
    write_project(folder / "class" / "students" / "ada", template, ours | rest)
    class_ = load(make_class(folder / "class", template, ["ada"]))
    process.prepare(class_.home)
    releases = Releases(class_)
    releases.fetch()
    bench = Workbench(class_, releases)
    try:
        outcome = bench.do(
            read_roster(class_).students[0], Job("v2.0.0", write=True, markers=markers)
        )
    finally:
        bench.close()
    assert outcome.state in (CLEAN, CONFLICT), outcome.message
    branch = read_files(folder / "class" / "students" / "ada", BRANCH)
    assert branch.pop("other.py") == rest["other.py"]
    return branch, outcome


# ---- Where nothing has to be decided ------------------------------------------------------------------

MERGES = {
    "the template renames": (files(new=EDITED), files(old=FAR), files(new=BOTH)),
    "the student renames": (files(old=EDITED), files(new=FAR), files(new=BOTH)),
    "both rename alike": (files(new=EDITED), files(new=FAR), files(new=BOTH)),
    "into a folder of its name": (
        files(**{"old.py/core": EDITED}),
        files(old=FAR),
        files(**{"old.py/core": BOTH}),
    ),
    "only capital letters change": (files(Old=EDITED), files(old=FAR), files(Old=BOTH)),
    "Windows, renamed by the template": (
        files(new=EDITED),
        files(old=crlf(FAR)),
        files(new=crlf(BOTH)),
    ),
    "Windows, renamed by the student": (
        files(old=EDITED),
        files(new=crlf(FAR)),
        files(new=crlf(BOTH)),
    ),
    "the template goes to Windows": (
        files(old=crlf(EDITED)),
        files(old=FAR),
        files(old=crlf(BOTH)),
    ),
    "only line ends, and removed": ({}, files(old=crlf(TEXT)), {}),
    "a mode and a line": (
        files(old=EDITED),
        files(old=File(EXECUTABLE, TEXT.encode())),
        files(old=File(EXECUTABLE, EDITED.encode())),
    ),
    "a name that is not UTF-8": (
        files(old=EDITED),
        {LATIN_1: File(PLAIN, FAR.encode())},
        {LATIN_1: File(PLAIN, BOTH.encode())},
    ),
}


@pytest.mark.parametrize("case", MERGES)
def test_both_sides_changes_are_in_one_file(tmp_path: Path, case: str) -> None:
    theirs, ours, expected = MERGES[case]
    branch, outcome = update(tmp_path, files(old=TEXT), theirs, ours)
    assert (outcome.state, branch) == (CLEAN, expected)


def test_the_line_ends_of_a_file_with_zeros_are_its_bytes(tmp_path: Path) -> None:
    base, theirs, ours = b"a\n\0\n", b"a\r\n\0\n", b"a\n\0\nb\n"
    branch, outcome = update(tmp_path, files(t=base), files(t=theirs), files(t=ours))
    assert outcome.state == CONFLICT and branch == files(t=ours)
    assert "not text" in outcome.conflicts[0]["what"]


def test_a_file_of_the_students_own_folder_is_no_renamed_file(tmp_path: Path) -> None:
    ours = {"mine/engine.py": File(PLAIN, FAR.encode())}
    branch, outcome = update(tmp_path, files(old=TEXT), files(old=EDITED), ours)
    assert branch == ours and outcome.notes == [
        "old.py stays deleted, although the template changed it"
    ]


def test_equal_files_of_a_moved_folder_keep_their_places(tmp_path: Path) -> None:
    same = {f"src/{room}/start.py": File(PLAIN, b"the same\n") for room in "abcd"}
    moved = {path.replace("src/", "engine/"): file for path, file in same.items()}
    mine = File(PLAIN, b"the same\nthe student's\n")
    branch, outcome = update(tmp_path, same, moved, same | {"src/c/start.py": mine})
    assert outcome.state == CLEAN and branch == moved | {"engine/c/start.py": mine}


def test_a_folder_of_150_files_moves_with_the_students_edit(tmp_path: Path) -> None:
    """In half of them the template changed a line, so that content alone does not say where they are."""
    base, theirs = {}, {}
    for number in range(150):
        text = f"room {number}\n" + TEXT.replace("of the engine", f"of {number}")
        base[f"src/capstone/room{number % 9}/f{number}.py"] = File(PLAIN, text.encode())
        if number % 2:
            text = text.replace("line 5 ", "the template's line 5 ")
        theirs[f"engine/capstone/room{number % 9}/f{number}.py"] = File(PLAIN, text.encode())
    edits = {7: "src/capstone/room7/f7.py", 8: "src/capstone/room8/f8.py"}
    ours = {path: File(PLAIN, base[path].content + b"the student's\n") for path in edits.values()}
    branch, outcome = update(tmp_path, base, theirs, base | ours)
    assert outcome.state == CLEAN and branch.keys() == theirs.keys()
    for path in edits.values():
        moved = path.replace("src/", "engine/")
        assert branch.pop(moved).content == theirs.pop(moved).content + b"the student's\n"
    assert branch == theirs


# ---- Where a person decides ---------------------------------------------------------------------------

LINES = "the student and the template changed the same lines; the student's side is kept"
CONFLICTS = {
    "the same lines": (
        (files(old=EDITED), files(old=MINE), files(old=MINE)),
        ("old.py", f"{LINES}. Add the template's side"),
    ),
    "renamed by the template": (
        (files(new=EDITED), files(old=MINE), files(new=MINE)),
        ("new.py", f"the template renamed old.py to this name; {LINES}"),
    ),
    "renamed by the student": (
        (files(old=EDITED), files(new=MINE), files(new=MINE)),
        ("new.py", f"the student renamed old.py to this name; {LINES}"),
    ),
    "renamed by both": (
        (files(new=EDITED), files(new=MINE), files(new=MINE)),
        ("new.py", f"the student and the template both renamed old.py to this name; {LINES}"),
    ),
    "renamed apart": (
        (files(theirs=EDITED), files(mine_now=MINE), files(theirs=EDITED, mine_now=MINE)),
        (
            "mine_now.py",
            "the student renamed old.py to this name, the template to theirs.py; both are",
        ),
    ),
    "removed, and changed": (
        ({}, files(old=MINE), files(old=MINE)),
        (
            "old.py",
            "the template no longer has this file, which the student changed; the student's",
        ),
    ),
    "removed, and renamed": (
        ({}, files(new=TEXT), files(new=TEXT)),
        (
            "new.py",
            "the template no longer has old.py, which the student renamed to this name; the",
        ),
    ),
    "removed, and made executable": (
        (
            {},
            files(old=File(EXECUTABLE, TEXT.encode())),
            files(old=File(EXECUTABLE, TEXT.encode())),
        ),
        ("old.py", "the template no longer has this file, which the student made executable; the"),
    ),
    "added by both": (
        (files(old=TEXT, new=EDITED), files(old=TEXT, new=OTHER), files(old=TEXT, new=OTHER)),
        ("new.py", "the template now has a file of this name too; the student's side is kept"),
    ),
    "a folder for a file": (
        (
            files(old=TEXT, **{"note.py/a": EDITED, "note.py/b": OTHER}),
            files(old=TEXT, note=OTHER),
            files(old=TEXT, note=OTHER),
        ),
        (
            "note.py",
            "the template now has a folder of this name, with note.py/a.py, note.py/b.py; the",
        ),
    ),
    "a file for a folder": (
        (
            files(old=TEXT, note=EDITED),
            files(old=TEXT, **{"note.py/a": OTHER}),
            files(old=TEXT, **{"note.py/a": OTHER}),
        ),
        (
            "note.py/a.py",
            "the template now has a file note.py, where the student has a folder; the",
        ),
    ),
    "capital letters": (
        (files(old=TEXT, Note=EDITED), files(old=TEXT, note=OTHER), files(old=TEXT, note=OTHER)),
        (
            "note.py",
            "the template now has Note.py, which Windows and macOS can't tell apart from note.py",
        ),
    ),
    "no room to follow": (
        (files(new=EDITED), files(old=MINE, new=OTHER), files(old=MINE, new=OTHER)),
        (
            "old.py",
            "the template renamed this file to new.py, and the student's new.py is in the way",
        ),
    ),
    "capital letters, renamed apart": (
        (files(OLD=EDITED), files(Old=MINE), files(Old=MINE)),
        ("Old.py", "the template renamed old.py, now this file, to OLD.py, and it is in the way"),
    ),
    "bytes": (
        (files(old=b"\0\1"), files(old=b"\0\2"), files(old=b"\0\2")),
        ("old.py", "the student and the template both changed this file, which is not text"),
    ),
}


@pytest.mark.parametrize("case", CONFLICTS)
def test_a_conflict_keeps_the_students_file_and_says_why(tmp_path: Path, case: str) -> None:
    (theirs, ours, expected), (path, words) = CONFLICTS[case]
    branch, outcome = update(tmp_path, files(old=TEXT), theirs, ours)
    assert outcome.state == CONFLICT and branch == expected
    ((named, what),) = [tuple(one.values()) for one in outcome.conflicts]
    assert named == path and what.startswith(words), what


def test_markers_follow_a_rename_and_keep_the_line_ends(tmp_path: Path) -> None:
    branch, outcome = update(
        tmp_path, files(old=TEXT), files(new=EDITED), files(old=crlf(MINE)), markers=True
    )
    assert outcome.state == CONFLICT and branch.keys() == files(new="").keys()
    text = branch["new.py"].content.decode()
    assert "<<<<<<< student\r\nthe student's line 5 of" in text
    assert "=======\r\nthe template's line 5 of the engine\r\n>>>>>>> template v2.0.0\r\n" in text
    assert text.endswith("the student's last line\r\n")


def test_what_a_student_deleted_comes_back_only_under_another_name(tmp_path: Path) -> None:
    branch, outcome = update(tmp_path, files(old=TEXT), files(new=EDITED), {})
    assert outcome.state == CLEAN and branch == files(new=EDITED)
    assert outcome.notes == [
        "new.py is added: the student deleted old.py, and the template renamed it to this name"
    ]


def test_a_conflict_in_a_file_without_a_utf_8_name_is_written(tmp_path: Path) -> None:
    ours = {LATIN_1: File(PLAIN, MINE.encode())}
    branch, outcome = update(tmp_path, files(old=TEXT), files(old=EDITED), ours)
    assert outcome.state == CONFLICT and branch == ours


# ---- A folder that nobody edited ----------------------------------------------------------------------


def engine(text: str, **more: str) -> Files:
    """Two files of a folder that is the same in every project, and others below it."""
    return files(
        engine__a=text, engine__room__b="b\n", **{f"engine__{k}": v for k, v in more.items()}
    )


def test_a_folder_that_is_as_the_template_made_it_is_taken_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One comparison: no file and no folder below it is looked at."""
    asked: list[str] = []
    find = StudentFiles.entry

    def entry(self: StudentFiles, path: str) -> Entry | None:
        asked.append(path)
        return find(self, path)

    monkeypatch.setattr(StudentFiles, "entry", entry)
    after = engine(EDITED, new="new\n")
    del after["engine/room/b.py"]
    branch, outcome = update(tmp_path, engine(TEXT), after, engine(TEXT) | files(own="mine\n"))
    assert outcome.state == CLEAN and not outcome.notes
    assert branch == after | files(own="mine\n")
    assert not [path for path in asked if path.startswith("engine/")]


def test_one_edited_line_and_the_folder_is_merged(tmp_path: Path) -> None:
    after = engine(EDITED, new="new\n")
    branch, outcome = update(tmp_path, engine(TEXT), after, engine(FAR))
    assert outcome.state == CLEAN and branch == engine(BOTH, new="new\n")
