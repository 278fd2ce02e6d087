"""The pages as text: what is on them, how large they are, and what a stranger can't do to them."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cohort.classroom.outcome import (
    CLEAN,
    CONFLICT,
    CURRENT,
    MISSING,
    OPEN,
    WORDS,
    Outcome,
    PullRequest,
)
from cohort.output.links import web_address
from cohort.output.plan_page import MOST, group_changes, write_plan_page
from cohort.projects.report import Row, write_page
from tests.support.classes import Cohort, commit_all, git, make_class, write

HOSTILE = "</td></script><script>document.title='owned'</script>\u202e\x1b]0;x\x07\"'<img src=x onerror=alert(1)>"
SAME = "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three"


class Tags(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.found)


def planned(student: str, diffs: dict[str, str], state: str = CLEAN) -> Outcome:
    changes = dict.fromkeys(diffs, "written")
    conflicts = [{"path": "a.py", "what": "both changed it"}] if state == CONFLICT else []
    return Outcome(student, state, now="v1", changes=changes, diffs=diffs, conflicts=conflicts)


def plan_page(folder: Path, outcomes: list[Outcome]) -> str:
    write_plan_page(folder / "plan.html", "v2", outcomes)
    return (folder / "plan.html").read_text(encoding="utf-8")


def class_page(folder: Path, rows: list[Row]) -> str:
    write_page(folder / "class.html", "v2", rows)
    return (folder / "class.html").read_text(encoding="utf-8")


def full_row(number: int) -> Row:
    """A row in which there is something everywhere."""
    states = list(WORDS)[:6]
    state = states[number % len(states)]
    return Row(
        f"student{number:04}",
        author=f"Ada Lovelace {number}",
        repository=f"https://git.example.org/my-class/student{number:04}",
        pull_request=PullRequest(
            OPEN, f"https://git.example.org/my-class/student{number:04}/pull/1", 1
        ),
        state=state,
        word=WORDS[state],
        release="v1.0.0",
        committed=1.79e9 + 86_400 * number,
        changed=[".github/workflows/checks.yml", "tests/capstone/test_personal_data.py"],
        ticked=3,
        boxes=14,
        open_questions=2,
        scores=["Accuracy: 0.912", "ROC AUC: 0.934", "F1 (macro): 0.899"],
        against="the network is better than the constant baseline and the linear model",
        checks=["card: docs/model_card.md has 3 questions without an answer", "ethics: 4 boxes"],
        help=["update needs attention", "changed protected files", "2 open checks"],
        message="src/capstone/training.py: the student and the template changed the same lines",
    )


# ---- Equal changes -------------------------------------------------------------------------------------


def test_three_hundred_equal_diffs_are_one(tmp_path: Path) -> None:
    long = "@@ -1,1 +1,40 @@\n" + "\n".join(f"+line {number}" for number in range(40))
    diffs = {f"engine/file{number}.py": long for number in range(40)}
    names = [f"student{number:04}" for number in range(300)]
    text = plan_page(tmp_path, [planned(name, dict(diffs)) for name in names])
    assert len(text.encode()) < 300_000
    assert text.count("+line 39") == 40, "each file's diff is there once"
    assert Tags(text).count("article") == 1 and "40 files for all 300 students" in text
    assert all(text.count(f">{name}<") == 2 for name in names), "in the table and in the group"


def test_lines_around_a_change_do_not_make_it_another(tmp_path: Path) -> None:
    """An answers file holds each student's name beside the version."""
    outcomes = [
        planned(name, {"a.yml": f"@@ -1,2 +1,2 @@\n-v1\n+v2\n name: {name}"})
        for name in ("ada", "bob")
    ]
    [group] = group_changes(outcomes)
    assert group.students == ("ada", "bob") and group.changes[0].example == "ada"
    assert "these are from ada" in plan_page(tmp_path, outcomes)


def test_different_changes_stay_apart(tmp_path: Path) -> None:
    other = SAME.replace("+2", "+3")
    two_places = "@@ -1,1 +1,1 @@\n-a\n+b\n@@ -9,1 +9,1 @@\n-c\n+d"
    one_place = "@@ -1,2 +1,2 @@\n-a\n+b\n-c\n+d"
    outcomes = [
        planned("ada", {"x.py": SAME, "y.py": two_places}),
        planned("bob", {"x.py": other, "y.py": one_place}),
        planned("eve", {"x.py": SAME, "y.py": one_place}),
    ]
    found = {
        (group.students, change.path)
        for group in group_changes(outcomes)
        for change in group.changes
    }
    assert found == {
        *((("ada", "eve"), "x.py"), (("bob",), "x.py")),
        *((("ada",), "y.py"), (("bob", "eve"), "y.py")),
    }


