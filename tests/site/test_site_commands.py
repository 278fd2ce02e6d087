"""Every command on the site is run by a test: here, or by the one that is named here."""

import ast
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from site_tools import decisions
from tests.support.classes import Cohort, commit_all, git, tree
from tests.support.helpers import PROBLEMS, ROOT, SHORT, Capstone, Render, copy_template, must_run
from tests.template.test_readme import bash, blocks, readme_of

DOCS = ROOT / "docs"
PAST = {f"decisions/{one.file}" for one in decisions.load() if one.by}  # speak of what was
PAGES = sorted({path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} - PAST)
RUN_HERE = ["how-to/own-table.md", "how-to/graphics-card.md", "how-to/large-table.md"]
RUN_HERE += ["how-to/bigger-than-memory.md", "how-to/transfer.md"]
RUN_HERE += ["tutorial.md"]  # the last, since it puts another table into the project
RUN_BELOW = ["how-to/updating.md", "cohort.md"]
# Lines that other tests run, word by word or with the same words in Python.
ELSEWHERE = {
    "uvx copier copy TEMPLATE my-capstone": "template/test_render.py::test_the_files_are_exactly_those_asked_for",
    "cd my-capstone": "template/test_readme.py::test_with_uv_one_command_sets_everything_up",
    "uv run capstone start": "template/test_readme.py::test_with_uv_one_command_sets_everything_up",
    "capstone use ~/Downloads/customers.csv": "engine/drafts/test_use.py::test_one_command_more_and_there_is_a_run",
    "uvx copier update": "template/test_update.py::test_an_update_gives_what_a_fresh_copy_gives",
    "capstone run --quick --set tracking.tensorboard=true": (
        "engine/commands/test_tracking.py::test_tensorboard_reads_what_was_logged_for_it"
    ),
    "capstone run --quick --set tracking.mlflow=local": (
        "engine/commands/test_tracking.py::test_without_a_server_mlflow_uses_a_file_among_the_runs"
    ),
    "capstone reproduce": "engine/test_runs.py::test_the_same_seed_gives_the_same_bytes_in_two_processes",
    "torchrun --nproc-per-node 2 -m capstone run": (
        "engine/training/test_processes.py::test_two_processes_learn_what_one_does"
    ),
    "capstone serve": (
        "engine/serving/test_serving_process.py::test_it_answers_at_the_address_it_prints_and_ends_when_told"
    ),
    "capstone serve --reload-model": (
        "engine/serving/test_serving_process.py::test_a_new_run_takes_over_and_no_request_is_lost"
    ),
    "capstone serve --workers 2": "engine/serving/test_serving_process.py::test_workers_add_up_their_figures",
    "capstone serve --host 0.0.0.0": (
        "engine/serving/test_serving_process.py::test_with_a_key_it_may_be_seen_from_elsewhere"
    ),
    "capstone export": "engine/export/test_service_export.py::test_an_earlier_export_is_replaced",
    **dict.fromkeys(
        (
            "python -m venv venv",
            "venv/bin/python -m pip install --requirement requirements.txt",
            "venv/bin/python serve.py",
        ),
        "engine/export/test_deployment.py::test_it_starts_by_the_lines_of_its_own_page",
    ),
    "capstone check --json": "engine/checks/test_cards.py::test_programs_get_json",
    "cohort report --checks checks": "cohort/commands/test_class.py::test_the_report_shows_what_students_committed",
    "cohort audit": "cohort/commands/test_class.py::test_audit_names_what_was_changed",
}


def lines_of(text: str) -> list[str]:
    """The commands of a page's `sh` blocks, without their comments."""
    found = "".join(blocks(text, "sh")).splitlines()
    return [re.sub(r"\s+# .*$", "", line).strip() for line in found if line.strip()]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_no_command_hides_in_a_block_that_is_not_run(name: str) -> None:
    fences = re.findall(r"^```(.*)$", page(name), re.MULTILINE)[::2]
    assert {fence.partition(" ")[0] for fence in fences} <= {"sh", "text", "toml", "python", "yaml"}
    for block in blocks(page(name), "text"):
        assert not re.search(
            r"^\$? ?(capstone|cohort|git|uvx?|python|pip|nox) ", block, re.MULTILINE
        )


