"""Rosters as they are: columns, separators and encodings of spreadsheets, names of people."""

import json
import sys
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.classroom.config import Class, load
from cohort.classroom.roster import (
    DEVICES,
    ON_A_FORGE,
    Roster,
    derive_name,
    is_folder_name,
    read_roster,
)
from cohort.errors import CohortError
from tests.support.classes import Cohort, git, make_class, write
from tests.support.helpers import ROOT, must_run, run

BAD_ROWS = 'student,title\nada,A\n../eve,E\nbob\n"cem"x,C\nADA,Again\n,Nobody\ndee,D\n'
BAD_LINES = ("line 3", "line 4", "line 5", "line 6", "line 7")
COMMANDS = ("status", "plan", "update", "verify", "audit", "report", "rollback")


def class_of(folder: Path, roster: str | bytes, **section: str) -> Class:
    """A class that is only read: its template does not exist."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in section.items()]
    settings = "[template]\nurl = 'none'\nreleases = ['v1.0.0']\n[class]\n" + "\n".join(lines)
    write(folder, {"class.toml": settings, "class.csv": roster})
    return load(folder)


def names(roster: Roster) -> list[str]:
    return [student.name for student in roster.students]


def folders(roster: Roster) -> list[str]:
    return [Path(student.repository).name for student in roster.students]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_spreadsheets_write_is_read(
    tmp_path: Path, mark: str, end: str, encoding: str
) -> None:
    rows = (["title", "student"], ["Häuser, groß; klein", "Jürgen"], ["", "Zoë"])
    lines = [mark.join(f'"{cell}"' if cell else "" for cell in row) for row in rows]
    roster = read_roster(class_of(tmp_path, end.join([*lines, ""]).encode(encoding)))
    assert names(roster) == ["Jürgen", "Zoë"] and roster.problems == []
    assert [student.extra["title"] for student in roster.students] == ["Häuser, groß; klein", ""]


def test_a_separator_in_a_header_misleads_nobody(tmp_path: Path) -> None:
    roster = read_roster(class_of(tmp_path, '"a;b,c"\tstudent\n1\tada\n'))
    assert names(roster) == ["ada"] and roster.students[0].extra == {"a;b,c": "1"}
    assert names(read_roster(class_of(tmp_path, "sep=;\nStudent;title\nada;A\n"))) == ["ada"]


@pytest.mark.parametrize(
    "content",
    ["student,title\nada,A\nJürgen,B\n".encode("cp1252"), "student\nada\n".encode("utf-16-le")],
)
def test_another_encoding_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CohortError, match='save the table as "CSV UTF-8"') as error:
        read_roster(class_of(tmp_path, content))
    assert "line 3" in str(error.value) or content[1] == 0


def test_a_roster_without_the_column_is_refused(tmp_path: Path) -> None:
    for content in ("", "name|title\nada|A\n", "name,title\nada,A\n"):
        with pytest.raises(CohortError, match="one column must be called student"):
            read_roster(class_of(tmp_path, content))
    with pytest.raises(CohortError, match="two columns are called 'title'"):
        read_roster(class_of(tmp_path, "student,title,title\n"))


def test_every_bad_row_is_named_and_the_others_are_there(tmp_path: Path) -> None:
    roster = read_roster(class_of(tmp_path, BAD_ROWS))
    assert names(roster) == ["ada", "dee"]
    assert [problem.split(": ")[0] for problem in roster.problems] == [
        f"class.csv, {line}" for line in BAD_LINES
    ]
    assert "already in line 2" in roster.problems[3]


def test_a_quotation_mark_that_is_never_closed_costs_one_row(tmp_path: Path) -> None:
    roster = read_roster(class_of(tmp_path, 'student,title\nada,"A\nbob,B\ncem,C\n'))
    assert names(roster) == ["bob", "cem"] and "line 2" in roster.problems[0]
    roster = read_roster(class_of(tmp_path, 'student,title\nada,"A\nB"\neve/,C\n'))
    assert names(roster) == ["ada"] and "line 4" in roster.problems[0]


def test_empty_columns_and_cells_beyond_the_header_are_no_error(tmp_path: Path) -> None:
    roster = read_roster(class_of(tmp_path, "student,title,,\nada,A,,\nbob,B,,,\n,,,\ncem,C,x,\n"))
    assert names(roster) == ["ada", "bob"] and "line 5: a cell in a column" in roster.problems[0]


def test_a_name_has_one_spelling(tmp_path: Path) -> None:
    decomposed = normalize("NFD", "Zoë Ångström")
    text = f"student\n{decomposed}\nZoë\u00a0Ångström\n"
    roster = read_roster(class_of(tmp_path, text))
    assert names(roster) == ["Zoë Ångström"] and "already in line 2" in roster.problems[0]
    assert names(roster.only([decomposed])) == ["Zoë Ångström"]


def test_a_repository_that_is_there_is_found(tmp_path: Path) -> None:
    """Made on Linux, before names that Windows keeps for devices were given another."""
    (tmp_path / "students" / "aux").mkdir(parents=True)
    assert folders(read_roster(class_of(tmp_path, "student\naux\ncon\n"))) == ["aux", "con-student"]


@pytest.mark.parametrize(
    ("name", "derived"),
    [
        ("Müller, Jürgen", "mueller-juergen"),
        ("O'Brien, Siobhán", "obrien-siobhan"),
        ("Łukasz (guest)", "lukasz-guest"),
        ("CON", "con-student"),
        ("lpt1.txt", "lpt1-txt"),
        ("Straße & Söhne", "strasse-soehne"),
    ],
)
def test_an_impossible_name_gets_a_derived_one_which_is_said(
    tmp_path: Path, name: str, derived: str
) -> None:
    assert derive_name(name) == derived
    roster = read_roster(class_of(tmp_path, f'student\n"{name}"\n'))
    assert names(roster) == [name] and folders(roster) == [derived]
    assert name in roster.notes[0] and f"is called {derived}" in roster.notes[0]


def test_what_was_possible_stays_as_it_is(tmp_path: Path) -> None:
    given_names = ["ada", "Jürgen Müller", "a.b@c", "李雷"]
    roster = read_roster(class_of(tmp_path, "student\n" + "\n".join(given_names)))
    assert folders(roster) == given_names and roster.notes == []


def test_a_forge_takes_less_than_a_folder(tmp_path: Path) -> None:
    text = "student\nada.l\nJürgen\n李雷\nwiki.git\n"
    roster = read_roster(class_of(tmp_path, text, remote="https://forge.example/c/{student}.git"))
    called = [
        student.repository.removeprefix("https://forge.example/c/").removesuffix(".git")
        for student in roster.students
    ]
    assert called[:2] == ["ada.l", "juergen"] and called[2].startswith("student-")
    assert called[3] == "wiki-git" and len(roster.notes) == 3


def test_derived_names_never_meet(tmp_path: Path) -> None:
    text = 'student\n"Müller, Jürgen"\n"Mueller, Juergen"\nmueller-juergen\n"Müller; Jürgen"\n'
    roster = read_roster(class_of(tmp_path, text))
    found = folders(roster)
    assert found[2] == "mueller-juergen" and len({name.casefold() for name in found}) == 4
    assert len(roster.notes) == 3


@settings(deadline=None)
@given(st.text(min_size=1, max_size=100))
def test_any_name_is_a_folder_and_an_address(name: str) -> None:
    derived = derive_name(name)
    assert derived == derive_name(normalize("NFC", name))
    assert is_folder_name(derived) and ON_A_FORGE.fullmatch(derived)
    assert derived.isascii() and not DEVICES.fullmatch(derived)


def test_a_missing_student_is_named_with_the_bad_rows(tmp_path: Path) -> None:
    roster = read_roster(class_of(tmp_path, BAD_ROWS))
    with pytest.raises(CohortError, match=r"no student 'bob', 'zoe'.*line 4"):
        roster.only(["bob", "ada", "zoe"])


@pytest.fixture(scope="module")
def enrolled(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class whose roster has other columns and bad rows; two repositories are made."""
    folder = make_class(tmp_path_factory.mktemp("enrolled") / "class", small, [])
    rows = (
        "student;title;email;section\nada;A;ada@x.org;1\n../eve;E;;\nbob;B;bob@x.org;2\nbob;B;;\n"
    )
    write(folder, {"class.csv": rows})
    create = (sys.executable, "-m", "cohort", "create", "--to", "v1.0.0", "--only", "ada")
    done = run(*create, "--only", "bob", "--class", folder, cwd=ROOT)
    assert done.returncode == 3 and "2 created" in done.stdout, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_bad_row_stops_nobody_in_any_command(
    cohort: Cohort, enrolled: Path, tmp_path: Path, command: str
) -> None:
    page = ("--html", str(tmp_path / "page.html")) if command == "report" else ()
    said = cohort(enrolled, command, *page)
    assert said.code == 3
    for text in ("class.csv, line 3: '../eve'", "class.csv, line 5: the student 'bob'"):
        assert text in said.out
    said = cohort(enrolled, command, "--json")
    assert said.code == 3 and set(said.projects) == {"ada", "bob"}
    assert len(json.loads(said.out)["problems"]) == 2
    extra = {"title": "B", "email": "bob@x.org", "section": "2"}
    assert said.projects["bob"]["extra"] == extra


