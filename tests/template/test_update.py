"""`copier update`: the template's files get its news, the student's files stay as they are."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import copier
import hypothesis
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from pathspec import PathSpec

from tests.support.helpers import PROBLEMS, ROOT, copy_template, files_of, must_run, run, tool

# Releases as they were: `nox -s record -- v0.1.0` makes such a file. Updates from each are tested.
BUNDLES = sorted((ROOT / "tests" / "releases").glob("*.bundle"))
RECORDED = [bundle.stem for bundle in BUNDLES]
assert RECORDED, "a release was recorded once: its bundle must not be lost"
# What the working copy is called here, and the two releases after it: recorded ones are older.
NOW, NEXT, LATER = "v100.1.0", "v100.2.0", "v100.3.0"
# Histories: what is tried in the default suite, and in `nox -s long`.
SUITE, LONG = 2, 300
README = "README.md"
FEATURES = "src/my_capstone/features.py"
TABLE = "data/raw/house_prices.csv"
ENGINE = "engine/capstone/__init__.py"
CI = ".github/workflows/ci.yml"
HOOK = """
      - id: news{}
        name: news
        language: python
        entry: news
"""


def commit(repository: Path, message: str, tag: str = "") -> None:
    must_run("git", "add", "--all", cwd=repository)
    must_run("git", "commit", "--quiet", "--message", message, cwd=repository)
    if tag:
        must_run("git", "tag", tag, cwd=repository)


def append(path: Path, line: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + line, encoding="utf-8", newline="\n")


def insert(path: Path, before: str, line: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{before!r} in {path}"
    path.write_text(text.replace(before, line + before), encoding="utf-8", newline="\n")


def release(repository: Path, number: int) -> None:
    """A next release: it changes files of either owner, just above the places that are the students'."""
    template = repository / "template"
    append(template / ENGINE, f"\n# News of release {number}.\n")
    append(template / "README.md.jinja", f"\nNews of release {number}.\n")
    append(template / "capstone.toml.jinja", f"\n# News of release {number}.\n")
    append(template / "tests" / "test_features.py.jinja", f"\n# News of release {number}.\n")
    append(template / TABLE, "1,2,3\n")
    insert(template / ".gitignore", "\n# Your own:", f".news{number}/\n")
    insert(template / ".pre-commit-config.yaml", "\n# Your own hooks:", HOOK.format(number))
    insert(template / CI, "\n# Your own jobs:", f"      - name: News {number}\n        run: echo\n")
    insert(template / ".gitlab-ci.yml", "\n# Your own jobs:", f"\nnews{number}:\n  script: echo\n")
    (template / "engine" / "capstone" / "commands" / f"news{number}.py").write_text('"""News."""\n')
    pins = template / "pyproject.toml.jinja"
    text = pins.read_text(encoding="utf-8").replace(
        f"rich~={13 + number}.0", f"rich~={14 + number}.0"
    )
    pins.write_text(text, encoding="utf-8", newline="\n")
    insert(pins, "    # Your libraries:", f'    "news{number}~=1.0",\n')
    (template / "docs").mkdir(exist_ok=True)
    (template / "docs" / f"news{number}.md").write_text("A new file for the student.\n")
    # As copier.yml asks for: a student's file that came later.
    insert(repository / "copier.yml", "    /notebooks\n    /src", f"    !/docs/news{number}.md\n")
    commit(repository, f"Release {number}", f"v100.{number}.0")


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a repository: the recorded releases, the working copy as NOW, and two more."""
    repository = tmp_path_factory.mktemp("releases") / "capstone-template"
    repository.mkdir()
    must_run("git", "init", "--quiet", cwd=repository)
    for bundle in BUNDLES:
        must_run("git", "fetch", "--quiet", bundle, "refs/tags/*:refs/tags/*", cwd=repository)
    copy_template(repository)
    commit(repository, "First release", NOW)
    release(repository, 2)
    release(repository, 3)
    return repository


def make(releases: Path, folder: Path, release: str) -> Path:
    copier.run_copy(str(releases), folder, vcs_ref=release, defaults=True, quiet=True)
    return folder


@pytest.fixture(scope="module")
def first(releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project made from the first release, committed."""
    project = make(releases, tmp_path_factory.mktemp("first") / "my-capstone", NOW)
    must_run("git", "init", "--quiet", cwd=project)
    commit(project, "Start")
    return project


@pytest.fixture
def project(first: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "my-capstone"))


def update(project: Path, to: str = NEXT) -> None:
    copier.run_update(project, vcs_ref=to, defaults=True, overwrite=True, quiet=True)