@pytest.mark.parametrize("name", PAGES)
def test_every_command_is_run_by_a_test(render: Render, name: str) -> None:
    in_the_readme = set(lines_of(readme_of(render())))
    for line in lines_of(page(name)):
        if name in [*RUN_HERE, *RUN_BELOW] and line not in ELSEWHERE:
            continue  # run below
        if line in in_the_readme:
            continue  # run by test_readme.py, each line of it
        assert line in ELSEWHERE, f"{name}: no test runs `{line}`"


@pytest.mark.parametrize("where", sorted(set(ELSEWHERE.values())))
def test_the_tests_that_are_named_exist(where: str) -> None:
    assert exists(where)


def exists(where: str) -> bool:
    """Whether there is a test such as "test_x.py::test_y"."""
    file, _, name = where.partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def steps_of(text: str) -> list[tuple[str, str, str]]:
    """The blocks of a page in order: language, the file that it is for, text."""
    return re.findall(r'^```(\w+)(?: title="(.*?)")?\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(copy_of: Render) -> Path:
    """A project with a first commit, whose runs are short."""
    made = copy_of()
    settings = made / "capstone.toml"
    text = settings.read_text(encoding="utf-8")
    for before, after in SHORT.items():
        assert before in text
        text = text.replace(before, after)
    settings.write_text(text, encoding="utf-8")
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "First"]):
        git(made, *words)
    return made


@bash
@pytest.mark.slow
def test_the_pages_do_what_they_say(project: Path, capstone: Capstone) -> None:
    """Page by page in one project. What a project's README says too is run by test_readme.py, so here only
    once the tutorial has put another table into the project."""
    in_the_readme = set(lines_of(readme_of(project)))
    shutil.copy2(DOCS / "assets" / "gym.csv", project.parent)  # as the tutorial asks
    done: list[str] = []
    for name in RUN_HERE:
        for line in lines_of(page(name)):
            known = line in in_the_readme and "capstone use ../gym.csv --yes" not in done
            if line not in ELSEWHERE and not known:
                run_line(project, capstone, line)
                done.append(line)
    assert len(done) > 10 and done.count("capstone run") == 1
    assert (project / "runs" / "predictions" / "house_prices_predictions.csv").is_file()
    assert must_run("git", "status", "--short", cwd=project) == ""
    newest = project / "runs" / (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()
    assert "visits_a_month_per_fee" in (newest / "shap.csv").read_text(encoding="utf-8")
    # The reference lists the files of a run: all of them, and no other.
    part = readme_of(project).partition("## A run\n")[2].partition("\n## ")[0]
    listed = {
        name
        for row in re.findall(r"^\| (`.*?) \|", part, re.M)
        for name in re.findall(r"`(.*?)`", row)
    }
    files = {path.name for path in newest.iterdir()} - {"reproduction.json", "report.md"}
    assert files == listed


def run_line(project: Path, capstone: Capstone, line: str) -> None:
    """One command of a page; capstone in this process, which saves its imports."""
    words = shlex.split(line)
    if words[0] != "capstone":
        # `python` is the one that runs the tests, as in an environment that is activated.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        must_run("bash", "-c", line, cwd=project, PATH=path)
        return
    code, out, err = capstone(project, *words[1:])
    assert code == 0, f"{line}\n{out[-2000:]}\n{err}"


@bash
def test_after_an_update_one_looks_and_commits(project: Path) -> None:
    """The lines of git; what `copier update` and pytest do is tested elsewhere."""
    in_the_readme = set(lines_of(readme_of(project)))
    lines = [line for line in lines_of(page("how-to/updating.md")) if line not in in_the_readme]
    assert lines[:2] == ["git status --short", "uvx copier update"]
    assert must_run("bash", "-c", lines.pop(0), cwd=project) == ""
    engine = project / "engine" / "capstone" / "__init__.py"
    engine.write_text('"""News of the template."""\n', encoding="utf-8")
    said = [must_run("bash", "-c", line, cwd=project) for line in lines if line not in ELSEWHERE]
    assert '+"""News of the template' in said[0] and "Update from the template" in said[-1]


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """The template in git, with one release; the second is added once the class is made."""
    folder = copy_template(tmp_path / "capstone-template")
    for part in ("cohort", "pyproject.toml", "README.md", "LICENSE"):
        source = ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / part)
    git(folder, "init", "--quiet")
    commit_all(folder, "First release", "v0.1.0")
    return folder