def test_a_bad_row_stops_no_history(cohort: Cohort, enrolled: Path) -> None:
    assert "create" in cohort(enrolled, "history", "ada").out


def test_create_again_leaves_what_exists(cohort: Cohort, small: Path, tmp_path: Path) -> None:
    server = tmp_path / "server"
    remote = f'remote = "file://{server}/{{student}}.git"'
    folder = make_class(
        tmp_path / "class", small, [], forge="file_remotes = true", **{"class": remote}
    )
    for name in ("ada", "bob"):
        git(tmp_path, "init", "--quiet", "--bare", str(server / f"{name}.git"))
    write(folder, {"class.csv": "student,title,github\nada,A,ada-l\n"})
    assert cohort(folder, "create", "--to", "v1.0.0").code == 0
    first = git(server / "ada.git", "rev-parse", "main")
    write(folder, {"class.csv": "student,title,github\nada,A,ada-l\nbob,B,bob-x\n"})
    said = cohort(folder, "create", "--json")
    assert said.code == 0, said.out
    states = {name: one["state"] for name, one in said.projects.items()}
    assert states == {"ada": "exists", "bob": "created"}
    assert "exists, and stays as it is" in said.projects["ada"]["message"]
    assert said.projects["bob"]["extra"]["github"] == "bob-x"
    assert git(server / "ada.git", "rev-parse", "main") == first