def is_students(name: str, package: str = "my_capstone") -> bool:
    """Is it one of the files that copier.yml calls the student's?"""
    config = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    patterns = [one.replace("{{ package_name }}", package) for one in config["_skip_if_exists"]]
    return bool(PathSpec.from_lines("gitignore", patterns).match_file(name))


def same_as_fresh(project: Path, fresh: Path) -> None:
    """Every file is as in a fresh copy; only the student's files may be as they were."""
    shutil.rmtree(project / ".git")
    package = next(path.parent.name for path in fresh.glob("src/*/features.py"))
    ours = {name for name in files_of(fresh) if not is_students(name, package)}
    assert {name for name in files_of(project) if not is_students(name, package)} == ours
    differs = {
        name for name in ours if (project / name).read_bytes() != (fresh / name).read_bytes()
    }
    assert differs == set()


def test_an_update_gives_what_a_fresh_copy_gives(
    releases: Path, project: Path, tmp_path: Path
) -> None:
    before = {
        name: (project / name).read_bytes() for name in files_of(project) if is_students(name)
    }
    update(project)
    assert all((project / name).read_bytes() == content for name, content in before.items())
    assert (project / "docs" / "news2.md").is_file(), "a student's file of the new release comes"
    same_as_fresh(project, make(releases, tmp_path / "fresh", NEXT))


# A few for every day, and all that interact for a release; what doesn't interact takes turns.
ANSWERS = (
    {"problem": "binary", "ci": "gitlab", "docker": True, "license": "none", "deployment": "both"},
    {"problem": "multiclass", "ci": "none", "torch_build": "cpu", "course_name": "Data 101"},
    {"data_source": "own", "target_column": "y", "package_name": "mine", "update_workflow": True},
)

TURNS: dict[str, list[Any]] = {
    "license": ["mit", "bsd-3-clause", "apache-2.0", "none"],
    "torch_build": ["default", "cpu", "cuda"],
    "slurm": [False, True, True, False, False],
    "deployment": ["none", "both", "compose", "kubernetes"],
    "update_workflow": [True, False, False, True, True],
    "course_name": ["", "Data 101", "", "", "ML 'one'", "", ""],
    "project_name": ["My Capstone", "Häuser & Höfe", "100 % done?"],
    "seed": ["42", "7"],
}
MATRIX = [
    {"problem": problem, "data_source": source, "ci": ci, "docker": docker}
    | {name: choices[turn % len(choices)] for name, choices in TURNS.items()}
    for turn, (problem, source, ci, docker) in enumerate(
        itertools.product(PROBLEMS, ["example", "own"], ["github", "gitlab", "none"], [False, True])
    )
]


@pytest.mark.parametrize("old", RECORDED)
@pytest.mark.parametrize(
    "answers",
    [
        ANSWERS[2],
        *(pytest.param(one, marks=pytest.mark.slow) for one in ANSWERS[:2]),
        *(pytest.param(one, marks=pytest.mark.long) for one in MATRIX),
    ],
)
def test_a_project_of_a_recorded_release_becomes_as_a_fresh_one(
    releases: Path, tmp_path: Path, old: str, answers: dict[str, Any]
) -> None:
    project, fresh = tmp_path / "project", tmp_path / "fresh"
    template = str(releases)
    copier.run_copy(template, project, vcs_ref=old, data=answers, defaults=True, quiet=True)
    must_run("git", "init", "--quiet", cwd=project)
    commit(project, "Start")
    # What the old release asked is remembered, also where the new one asks it only on request.
    asked = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
    remembered = {name: answer for name, answer in asked.items() if not name.startswith("_")}
    more = {name: answer for name, answer in answers.items() if name not in asked}
    copier.run_copy(template, fresh, vcs_ref=NOW, data=remembered | more, defaults=True, quiet=True)
    copier.run_update(project, vcs_ref=NOW, data=more, defaults=True, overwrite=True, quiet=True)
    same_as_fresh(project, fresh)


def test_a_students_file_is_never_looked_at_by_an_update() -> None:
    """The two lists of copier.yml are the same: what is skipped, and what an update leaves out."""
    config = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    texts = [text for text in config["_exclude"] if "_copier_operation" in text]
    assert len(texts) == 1
    lines = [line for line in texts[0].splitlines() if not line.startswith(("{%", "!"))]
    assert lines == config["_skip_if_exists"]


# ---- What students do. Each changes a project and says which lines, in which file, must be there after. ----


def by_uv(project: Path) -> dict[str, str]:
    must_run(tool("uv"), "add", "--frozen", "--raw", "seaborn~=0.13", cwd=project)
    return {"pyproject.toml": '"seaborn~=0.13"'}


