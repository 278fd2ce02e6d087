"""An instructor's way from an empty folder to a report, and the commands that look."""

import json
import random
import sys
import time
from pathlib import Path

import pytest

from capstone.reporting.card.model_card import card_block
from cohort.commands.status import COLUMNS
from cohort.output.tables import text_table
from tests.support.classes import (
    Cohort,
    commit_all,
    edit_features,
    git,
    make_class,
    move_into,
    student_at_work,
    tree,
    write,
)
from tests.support.helpers import ROOT, must_run, run

NAMES = [f"student{number:02}" for number in range(30)]
BRANCH = "template/v2.0.0"
CARD = """\
---
model-index:
- name: mine
  results:
  - metrics:
    - {type: r2, name: R2, value: 0.7312}
---
# Card
[More Information Needed]

"""


# As `capstone card` writes it.
NUMBERS = card_block(
    "overall",
    info={"rows": {"test": 1200}},
    metrics={
        "primary_metric": "r2",
        "model": {"r2": {"value": 0.7, "low": 0.6, "high": 0.8}},
        "baselines": {"linear": {"r2": {"value": 0.65}}, "dummy": {"r2": {"value": 0.0}}},
        "beats": {"dummy": "better", "linear": "undecided"},
    },
)


def test_from_an_empty_folder_to_a_report(cohort: Cohort, small: Path, tmp_path: Path) -> None:
    """A class of thirty: created, worked on, updated; every student's work is there."""
    template = tmp_path / "template"
    git(tmp_path, "clone", "--quiet", str(small), str(template))
    git(template, "tag", "--delete", "v2.0.0")
    folder = tmp_path / "class"
    assert cohort(folder, "init", str(template)).code == 0
    write(folder, {"class.csv": "student,title\n" + "".join(f"{n},Work of {n}\n" for n in NAMES)})
    assert cohort(folder, "create").code == 0
    work = {}
    for number, name in enumerate(NAMES):
        project = folder / "students" / name
        git(project, "config", "user.name", name)
        student_at_work(project, random.Random(number))
        edit_features(project, random.Random(number))
        commit_all(project, "An idea")
        work[name] = tree(project, "main")
    git(template, "tag", "v2.0.0")
    settings = (folder / "class.toml").read_text()
    write(folder, {"class.toml": settings.replace('["v1.0.0"]', '["v1.0.0", "v2.0.0"]')})
    assert all(one["behind"] == 1 for one in cohort(folder, "status", "--json").projects.values())
    assert cohort(folder, "plan").code == 0
    assert cohort(folder, "update", "--canary", "3").code == 0
    assert "30 merged cleanly" in cohort(folder, "update").out
    for name in NAMES:
        project = folder / "students" / name
        assert tree(project, "main") == work[name]
        features = next(path for path in work[name] if path.endswith("features.py"))
        after = tree(project, BRANCH)
        assert after[features] == work[name][features]
        assert {path for path in work[name] if path not in after} <= {
            "tools/old.py",
            "docs/gone.md",
        }
    said = cohort(folder, "verify")
    assert said.code == 0 and "30 verified" in said.out
    assert cohort(folder, "report", "--html", str(tmp_path / "class.html")).code == 0
    assert all(name in (tmp_path / "class.html").read_text() for name in NAMES)


@pytest.fixture
def two(cohort: Cohort, small: Path, tmp_path: Path) -> Path:
    folder = make_class(tmp_path / "class", small, ["ada", "bob"], audit='protected = ["/ci.yml"]')
    assert cohort(folder, "create", "--to", "v1.0.0").code == 0
    return folder


def test_verify_notices_a_changed_branch(cohort: Cohort, two: Path) -> None:
    project = two / "students" / "ada"
    cohort(two, "update")
    assert cohort(two, "verify").code == 0
    forged = git(
        project, "commit-tree", f"{BRANCH}^{{tree}}", "-p", "main", "-m", "Update the template from"
    )
    git(project, "update-ref", f"refs/heads/{BRANCH}", forged)
    said = cohort(two, "verify", "--json")
    assert said.code == 3
    assert {name: one["state"] for name, one in said.projects.items()} == {
        "ada": "error",
        "bob": "verified",
    }