def test_a_written_and_a_deleted_file_are_not_the_same() -> None:
    gone = planned("ada", {"x.py": "@@ -1 +0,0 @@\n-a"})
    gone.changes = {"x.py": "deleted"}
    kinds = {
        change.kind
        for group in group_changes([gone, planned("bob", {"x.py": "@@ -1 +0,0 @@\n-a"})])
        for change in group.changes
    }
    assert kinds == {"deleted", "changed"}
    [group] = group_changes([planned("ada", {"x.py": "@@ -0,0 +1 @@\n+a"})])
    assert group.changes[0].kind == "new" and group.changes[0].added == 1


def test_conflicts_come_first_and_each_student_leads_to_its_groups(tmp_path: Path) -> None:
    outcomes = [
        Outcome("zoe", CURRENT, now="v2"),
        planned("ada", {"x.py": SAME}),
        planned("bob", {"x.py": SAME, "y.py": SAME}, CONFLICT),
    ]
    text = plan_page(tmp_path, outcomes)
    assert re.findall(r'class="name">(\w+)<', text) == ["bob", "ada", "zoe"]
    row = text[text.index('id="s1"') : text.index('id="s2"')]
    assert 'href="#g1"' in row and 'href="#g2"' in row and "both changed it" in row
    identifiers = {attributes.get("id") for _, attributes in Tags(text).found}
    targets = {str(attributes["href"])[1:] for tag, attributes in Tags(text).found if tag == "a"}
    assert targets <= identifiers and len(targets) == 4


def test_what_has_no_room_says_where_it_is(tmp_path: Path) -> None:
    """Students whose changes are all different can't make the page too large; nor can one long line."""
    outcomes = [
        planned(f"s{n}", {f"f{m}.py": f"@@ -1 +1 @@\n+{n}" + "\n+x" * 6_000 for m in range(4)})
        for n in range(60)
    ]
    outcomes.insert(0, planned("long", {"long.py": "@@ -0,0 +1 @@\n+" + "y" * 1_000_000}))
    text = plan_page(tmp_path, outcomes)
    assert len(text) < 1.2 * MOST and "y" * 400 not in text and "more characters" in text
    assert "cohort plan --only s59 --html one.html" in text


# ---- Sizes ---------------------------------------------------------------------------------------------


def test_three_hundred_students_are_under_a_megabyte(tmp_path: Path) -> None:
    assert len(class_page(tmp_path, [full_row(number) for number in range(300)]).encode()) < 700_000
    assert len(class_page(tmp_path, [full_row(number) for number in range(3000)]).encode()) < 7e6


# ---- Hostile texts -------------------------------------------------------------------------------------


def hostile_pages(folder: Path) -> dict[str, str]:
    row = full_row(0)
    for name in ("student", "author", "release", "against", "message"):
        setattr(row, name, HOSTILE)
    row.pull_request = PullRequest(HOSTILE, "javascript:alert(1)", why=HOSTILE)
    row.scores = row.checks = row.changed = row.help = [HOSTILE]
    outcome = planned(HOSTILE, {HOSTILE: f"@@ -1 +1 @@\n+{HOSTILE}\n {HOSTILE}"})
    outcome.now = outcome.message = HOSTILE
    outcome.notes, outcome.conflicts = [HOSTILE], [{"path": HOSTILE, "what": HOSTILE}]
    return {"class": class_page(folder, [row]), "plan": plan_page(folder, [outcome])}


@pytest.mark.parametrize("name", ["class", "plan"])
def test_a_hostile_text_is_only_text(tmp_path: Path, name: str) -> None:
    text = hostile_pages(tmp_path)[name]
    assert Tags(text).count("script") == 1 and Tags(text).count("img") == 0
    assert "owned" in text and "⟨U+202E⟩" in text and "␛" in text, "it is shown"
    assert all(one.isprintable() or one in "\n\t" for one in text)