def by_hand(project: Path) -> dict[str, str]:
    path = project / "pyproject.toml"
    marker = "    # Your libraries: add them below this line.\n"
    text = path.read_text(encoding="utf-8")
    assert marker in text
    path.write_text(text.replace(marker, f'{marker}    "altair~=5.0",\n'), encoding="utf-8")
    return {"pyproject.toml": '"altair~=5.0",'}


def _appends(name: str, line: str) -> Callable[[Path], dict[str, str]]:
    def edit(project: Path) -> dict[str, str]:
        append(project / name, line)
        return {name: line.strip().splitlines()[-1]}

    return edit


def settings(project: Path) -> dict[str, str]:
    path = project / "capstone.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("42", "7"), encoding="utf-8")
    return {"capstone.toml": "seed = 7"}


def module(project: Path) -> dict[str, str]:
    (project / "src" / "my_capstone" / "extra.py").write_text("MINE = 1\n")
    return {"src/my_capstone/extra.py": "MINE = 1"}


def own_test(project: Path) -> dict[str, str]:
    (project / "tests" / "test_mine.py").write_text("def test_mine() -> None:\n    pass\n")
    return {"tests/test_mine.py": "def test_mine() -> None:"}


def card(project: Path) -> dict[str, str]:
    append(project / "data" / "README.md", "My answer.\n")
    return {"data/README.md": "My answer."}


def notebook(project: Path) -> dict[str, str]:
    (project / "notebooks").mkdir(exist_ok=True)
    (project / "notebooks" / "mine.ipynb").write_text('{"cells": []}\n')
    return {"notebooks/mine.ipynb": '{"cells": []}'}


def rename_notebook(project: Path) -> dict[str, str]:
    (project / "notebooks" / "explore.ipynb").rename(project / "notebooks" / "look.ipynb")
    return {"notebooks/explore.ipynb": "", "notebooks/look.ipynb": '"cells": ['}


def reformat(project: Path) -> dict[str, str]:
    path = project / "src" / "my_capstone" / "network.py"
    text = path.read_text(encoding="utf-8").replace("    ", "  ")
    path.write_text(text, encoding="utf-8")
    return {"src/my_capstone/network.py": text.splitlines()[-1]}


def delete_table(project: Path) -> dict[str, str]:
    (project / TABLE).unlink(missing_ok=True)
    return {TABLE: ""}


def rename_test(project: Path) -> dict[str, str]:
    (project / "tests" / "test_features.py").rename(project / "tests" / "test_my_features.py")
    return {"tests/test_features.py": ""}


def windows_lines(project: Path) -> dict[str, str]:
    """An editor on Windows saves one of our files with CRLF; .gitattributes mends that in the commit."""
    path = project / "engine" / "capstone" / "core" / "errors.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    return {}


HISTORY = {
    "uv add": by_uv,
    "a dependency by hand": by_hand,
    "a CI job": _appends(CI, "  mine:\n    runs-on: ubuntu-latest\n    steps: []\n"),
    "a hook": _appends(
        ".pre-commit-config.yaml", "  - repo: https://example.org/mine\n    rev: v1\n"
    ),
    "a .gitignore line": _appends(".gitignore", "mine/\n"),
    "a module": module,
    "a test": own_test,
    "the README": _appends(README, "\nMy words.\n"),
    "the settings": settings,
    "the features": _appends(FEATURES, "\n# My idea.\n"),
    "a card": card,
    "the model card": _appends("docs/model_card.md", "\nMy limits.\n"),
    "the ethics": _appends("docs/data_ethics.md", "\nMy evidence.\n"),
    "the decisions": _appends("src/my_capstone/decisions.py", "\n# My decision.\n"),
    "a notebook": notebook,
    "a notebook renamed": rename_notebook,
    "a formatter": reformat,
    "the table deleted": delete_table,
    "a test renamed": rename_test,
    "Windows line ends": windows_lines,
}


@pytest.fixture(scope="module")
def busy(
    first: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, dict[str, str]]]:
    """A project in which everything of the history was done, after an update."""
    project = Path(shutil.copytree(first, tmp_path_factory.mktemp("busy") / "my-capstone"))
    expected = {what: edit(project) for what, edit in HISTORY.items()}
    commit(project, "My work")
    update(project)
    return project, expected


def check_kept(project: Path, expected: dict[str, str]) -> None:
    for name, line in expected.items():
        path = project / name
        assert path.exists() == bool(line), name
        if line:
            lines = [one.strip() for one in path.read_text(encoding="utf-8").splitlines()]
            assert line.strip() in lines or any(line.strip() in one for one in lines), (name, line)


def check_no_conflict(project: Path) -> None:
    marks = run("git", "grep", "--untracked", "-lE", "^(<<<<<<<|>>>>>>>) ", cwd=project).stdout
    assert marks == ""
    assert not list(project.rglob("*.rej"))


