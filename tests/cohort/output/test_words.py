"""One vocabulary for tables, JSON and pages: to the instructor, before and after an update."""

import json
import sys
from pathlib import Path

import pytest

from cohort.classroom.outcome import CLEAN, CONFLICT, ERROR, Outcome, count_of_word
from cohort.classroom.roster import Roster
from cohort.output.tables import show, text_table
from cohort.text import count_of
from tests.support.classes import Cohort, commit_all, make_class, write


@pytest.fixture
def two(cohort: Cohort, small: Path, tmp_path: Path) -> Path:
    """Ada's update needs attention, Bob's merges cleanly."""
    folder = make_class(tmp_path / "class", small, ["ada", "bob"])
    assert cohort(folder, "create", "--to", "v1.0.0").code == 0
    ada = folder / "students" / "ada"
    write(ada, {"engine.py": (ada / "engine.py").read_text().replace("line 5 ", "my line ")})
    commit_all(ada, "My line")
    return folder


def test_the_tense_is_right(cohort: Cohort, two: Path) -> None:
    plan = cohort(two, "plan").out
    assert "1 needs attention, 1 will merge cleanly." in plan
    assert "nothing has been written" in plan and "merged cleanly" not in plan
    assert "will merge cleanly" in cohort(two, "status").out
    update = cohort(two, "update").out
    assert "1 needs attention, 1 merged cleanly. 2 branches written." in update
    assert "No branch has changed." in cohort(two, "update").out
    assert "will merge cleanly" in cohort(two, "status").out
    assert "merged cleanly" in cohort(two, "history", "bob").out


def test_programs_read_the_same_words(cohort: Cohort, two: Path) -> None:
    cohort(two, "plan")
    status = cohort(two, "status", "--json").projects
    report = cohort(two, "report", "--json").projects
    assert status["ada"]["to_come"] == "needs attention: engine.py"
    assert report["ada"]["word"] == "needs attention"
    assert status["bob"]["to_come"] == report["bob"]["word"] == "will merge cleanly"


def test_each_command_says_what_is_next(
    cohort: Cohort, small: Path, tmp_path: Path, two: Path
) -> None:
    said = cohort(tmp_path / "new", "init", str(small)).out
    assert said.strip().endswith("Next: `cohort create` creates one repository per student.")
    assert "Next: `cohort status`" in cohort(two, "create").out
    assert "Next: `cohort plan`" in cohort(two, "status").out
    assert "Next: `cohort update` writes" in cohort(two, "plan").out
    assert "Next: `cohort update` writes" in cohort(two, "status").out
    assert "Next: each student reviews and merges template/v2.0.0" in cohort(two, "update").out
    assert "Next: each student reviews" in cohort(two, "status").out
    assert "Next: `cohort update`" in cohort(two, "rollback").out
    assert "Next: open it in a browser." in cohort(two, "report").out


def test_the_json_of_a_plan_with_a_page_is_json(cohort: Cohort, two: Path) -> None:
    said = cohort(two, "plan", "--json", "--html", str(two / "plan.html"))
    assert {one["student"] for one in json.loads(said.out)["projects"]} == {"ada", "bob"}
    assert (two / "plan.html").exists()


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (count_of(1, "student"), "1 student"),
        (count_of(0, "student"), "0 students"),
        (count_of(3000, "student"), "3,000 students"),
        (count_of(2, "branch"), "2 branches"),
        (count_of(2, "repository"), "2 repositories"),
        (count_of_word(1, "needs attention"), "1 needs attention"),
        (count_of_word(2, "needs attention"), "2 need attention"),
        (count_of_word(2, "error"), "2 errors"),
        (count_of_word(2, "will merge cleanly"), "2 will merge cleanly"),
    ],
)
def test_one_and_several(count: str, sentence: str) -> None:
    assert count == sentence


def test_a_table_has_only_the_columns_that_say_something(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcomes = [Outcome("ada", CLEAN, now="v1"), Outcome("bob", ERROR, message="why")]
    show("Plan", outcomes, Roster("class.csv", []), as_json=False)
    heading = capsys.readouterr().out.splitlines()[2]
    assert heading.split() == ["student", "state", "release", "notes"]


def test_no_word_is_broken_while_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    path = "src/capstone/checks/personal_data.py:"
    rows = [["ada", "2026-11-20", f"{path} the student and the template changed the same lines"]]
    lines = list(text_table(["student", "newest commit", "notes"], rows))
    assert max(map(len, lines)) <= 80
    assert "2026-11-20" in "\n".join(lines) and path in "\n".join(lines)


def test_the_states_that_need_a_person_come_first() -> None:
    from cohort.classroom.outcome import RANK

    assert RANK[CONFLICT] < RANK[ERROR] < RANK[CLEAN]


def test_a_report_says_why_it_ends_with_a_code(cohort: Cohort, two: Path) -> None:
    write(two / "students" / "bob", {".copier-answers.yml": None})
    commit_all(two / "students" / "bob", "Oops")
    said = cohort(two, "report")
    assert said.code == 3 and "2 projects, 2 may need help, 1 error." in said.out