def test_create_names_the_columns_that_are_no_question(
    cohort: Cohort, small: Path, tmp_path: Path
) -> None:
    folder = make_class(tmp_path / "class", small, [])
    rows = 'student,colour,email,tittle\nada,green,a@x.org,A\n"Müller, J.",blue,,\nzoe,,,\n'
    write(folder, {"class.csv": rows})
    said = cohort(folder, "create")
    lines = [line for line in said.out.splitlines() if "email, tittle" in line]
    assert said.code == 3 and len(lines) == 1 and "has no question" in lines[0]
    assert "is called mueller-j" in said.out
    assert "line 3 of the roster" in " ".join(said.out.split()) and "2 created" in said.out
    assert "green" in (folder / "students/ada/src/my_work/features.py").read_text()
    assert "red" in (folder / "students/zoe/src/my_work/features.py").read_text()


def test_a_template_without_its_tags_is_said(cohort: Cohort, small: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--no-tags", str(small), str(clone))
    said = cohort(tmp_path / "class", "init", str(clone))
    assert said.code == 3 and f"git -C {clone} fetch --tags" in said.err
    folder = make_class(tmp_path / "class", small, ["ada"])
    settings = (folder / "class.toml").read_text().replace(str(small), str(clone))
    write(folder, {"class.toml": settings})
    said = cohort(folder, "create")
    assert said.code == 3 and f"git -C {clone} fetch --tags" in said.err
    git(clone, "fetch", "--quiet", "--tags")
    assert cohort(folder, "create").code == 0


def test_init_keeps_the_class_clean_in_a_repository(
    cohort: Cohort, small: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "class"
    assert cohort(folder, "init", str(small)).code == 0
    assert cohort(folder, "create").code == 0
    assert cohort(folder, "report", "--html", str(folder / "class.html")).code == 0
    git(folder, "init", "--quiet")
    waiting = git(folder, "status", "--porcelain", "--untracked-files=all").split("\n")
    assert sorted(waiting) == ["?? .gitignore", "?? class.csv", "?? class.toml"]


def test_init_overwrites_nothing(cohort: Cohort, small: Path, tmp_path: Path) -> None:
    mine = {".gitignore": "mine\n", "class.csv": "student\nzoe\n"}
    write(tmp_path, mine)
    said = cohort(tmp_path, "init", str(small))
    assert said.code == 0 and "/.cohort/" in said.out
    assert {name: (tmp_path / name).read_text() for name in mine} == mine


def test_the_version_is_told() -> None:
    said = must_run(sys.executable, "-m", "cohort", "--version", cwd=ROOT)
    assert said.startswith("cohort") and len(said.splitlines()) == 1