def students_work(projects: Path) -> dict[str, dict[str, str]]:
    """Each student writes own code and words, adds a library, changes a setting and commits; the trees after."""
    work = {}
    for number, project in enumerate(sorted(projects.iterdir())):
        features = next(project.glob("src/*/features.py"))
        changed = {
            features: features.read_text(encoding="utf-8") + f"\n# Idea {number}.\n",
            project / "README.md": f"My words {number}.\n",
            project / "notes.md": f"Mine {number}.\n",
        }
        marker = "    # Your libraries: add them below this line.\n"
        pins = (project / "pyproject.toml").read_text(encoding="utf-8")
        assert marker in pins
        changed[project / "pyproject.toml"] = pins.replace(
            marker, f'{marker}    "seaborn~=0.{number}",\n'
        )
        for path, content in changed.items():
            path.write_text(content, encoding="utf-8", newline="\n")
        commit_all(project, "My work")
        work[project.name] = tree(project, "main")
    return work


@pytest.mark.parametrize("students", [2, pytest.param(30, marks=pytest.mark.slow)])
def test_the_instructors_page_does_what_it_says(
    cohort: Cohort,
    released: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    students: int,
) -> None:
    """From an empty folder to a report, every command as on the page; every student's work is there."""
    text = page("cohort.md")
    roster = next(block for _, file, block in steps_of(text) if file == "class.csv")
    for number in range(2, students):
        problem = PROBLEMS[number % 3]
        roster += f"student{number},Project {number},Student {number},{problem}\n"
    folder = tmp_path / "my-class"
    folder.mkdir()
    monkeypatch.chdir(folder)
    before = [
        'python -m pip install "capstone-template @ git+TEMPLATE"',
        "mkdir my-class && cd my-class",
    ]
    lines = lines_of(text)
    assert lines[:2] == before
    for line in lines[2:]:
        words = [str(released) if word == "TEMPLATE" else word for word in shlex.split(line)]
        assert words[0] == "cohort"
        if words[1] == "create":
            (folder / "class.csv").write_text(roster, encoding="utf-8")
        if words[1] == "plan":
            work = students_work(folder / "students")
            assert len(work) == students
            engine = released / "template" / "engine" / "capstone" / "__init__.py"
            engine.write_text(engine.read_text(encoding="utf-8") + "\n# News.\n", encoding="utf-8")
            commit_all(released, "Second release", "v0.2.0")
            settings = folder / "class.toml"
            allowed = settings.read_text().replace('["v0.1.0"]', '["v0.1.0", "v0.2.0"]')
            settings.write_text(allowed)
        said = cohort(folder, *words[1:])
        assert said.code == 0, f"{line}\n{said.out}\n{said.err}"
    for name in ("plan.html", "class.html"):
        assert "ada" in (folder / name).read_text(encoding="utf-8")
    for name, theirs in work.items():
        project = folder / "students" / name
        assert tree(project, "main") == theirs, "the student's branch is where it was"
        after = tree(project, "template/v0.2.0")
        changed = {path for path in theirs | after if theirs.get(path) != after.get(path)}
        assert changed == {".copier-answers.yml", "engine/capstone/__init__.py"}


@pytest.mark.slow
@pytest.mark.network
def test_pip_installs_cohort_from_the_templates_address(released: Path, tmp_path: Path) -> None:
    line = next(line for line in lines_of(page("cohort.md")) if " pip install " in line)
    words = shlex.split(line.replace("git+TEMPLATE", f"git+{released.as_uri()}"))
    target = tmp_path / "installed"
    must_run(sys.executable, *words[1:], "--no-deps", "--target", target, cwd=tmp_path)
    assert (target / "cohort" / "cli.py").is_file() and list(target.glob("bin/cohort*"))