@pytest.mark.parametrize("what", HISTORY)
def test_a_typical_edit_is_kept(busy: tuple[Path, dict[str, dict[str, str]]], what: str) -> None:
    project, expected = busy
    check_kept(project, expected[what])


def test_typical_edits_never_conflict(busy: tuple[Path, dict[str, dict[str, str]]]) -> None:
    project, _ = busy
    check_no_conflict(project)
    assert (project / "engine" / "capstone" / "commands" / "news2.py").is_file()
    assert '"rich~=16.0"' in (project / "pyproject.toml").read_text(encoding="utf-8")
    assert ".news2/" in (project / ".gitignore").read_text(encoding="utf-8")
    assert "News 2" in (project / CI).read_text(encoding="utf-8")


def test_a_change_of_the_engine_is_merged(project: Path) -> None:
    engine = project / ENGINE
    text = engine.read_text(encoding="utf-8")
    engine.write_text("# My line on top.\n" + text, encoding="utf-8", newline="\n")
    commit(project, "I changed the engine")
    update(project)
    merged = engine.read_text(encoding="utf-8")
    assert merged.startswith("# My line on top.\n")
    assert "News of release 2" in merged
    check_no_conflict(project)


def test_a_conflict_is_marked_and_cannot_be_committed_unseen(project: Path) -> None:
    """Both change the last line of a file of ours. The marks are what the hook looks for."""
    append(project / ENGINE, "\n# My line at the end.\n")
    commit(project, "I changed the engine")
    update(project)
    text = (project / ENGINE).read_text(encoding="utf-8")
    assert "<<<<<<< " in text and "# My line at the end." in text and "News of release 2" in text
    hooks = yaml.safe_load((project / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    found = [
        hook
        for one in hooks["repos"]
        for hook in one["hooks"]
        if hook["id"] == "check-merge-conflict"
    ]
    assert "--assume-in-merge" in found[0]["entry"]
    assert "pre-commit run --all-files" in (project / CI).read_text(encoding="utf-8")


@pytest.mark.parametrize("side", ["--ours", "--theirs", ""])
def test_a_conflict_is_resolved_as_the_page_says(project: Path, side: str) -> None:
    """git names the file, gives either side of it as a whole, or makes all as it was before."""
    append(project / ENGINE, "\n# My line at the end.\n")
    commit(project, "I changed the engine")
    before = (project / ENGINE).read_text(encoding="utf-8")
    update(project)
    unresolved = must_run("git", "diff", "--name-only", "--diff-filter=U", cwd=project)
    assert unresolved.split() == [ENGINE]
    if side:
        must_run("git", "checkout", side, ENGINE, cwd=project)
    else:
        must_run("git", "reset", "--hard", "--quiet", cwd=project)
    text = (project / ENGINE).read_text(encoding="utf-8")
    assert "<<<<<<< " not in text
    if side == "--theirs":
        assert "News of release 2" in text and "# My line at the end." not in text
    else:
        assert text == before


EDITS = st.lists(st.sampled_from(sorted(HISTORY)), min_size=1, max_size=6, unique=True)


def live_through(first: Path, folder: Path, before: list[str], between: list[str]) -> None:
    """Edits, an update, more edits, another update: no conflict, no line lost."""
    shutil.rmtree(folder, ignore_errors=True)
    project = Path(shutil.copytree(first, folder))
    expected: dict[str, str] = {}
    for names, to in ((before, NEXT), (between, LATER)):
        for what in names:
            done = HISTORY[what](project)
            expected |= done
            check_kept(project, done)
        commit_work(project)
        update(project, to)
        check_no_conflict(project)
        check_kept(project, expected)
        commit_work(project)


def commit_work(project: Path) -> None:
    must_run("git", "add", "--all", cwd=project)
    must_run("git", "commit", "--quiet", "--allow-empty", "--message", "Work", cwd=project)


def some(histories: int) -> Callable[[Any], Any]:
    """A property test with so many examples. Edits that were made before are not made again."""
    pairs = st.tuples(EDITS, EDITS).map(
        lambda two: (two[0], [e for e in two[1] if e not in two[0]])
    )
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    settings = hypothesis.settings(
        max_examples=histories,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],  # no shrinking: each example takes seconds
        suppress_health_check=checks,
    )
    return lambda claim: given(history=pairs)(settings(claim))


@some(SUITE)
def test_histories_over_two_updates(
    first: Path, tmp_path: Path, history: tuple[list[str], list[str]]
) -> None:
    live_through(first, tmp_path / "my-capstone", *history)


@pytest.mark.long
@some(LONG)
def test_three_hundred_histories_over_two_updates(
    first: Path, tmp_path: Path, history: tuple[list[str], list[str]]
) -> None:
    live_through(first, tmp_path / "my-capstone", *history)