def test_audit_names_what_was_changed(cohort: Cohort, two: Path) -> None:
    project = two / "students" / "ada"
    assert cohort(two, "audit").code == 0
    student_work = {
        "README.md": "mine\n",
        "engine.py": "short\n",
        "src/work_of_ada/features.py": "x\n",
    }
    write(project, {**student_work, "data/table.csv": None})
    commit_all(project, "Work")
    said = cohort(two, "audit", "--json")
    assert said.code == 0 and said.projects["ada"]["changes"] == {"engine.py": "changed"}
    write(project, {"ci.yml": None})
    commit_all(project, "No checks")
    said = cohort(two, "audit", "--json")
    assert said.code == 2
    assert said.projects["ada"]["conflicts"] == [
        {"path": "ci.yml", "what": "deleted by the student"}
    ]


@pytest.mark.parametrize("way", ["lost", "broken", "never there"])
def test_a_lost_answers_file_is_made_again(cohort: Cohort, two: Path, way: str) -> None:
    project = two / "students" / "ada"
    whole = git(project, "show", "main:.copier-answers.yml")
    write(project, {".copier-answers.yml": "{broken" if way == "broken" else None})
    commit_all(project, "Oops")
    if way == "never there":
        orphan = git(project, "commit-tree", "main^{tree}", "-m", "Start")
        git(project, "reset", "--quiet", "--hard", orphan)
    assert cohort(two, "update").code == 3
    assert cohort(two, "adopt", "ada").code == 0
    assert git(project, "show", "template/adopt:.copier-answers.yml") == whole
    git(project, "merge", "--quiet", "template/adopt")
    assert cohort(two, "update").code == 0
    assert cohort(two, "adopt", "ada", "--json").projects["ada"]["state"] == "valid"


def test_adopt_does_not_guess(cohort: Cohort, two: Path) -> None:
    project = two / "students" / "ada"
    git(project, "rm", "-r", "--quiet", ".")
    write(project, {"other.txt": "another project\n"})
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--amend", "--message", "Another project")
    said = cohort(two, "adopt", "ada", "--json")
    assert said.code == 3 and "matches no allowed release" in said.projects["ada"]["message"]


@pytest.fixture
def report(cohort: Cohort, two: Path) -> Path:
    project = two / "students" / "ada"
    ethics = "- [x] consent <script>document.title='hacked'</script>\n- [ ] licence\n"
    write(project, {"docs/model_card.md": CARD + NUMBERS, "docs/data_ethics.md": ethics})
    write(project, {"engine.py": "</td><script>document.title='hacked'</script>\n", "ci.yml": None})
    commit_all(project, "Card")
    rules = [{"rule": "card", "state": "open", "said": "blank"}]
    write(two, {"checks/bob.json": json.dumps({"rules": rules})})
    page = two / "class.html"
    said = cohort(two, "report", "--html", str(page), "--checks", str(two / "checks"))
    assert said.code == 0 and "2 may need help" in said.out
    return page


def test_the_report_shows_what_students_committed(report: Path) -> None:
    text = report.read_text()
    for expected in ("R2: 0.731", "1 of 2", "card: blank", "ci.yml", "update needs attention"):
        assert expected in text
    sentence = NUMBERS.partition("By r2, ")[2].partition(".")[0]
    assert sentence.startswith("the network is better than") and sentence in text
    assert "<script>document" not in text


def test_the_report_is_there_for_programs_too(cohort: Cohort, two: Path) -> None:
    said = cohort(two, "report", "--json")
    assert said.code == 0 and set(said.projects) == {"ada", "bob"}
    assert said.projects["ada"]["release"] == "v1.0.0" and not list(two.glob("*.html"))


@pytest.mark.browser
def test_the_report_sorts_and_asks_nobody(report: Path) -> None:
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", headless=True, args=flags
        )
        page = browser.new_page()
        asked: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(report.as_uri())
        # Not the inner text, which is empty until the browser has drawn the row.
        first = page.locator("tbody tr .name").first
        assert first.text_content() == "ada"
        page.get_by_role("button", name="Student", exact=True).click()
        page.get_by_role("button", name="Student", exact=True).click()
        assert first.text_content() == "bob"
        assert page.title() == "The class"
        browser.close()
    assert asked == [report.as_uri()] and errors == []