@pytest.mark.parametrize("name", ["class", "plan"])
def test_only_the_page_s_own_script_and_style_may_run(tmp_path: Path, name: str) -> None:
    text = hostile_pages(tmp_path)[name]
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None and "unsafe" not in policy[1] and "default-src 'none'" in policy[1]
    for tag in ("script", "style"):
        [content] = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]
    assert not [
        attributes
        for _, attributes in Tags(text).found
        if "style" in attributes or any(key.startswith("on") for key in attributes)
    ]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://github.com/my-class/ada.git", "https://github.com/my-class/ada"),
        ("http://git.example.org:8080/a/b/c.git/", "http://git.example.org:8080/a/b/c"),
        ("https://ada:secret@git.example.org/a/b.git", "https://git.example.org/a/b"),
        ("https://git.example.org/a/b?token=secret#x", "https://git.example.org/a/b"),
        ("git@github.com:my-class/ada.git", "https://github.com/my-class/ada"),
        ("git.example.org:my-class/ada.git", "https://git.example.org/my-class/ada"),
        ("ssh://git@git.example.org:2222/uni/course/ada.git", "https://git.example.org/uni/course/ada"),
        ("gh:my-class/ada", "https://github.com/my-class/ada"),
        ("gl:my-class/ada", "https://gitlab.com/my-class/ada"),
        ("https://git.example.org/a b/\"><script>", "https://git.example.org/a%20b/%22%3E%3Cscript%3E"),
        ("https://github.com/a/b/pull/7", "https://github.com/a/b/pull/7"),
        ("javascript:alert(1)", ""),
        ("javascript://github.com/%0aalert(1)", ""),
        ("JavaScript:alert(1)//github.com/a", ""),
        (" javascript:alert(1)", ""),
        ("data:text/html,<script>alert(1)</script>", ""),
        ("vbscript:x", ""),
        ("file:///srv/class/ada.git", ""),
        ("/srv/class/ada.git", ""),
        ("students/ada", ""),
        ("https://", ""),
        ("https://[::1/a", ""),
        ("https://git.example.org:99999/a", ""),
        ("https://evil\u202e.example.org/a", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_only_the_web_is_linked(address: str, shown: str) -> None:
    assert web_address(address) == shown


# ---- Where the row comes from --------------------------------------------------------------------------


def test_a_row_names_the_author_and_the_repository(
    cohort: Cohort, small: Path, tmp_path: Path
) -> None:
    template = tmp_path / "template"
    git(tmp_path, "clone", "--quiet", str(small), str(template))
    questions = (template / "copier.yml").read_text()
    write(template, {"copier.yml": questions + "author_name: {type: str, default: Nobody}\n"})
    commit_all(template, "Ask for a name", "v3.0.0")
    folder = make_class(tmp_path / "class", template, [])
    rows = "student,title,author_name\nada,A,Ada Lovelace\nbob,B,Bob Example\neve,E,Eve\n"
    write(folder, {"class.csv": rows})
    assert cohort(folder, "create").code == 0
    bob = folder / "students" / "bob"
    answers = (bob / ".copier-answers.yml").read_text()
    write(bob, {".copier-answers.yml": answers.replace("Bob Example", "Roberta Example")})
    commit_all(bob, "My name")
    eve = folder / "students" / "eve"
    write(eve, {".copier-answers.yml": None})
    commit_all(eve, "Oops")
    write(folder, {"class.csv": rows.replace("Ada Lovelace", "Ada from the roster")})
    found = cohort(folder, "report", "--json").projects
    assert found["ada"]["author"] == "Ada Lovelace", "the answers file knows best"
    assert found["bob"]["author"] == "Roberta Example"
    assert found["eve"]["author"] == "Eve", "else the roster"
    assert found["ada"]["repository"] == "" and found["ada"]["pull_request"] is None
    assert str(folder) not in (class_text := class_of(cohort, folder, tmp_path)), class_text


def class_of(cohort: Cohort, folder: Path, target: Path) -> str:
    cohort(folder, "report", "--html", str(target / "class.html"))
    return (target / "class.html").read_text(encoding="utf-8")


def test_the_links_are_on_the_page(tmp_path: Path) -> None:
    links = [
        (attributes["href"], attributes["aria-label"])
        for tag, attributes in Tags(class_page(tmp_path, [full_row(7)])).found
        if tag == "a"
    ]
    place = "https://git.example.org/my-class/student0007"
    assert "Pull request</a> open" in class_page(tmp_path, [full_row(7)])
    assert links == [
        (place, "student0007, repository"),
        (f"{place}/pull/1", "Pull request of student0007"),
    ]


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "file:///etc", HOSTILE]
)
def test_no_other_address_becomes_a_link(tmp_path: Path, address: str) -> None:
    """Whoever fills the row, and with whatever."""
    row = full_row(0)
    row.repository, row.pull_request = address, PullRequest(OPEN, address)
    assert Tags(class_page(tmp_path, [row])).count("a") == 0


def test_a_row_names_the_team_and_why_a_pull_request_is_missing(tmp_path: Path) -> None:
    row = full_row(0)
    row.same_as, row.pull_request = "ada", PullRequest(MISSING, why="the server asked to wait")
    text = class_page(tmp_path, [row])
    assert "team of ada" in text and "Pull request missing: the server asked to wait" in text
