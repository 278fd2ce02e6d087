"""`capstone use`: from a file on someone's disk to an honest run, with one command and one more."""

import io
import re
import runpy
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from capstone import apply_step, load_settings, read_run, read_table
from capstone.core.settings_file import parse_settings
from capstone.drafts.choices import Looked
from tests.conftest import Capstone, Render
from tests.support.helpers import SMALLEST, call, must_run, tool
from tests.support.messy_tables import TABLES
from tests.support.promise import command, digests, keep_promise

ANSWERS = {"data_source": "own"}


@pytest.fixture
def project(copy_of: Render) -> Path:
    """A project for an own table, as `capstone start` leaves it: everything committed."""
    folder = copy_of(**ANSWERS)
    must_run("git", "init", "--quiet", cwd=folder)
    must_run("git", "add", "--all", cwd=folder)
    must_run("git", "commit", "--quiet", "--message", "Start", cwd=folder)
    return folder


def answer(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


@pytest.fixture(scope="module")
def drafted(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which every table was used in turn: the settings and modules of each are kept under its name."""
    folder = tmp_path_factory.mktemp("drafted")
    project = Path(shutil.copytree(render(**ANSWERS), folder / "my-capstone"))
    package = project / "src" / "my_capstone"
    for name, messy in TABLES.items():
        assert call(project, "use", str(messy().write(folder, name)), "--yes", "--overwrite") == 0
        kept = package / name
        kept.mkdir()
        for module in ("features.py", "decisions.py"):
            shutil.copy(package / module, kept / module)
        shutil.copy(project / "capstone.toml", kept / "capstone.toml")
    return project


def test_the_drafts_are_tidy_code(drafted: Path) -> None:
    for check in (["check"], ["format", "--check"]):
        must_run(tool("ruff"), *check, "src", cwd=drafted)


@pytest.mark.parametrize("name", TABLES)
def test_the_draft_does_what_was_said(name: str, drafted: Path) -> None:
    expected, kept = TABLES[name]().expected, drafted / "src" / "my_capstone" / name
    data = parse_settings((kept / "capstone.toml").read_text(encoding="utf-8")).data
    assert data.path == f"data/raw/{name}.csv"
    assert (data.target, data.problem, data.positive) == (
        *(expected.target, expected.problem, expected.positive),
    )
    # What clean() makes of the table is what was looked at when the target and its class were suggested.
    raw, _ = read_table(drafted / data.path, data)
    seen = Looked.at(raw).clean.drop(columns=[*data.leave_out, *([data.id] if data.id else [])])
    steps = runpy.run_path(str(kept / "features.py"))
    left = raw.drop(columns=data.leave_out)
    cleaned, said = apply_step("clean", left, drafted, data.target, steps["clean"])
    assert "CHANGED" not in "".join(said), "a target that is written in one way now is no other one"
    apply_step("engineer", cleaned, drafted, data.target, steps["engineer"])
    pd.testing.assert_frame_equal(cleaned[list(seen)], seen, check_dtype=False)
    # New rows come without the target, and the steps do without it.
    apply_step("clean", left.drop(columns=data.target), drafted, "", steps["clean"])


@pytest.mark.parametrize("name", ["germany", "united_states", "great_britain"])
def test_one_command_more_and_there_is_a_run(
    name: str, project: Path, tmp_path: Path, capstone: Capstone
) -> None:
    path = TABLES[name]().write(tmp_path, name)
    assert capstone(project, "use", str(path), "--yes")[0] == 0
    code, out, err = capstone(project, "run", "--quick", *SMALLEST)
    assert code == 0, out + err
    assert not re.search("CHANGED|CAREFUL|not mended", out), out
    run = read_run(project / "runs")
    assert run.metrics["problem"] == TABLES[name]().expected.problem


def test_every_answer_counts(
    project: Path, tmp_path: Path, capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = TABLES["with_a_leak"]().write(tmp_path, "table")
    answer(monkeypatch, "status", "binary", "left", "-", "-", "usage", "y")
    code, out, err = capstone(project, "use", str(path))
    assert code == 0, out + err
    assert "exit_code nearly determines the target by itself" in out
    data = load_settings(project).data
    assert (data.positive, data.leave_out, data.sensitive) == ("left", [], ["usage"])


def test_an_answer_that_names_no_column_is_asked_for_again(
    project: Path, tmp_path: Path, capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = TABLES["with_a_leak"]().write(tmp_path, "table")
    answer(monkeypatch, "statsu", "status", "", "", "", "exit_cod", "exit_code", "", "y")
    code, out, err = capstone(project, "use", str(path))
    assert code == 0, out + err
    assert 'There is no "statsu"; did you mean "status"?' in out
    assert load_settings(project).data.leave_out == ["exit_code"]


def test_nothing_is_written_that_was_not_agreed_to(
    project: Path, tmp_path: Path, capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = TABLES["with_a_leak"]().write(tmp_path, "table")
    answer(monkeypatch, "", "", "", "", "", "", "n")
    assert capstone(project, "use", str(path))[0] == 0
    assert (
        must_run(
            "git",
            "status",
            "--porcelain",
            "--",
            "src",
            "capstone.toml",
            "data/README.md",
            cwd=project,
        )
        == ""
    )


@pytest.mark.parametrize("committed", [True, False])
def test_a_file_that_someone_has_worked_on_is_kept(
    committed: bool, project: Path, tmp_path: Path, capstone: Capstone
) -> None:
    features = project / "src" / "my_capstone" / "features.py"
    features.write_text(features.read_text() + "\nMINE = 1\n")
    if committed:
        must_run("git", "commit", "--quiet", "--all", "--message", "Mine", cwd=project)
    before = {
        path: path.read_bytes()
        for path in project.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }
    path = TABLES["with_a_leak"]().write(tmp_path, "table")
    code, _, err = capstone(project, "use", str(path), "--yes")
    assert code == 2
    assert "You have worked on src/my_capstone/features.py: nothing was written" in err
    assert before == {path: path.read_bytes() for path in before}
    assert not (project / "data" / "raw" / "table.csv").exists()
    assert capstone(project, "use", str(path), "--yes", "--overwrite")[0] == 0
    assert "MINE" not in features.read_text()


def test_a_table_of_the_same_name_is_not_replaced(
    project: Path, tmp_path: Path, capstone: Capstone
) -> None:
    there = project / "data" / "raw" / "table.csv"
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_text("a,b\n1,2\n")
    path = TABLES["with_a_leak"]().write(tmp_path, "table")
    code, _, err = capstone(project, "use", str(path), "--yes")
    assert code == 2
    assert "data/raw/table.csv is there already and differs" in err
    assert there.read_text() == "a,b\n1,2\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.csv", "--yes"], "missing.csv does not exist"),
        (["capstone.toml", "--yes"], "capstone.toml"),
        (
            ["TABLE", "--yes", "--target", "statuss"],
            'has no column "statuss"; did you mean "status"?',
        ),
        (["TABLE"], "There is no one to answer the questions: add --yes"),
    ],
)
def test_what_can_not_be_used_is_one_sentence(
    arguments: list[str],
    words: str,
    project: Path,
    tmp_path: Path,
    capstone: Capstone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = TABLES["with_a_leak"]().write(tmp_path, "table")
    answer(monkeypatch)
    code, _, err = capstone(
        project, "use", *(str(path) if word == "TABLE" else word for word in arguments)
    )
    assert code == 2
    assert words in err and err.count("\n") == 1


def test_used_twice_the_second_draft_changes_nothing(
    project: Path, tmp_path: Path, capstone: Capstone
) -> None:
    path = TABLES["germany"]().write(tmp_path, "table")
    assert capstone(project, "use", str(path), "--yes")[0] == 0
    code, out, _ = capstone(project, "use", "data/raw/table.csv", "--yes")
    assert code == 0
    assert "Written: nothing that differs" in out


class Typist(io.StringIO):
    """Someone at a terminal who presses Enter so many times, then Ctrl-C, Ctrl-D, or nothing any more."""

    def __init__(self, enters: int, then: type[BaseException] | None) -> None:
        super().__init__("\n" * enters)
        self.left, self.then = enters, then

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        self.left -= 1
        if self.left < 0 and self.then is not None:
            raise self.then
        return super().readline(size or -1)

    def isatty(self) -> bool:
        return self.then is not None


@pytest.mark.parametrize(
    ("then", "code", "words"),
    [
        (KeyboardInterrupt, 130, "Stopped. Nothing was written.\n"),
        (EOFError, 130, "Stopped. Nothing was written.\n"),
        (None, 2, "There is no one to answer the questions: add --yes"),
    ],
    ids=["Ctrl-C", "Ctrl-D", "no more answers"],
)
def test_who_stops_at_a_question_loses_nothing(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    then: type[BaseException] | None,
    code: int,
    words: str,
) -> None:
    features = project / "src" / "my_capstone" / "features.py"
    features.write_text(features.read_text() + "\nMINE = 1\n")  # so that one question more is asked
    path = TABLES["with_a_leak"]().write(tmp_path, "table")
    before = digests(project)
    for answered in (0, 3, 6, 7):
        monkeypatch.setattr(sys, "stdin", Typist(answered, then))
        ended = command(project, "use", str(path))
        assert (ended.code, words in ended.err) == (code, True), (answered, ended)
        assert ended.err.count("\n") <= 2  # one for the line with the question
        assert digests(project) == before


def test_a_closed_input_is_no_one(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = TABLES["with_a_leak"]().write(tmp_path, "table")
    monkeypatch.setattr(sys, "stdin", None)
    keep_promise(project, "use", str(path), names=["no one to answer"], code=2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"[data\n", "is not valid TOML"),
        (b"[data]\npath = 'a'\n[data]\npath = 'b'\n", "is not valid TOML"),
        (b"\0", "is not valid TOML"),
        (b"a = " + b"[" * 200 + b"]" * 200, "can't be edited"),
        (b"path = '\xfc'", "is not UTF-8"),
        (b"data = 3\n", "write [data] on a line of its own"),
        (b"[[data]]\n", "write [data] on a line of its own"),
        (b"data.path = 'x'\n", "You have worked on capstone.toml"),
        (b"[project]\nname = 'x'\n[split]\nmethod = 3\n", "You have worked on capstone.toml"),
        (b"\xef\xbb\xbf[project]\n", "You have worked on capstone.toml"),
    ],
)
def test_settings_of_any_form_are_kept_or_said_to_be_broken(
    project: Path, tmp_path: Path, text: bytes, words: str
) -> None:
    (project / "capstone.toml").write_bytes(text)
    path = TABLES["with_a_leak"]().write(tmp_path, "table")
    before = digests(project)
    ended = command(project, "use", str(path), "--yes")
    assert ended.code == 2 and "capstone.toml" in ended.err and words in ended.err, ended.err
    assert ended.err.count("\n") == 1 and digests(project) == before


def test_a_path_that_leads_nowhere_is_one_sentence(project: Path, tmp_path: Path) -> None:
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    for path in (tmp_path / "loop.csv", tmp_path / f"{'x' * 300}.csv", "https://a.example/b.csv"):
        keep_promise(project, "use", str(path), "--yes", names=["csv"], code=2)


@pytest.mark.parametrize("name", ["a\nb", "\u202ea", "a\u200bb", "\x1b[31m"])
def test_a_table_whose_name_nobody_can_see_is_refused(
    project: Path, tmp_path: Path, name: str
) -> None:
    path = TABLES["with_a_leak"]().write(tmp_path, "table")
    hidden = path.rename(tmp_path / f"{name}.csv")
    keep_promise(project, "use", str(hidden), "--yes", names=["that nobody can see"], code=2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("y\n" + "ja\nnein\n" * 30, "2 of the 60 rows"),
        ("a,y\n" + "".join(f"{n},1\n" for n in range(40)), 'Target "y" is'),
        ("".join(f"{n},{n % 2}\n" for n in range(90)).replace("0,0", "id,y", 1), "No column"),
    ],
    ids=["one column", "constant target", "id alone"],
)
def test_what_a_run_will_end_with_is_said_at_once(
    project: Path, tmp_path: Path, content: str, words: str
) -> None:
    (tmp_path / "table.csv").write_text(content)
    ended = command(project, "use", str(tmp_path / "table.csv"), "--yes", "--target", "y")
    assert ended.code == 0, ended.err
    assert "A run will need more: " in ended.out and words in ended.out, ended.out