def test_several_processes_do_the_same(small: Path, tmp_path: Path, cohort: Cohort) -> None:
    folder = make_class(tmp_path / "class", small, NAMES[:7])
    assert cohort(folder, "create", "--to", "v1.0.0").code == 0
    other = move_into(folder, tmp_path / "other")
    update = (sys.executable, "-m", "cohort", "update", "--json", "--class")
    in_three = json.loads(must_run(*update, folder, "--jobs", "3", cwd=ROOT))["projects"]
    in_one = cohort(other, "update", "--json").projects
    assert [one["commit"] for one in in_three] == [in_one[name]["commit"] for name in NAMES[:7]]


def test_help_is_quick() -> None:
    code = "import sys; from cohort.cli import app; print({'copier', 'pydantic', 'rich.table'} & set(sys.modules))"
    assert must_run(sys.executable, "-c", code, cwd=ROOT).strip() == "set()"
    started = time.monotonic()
    assert "rollback" in must_run(sys.executable, "-m", "cohort", "--help", cwd=ROOT)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["status"], "run `cohort init` first"),
        (["update", "--only"], "requires an argument"),
        (["plan", "--engine", "magic"], "does not exist; run `cohort init`"),
        (["nonsense"], "No such command"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, words: list[str], sentence: str) -> None:
    done = run(sys.executable, "-m", "cohort", *words, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 3
    assert sentence in done.stderr and len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("[template]\nurl = 'x'\nreleases = []\n", "template.releases"),
        ("[template]\nurl = 'x'\nreleases = ['v1']\ncolour = 1\n", "template.colour"),
        ("[template]\nurl = 'x'\nreleases = ['--upload-pack=x']\n", "not the name of a release"),
        ("[template]\nurl = 'x'\nreleases = ['v1']\n[class]\nbranch_prefix = '../'\n", "branch"),
        ("[template]\nurl = 'x'\nreleases = ['newest']\n", "'newest' is not a version"),
        ("[template\n", "can't be read"),
    ],
)
def test_a_wrong_class_file_is_named(
    cohort: Cohort, tmp_path: Path, settings: str, sentence: str
) -> None:
    write(tmp_path, {"class.toml": settings, "class.csv": "student\nada\n"})
    said = cohort(tmp_path, "status")
    assert said.code == 3 and sentence in said.err


def test_a_table_of_text_fits_and_lines_up() -> None:
    """Wide letters take two places; what is too long is wrapped, the longest column first."""
    rows = [["ada", "\u4f60\u597d", ""], ["eve", "x", "a word " * 60]]
    lines = list(text_table(["student", "name", "what to know"], rows))
    assert lines[2] == " ada      \u4f60\u597d"
    assert lines[3].startswith(" eve      x     a word a word") and lines[4].startswith(" " * 16)
    assert max(map(len, lines)) <= 160 and " ".join(lines).split().count("word") == 60


def test_a_status_fits_a_terminal_of_eighty_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    cells = ["ada.lovelace", "v1.0.0", "1", "template/v2.0.0", "2026-11-20", "3", "1 conflict"]
    lines = list(text_table(COLUMNS, [[*cells, "src/mine/features.py: changed by both"]]))
    assert max(map(len, lines)) <= 80


def test_the_status_needs_no_library_that_draws(
    cohort: Cohort, small: Path, tmp_path: Path
) -> None:
    """These imports took longer than reading a hundred projects."""
    folder = make_class(tmp_path / "class", small, ["ada"])
    assert cohort(folder, "create").code == 0
    code = (
        f"import sys; sys.argv = ['cohort', 'status', '--class', {str(folder)!r}]\n"
        "from cohort.cli import main\ntry:\n    main()\nfinally:\n"
        "    print({'copier', 'rich.console', 'rich.table'} & set(sys.modules))"
    )
    assert must_run(sys.executable, "-c", code, cwd=ROOT).strip().endswith("set()")
