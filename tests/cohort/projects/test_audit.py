"""`cohort audit`: no way to "unchanged" for a project whose engine, CI or checks were changed."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.classes import Cohort, Marks, commit_all, git, make_class, move_into, write
from tests.support.helpers import ROOT, run

COPIER = """\
_subdirectory: template
title: {type: str, default: My work}
package_name: {type: str, default: "{{ title | lower | replace(' ', '_') }}"}
ci: {type: str, default: github, choices: [github, gitlab, none]}
docker: {type: bool, default: false}
_skip_if_exists: ["/README.md", "/src/{{ package_name }}", "/tests/test_*.py", "/.secrets.baseline"]
_exclude:
  - "{% if ci != 'github' %}/.github{% endif %}"
  - "{% if ci != 'gitlab' %}/.gitlab-ci.yml{% endif %}"
  - "{% if not docker %}/Dockerfile{% endif %}"
  - "{% if _copier_operation == 'update' %}/data{% endif %}"
"""
PYPROJECT = """\
[project]
name = "{{ package_name }}"
dependencies = ["rich~=15.0"]
[project.scripts]
capstone = "capstone.cli:main"
[tool.capstone]
package = "{{ package_name }}"
[tool.pytest.ini_options]
testpaths = ["tests"]
[tool.ruff]
line-length = 100
"""
ENGINE = {
    "capstone/__init__.py": "",
    "capstone/checks.py": "import json\nfrom rich import print\n\n\ndef check(): ...\n",
    "capstone/training/loop.py": "import torch\n",
    "tests/test_rules.py": "from capstone.checks import check\n",
}
FILES = {
    "copier.yml": COPIER,
    "template/.copier-answers.yml.jinja": "{{ _copier_answers | to_nice_yaml -}}\n",
    "template/pyproject.toml.jinja": PYPROJECT,
    "template/README.md.jinja": "# {{ title }}\n",
    "template/Dockerfile": "FROM python\n",
    "template/.gitattributes": "* text=auto eol=lf\n",
    "template/.pre-commit-config.yaml": "repos: []\n",
    "template/.secrets.baseline": "{}\n",
    "template/.github/workflows/ci.yml": "jobs: {}\n",
    "template/.gitlab-ci.yml": "check: {}\n",
    "template/data/table.csv": "a\n1\n",
    "template/src/{{ package_name }}/features.py": "x = 1\n",
    "template/tests/test_features.py": "def test(): ...\n",
}
# Where the engine is: the layout of the first releases, and that of the later ones.
LAYOUTS = {
    "src": {"capstone": "src/capstone", "tests": "tests/capstone"},
    "engine": {"capstone": "engine/capstone", "tests": "engine/tests"},
}
ANSWERS, CI = ".copier-answers.yml", ".github/workflows/ci.yml"


def engine_files(layout: str) -> dict[str, str]:
    places = LAYOUTS[layout]
    return {
        f"template/{places[path.partition('/')[0]]}/{path.partition('/')[2]}": text
        for path, text in ENGINE.items()
    }


@pytest.fixture(scope="module", params=LAYOUTS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class of one, of the second of two releases."""
    root = tmp_path_factory.mktemp(request.param)
    template = root / "template"
    template.mkdir()
    git(template, "init", "--quiet")
    write(template, FILES | engine_files(request.param))
    commit_all(template, "First", "v1.0.0")
    checks = f"template/{LAYOUTS[request.param]['capstone']}/checks.py"
    write(
        template,
        {checks: "import json\nfrom rich import print\n\n\ndef check(): return 'more strictly'\n"},
    )
    commit_all(template, "Second", "v2.0.0")
    folder = make_class(root / "class", template, [])
    write(folder, {"class.csv": "student,title,ci,email\nada,Work of ada,github,a@x.org\n"})
    done = run(sys.executable, "-m", "cohort", "create", "--class", folder, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def classroom(made: Path, tmp_path: Path) -> Path:
    return move_into(made, tmp_path / "class")


@pytest.fixture
def ada(classroom: Path) -> Path:
    return classroom / "students" / "ada"


@pytest.fixture
def engine(ada: Path) -> Path:
    """The package capstone, wherever it is."""
    return next(ada / at for at in ("engine/capstone", "src/capstone") if (ada / at).exists())


def audit(cohort: Cohort, folder: Path) -> tuple[int, dict[str, Any]]:
    said = cohort(folder, "audit", "--json")
    return said.code, said.projects["ada"]


def counted(cohort: Cohort, folder: Path) -> dict[str, str]:
    """The findings that count, after a commit of everything."""
    commit_all(folder / "students" / "ada", "Mine")
    code, outcome = audit(cohort, folder)
    assert (code == 2) == bool(outcome["conflicts"]) and outcome["state"] == "changed", outcome
    assert {one["path"] for one in outcome["conflicts"]} <= set(outcome["changes"])
    return {one["path"]: one["what"] for one in outcome["conflicts"]}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_a_student_may_do_is_unchanged(cohort: Cohort, classroom: Path, ada: Path) -> None:
    work = {
        "README.md": "mine\n",
        "src/work_of_ada/features.py": "x = 2\n",
        "src/work_of_ada/json.py": "mine\n",
        "tests/test_features.py": None,
        "tests/conftest.py": "mine\n",
        ".secrets.baseline": "{ }\n",
        "data/table.csv": None,
        "docs/a/b/notes.md": "mine\n",
        "src/helpers/tools.py": "mine\n",
    }
    write(ada, work)
    commit_all(ada, "Work")
    code, outcome = audit(cohort, classroom)
    assert (code, outcome["state"], outcome["changes"], outcome["notes"]) == (
        0,
        "unchanged",
        {},
        [],
    )


def test_what_an_update_leaves_alone_is_the_students(
    cohort: Cohort, classroom: Path, ada: Path
) -> None:
    settings = (classroom / "class.toml").read_text()
    write(classroom, {"class.toml": settings + '[audit]\nprotected = ["/data/", "/docs/"]\n'})
    write(ada, {"data/table.csv": "a\n2\n", "data/mine.csv": "b\n"})
    commit_all(ada, "Data")
    assert audit(cohort, classroom)[1]["state"] == "unchanged"
    write(ada, {"docs/mine.md": "mine\n"})
    assert counted(cohort, classroom) == {"docs/mine.md": "added by the student"}


def test_a_link_is_no_way_around(cohort: Cohort, classroom: Path, ada: Path) -> None:
    """A link in place of a package that only looks as if it were a file."""
    write(ada, {"docs/rich/__init__.py": "x\n"})
    (ada / "src" / "rich").symlink_to("../docs/rich")
    assert counted(cohort, classroom) == {"src/rich": "added by the student"}


# ---- The three ways to "unchanged" that were found, and their cousins. -------------------------------


def test_an_answer_that_takes_the_ci_away(cohort: Cohort, classroom: Path, ada: Path) -> None:
    edit(ada / ANSWERS, "ci: github", "ci: none")
    shutil.rmtree(ada / ".github")
    found = counted(cohort, classroom)
    assert found.keys() == {ANSWERS, CI}
    assert found[ANSWERS] == "ci is 'none'; the roster has 'github'"
    assert found[CI] == "deleted by the student"


def test_an_answer_that_will_take_the_ci_away(cohort: Cohort, classroom: Path, ada: Path) -> None:
    """With the files still there: the next update would delete them."""
    edit(ada / ANSWERS, "ci: github\n", "")
    edit(ada / ANSWERS, "docker: false", "ci: none\ndocker: 'no'")
    assert counted(cohort, classroom).keys() == {ANSWERS}


def test_an_answer_that_the_roster_does_not_have(
    cohort: Cohort, classroom: Path, ada: Path
) -> None:
    """It is compared with the commit that cohort made, also when the history was written anew."""
    write(classroom, {"class.csv": "student\nada\n"})
    edit(ada / ANSWERS, "ci: github", "ci: none")
    git(ada, "rm", "-r", "--quiet", "--cached", ".github")
    shutil.rmtree(ada / ".github")
    git(ada, "add", "--all")
    git(ada, "commit", "--quiet", "--amend", "--message", "Start")
    found = counted(cohort, classroom)
    assert found[ANSWERS] == "ci is 'none'; it was created with 'github'"


def test_without_the_ledger_the_first_commit_is_compared(
    cohort: Cohort, classroom: Path, ada: Path
) -> None:
    write(classroom, {"class.csv": "student\nada\n"})
    shutil.rmtree(classroom / ".cohort")
    edit(ada / ANSWERS, "ci: github", "ci: none")
    assert ANSWERS in counted(cohort, classroom)
    (note,) = audit(cohort, classroom)[1]["notes"]
    assert "first commit" in note and "rewrite" in note


def test_what_could_not_be_compared_is_said(cohort: Cohort, classroom: Path, ada: Path) -> None:
    """Of a server only the newest commit is fetched: another machine does not know the first one."""
    server = classroom.parent / "ada.git"
    commit_all(ada, "Work")
    git(classroom, "clone", "--quiet", "--bare", str(ada), str(server))
    write(classroom, {"class.csv": f"student,repository\nada,file://{server}\n"})
    settings = (classroom / "class.toml").read_text()
    write(classroom, {"class.toml": settings + "[forge]\nfile_remotes = true\n"})
    shutil.rmtree(classroom / ".cohort")
    code, outcome = audit(cohort, classroom)
    assert code == 0 and outcome["state"] == "unchanged"
    assert "only the answers in the roster" in outcome["notes"][0]


def test_an_answer_that_changes_nothing_protected_is_only_named(
    cohort: Cohort, classroom: Path, ada: Path
) -> None:
    edit(ada / ANSWERS, "docker: false", "docker: true")
    write(ada, {"Dockerfile": "FROM python\n"})
    commit_all(ada, "With Docker")
    code, outcome = audit(cohort, classroom)
    assert code == 0 and outcome["changes"] == {ANSWERS: "changed"}
    assert "docker is True; it was created with False" in outcome["notes"][0]


def test_an_older_release_is_no_way_back(cohort: Cohort, classroom: Path, ada: Path) -> None:
    edit(ada / ANSWERS, "_commit: v2.0.0", "_commit: v1.0.0")
    for path in ada.rglob("checks.py"):
        path.write_text(ENGINE["capstone/checks.py"])
    found = counted(cohort, classroom)
    assert found == {ANSWERS: "the project is on v1.0.0, but was on v2.0.0 before"}


def test_a_merged_update_is_no_way_back(cohort: Cohort, made: Path, tmp_path: Path) -> None:
    """Neither the ledger nor a branch knows of the merge: the history does."""
    template = made.parent / "template"
    folder = make_class(tmp_path / "later", template, ["ada"])
    assert cohort(folder, "create", "--to", "v1.0.0").code == 0
    ada = folder / "students" / "ada"
    assert cohort(folder, "update").code == 0
    git(ada, "merge", "--quiet", "--squash", "template/v2.0.0")
    commit_all(ada, "Update")
    git(ada, "revert", "--no-edit", "HEAD")
    shutil.rmtree(folder / ".cohort")
    found = counted(cohort, folder)
    assert found == {ANSWERS: "the project is on v1.0.0, but was on v2.0.0 before"}


def test_an_added_workflow(cohort: Cohort, classroom: Path, ada: Path) -> None:
    write(ada, {".github/workflows/mine.yml": "on: push\n", ".github/actions/a/b.yml": "a\n"})
    write(ada, {".github/actions/a/c.yml": "a\n"})
    found = counted(cohort, classroom)
    assert found.keys() == {".github/workflows/mine.yml", ".github/actions/"}
    assert found[".github/workflows/mine.yml"] == "added by the student"
    assert found[".github/actions/"] == "added by the student (2 files)"


def test_a_package_beside_a_module(cohort: Cohort, classroom: Path, engine: Path) -> None:
    write(engine, {"checks/__init__.py": "def check(): ...\n"})
    (path,) = counted(cohort, classroom)
    assert path.endswith("capstone/checks/__init__.py")


def shadows(ada: Path) -> list[str]:
    """Files that Python or its tools would take before the engine's, or with them."""
    places = [
        "capstone.py",
        "capstone/__init__.py",
        "src/capstone.py",
        "src/torch.py",
        "rich/__init__.py",
    ]
    places += ["src/json.py", "src/rich/__init__.pyc", "src/torch.cpython-311-x86_64-linux-gnu.so"]
    places += [
        "hatch.toml",
        "src/usercustomize/__init__.py",
        "sitecustomize.py",
        "src/sitecustomize.py",
        "usercustomize.py",
        "src/x.pth",
        "x.pth",
    ]
    places += ["conftest.py", "src/conftest.py", "pytest.ini", ".pytest.toml", "src/.gitattributes"]
    places += [
        "tests/capstone/conftest.py",
        "src/capstone/checks/__init__.py",
        "engine/conftest.py",
    ]
    places += ["engine/capstone/__pycache__/checks.cpython-311.pyc", "src/capstone/conftest.py"]
    places += [
        ".GitHub/workflows/ci.yml",
        ".github/workflows/CI.yml",
        "SRC/Capstone/checks.py",
        "Engine/x.py",
    ]
    return [place for place in places if not (ada / place).exists()]


def test_no_added_file_takes_the_place_of_ours(cohort: Cohort, classroom: Path, ada: Path) -> None:
    for place in shadows(ada):
        write(ada, {place: "x\n"})
        git(ada, "add", "--force", "--all")
        git(ada, "commit", "--quiet", "--message", "Mine")
        code, outcome = audit(cohort, classroom)
        named = [one["path"] for one in outcome["conflicts"]]
        assert code == 2 and len(named) == 1 and place.startswith(named[0]), (place, outcome)
        git(ada, "reset", "--quiet", "--hard", "HEAD~1")


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("ci.yml")


def folder_for_file(path: Path) -> None:
    path.unlink()
    write(path, {"inside.py": "x\n"})


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda path: path.write_text("mine\n"), "changed by the student"),
        (lambda path: path.unlink(), "deleted by the student"),
        (link, "replaced by a symbolic link"),
        (lambda path: path.chmod(0o755), "made executable by the student"),
        (folder_for_file, "replaced by a folder"),
    ],
)
def test_a_protected_file_is_as_it_was(
    cohort: Cohort,
    classroom: Path,
    ada: Path,
    engine: Path,
    change: Callable[[Path], Any],
    what: str,
) -> None:
    for path in (ada / CI, engine / "training" / "loop.py"):
        change(path)
        assert counted(cohort, classroom) == {path.relative_to(ada).as_posix(): what}
        git(ada, "reset", "--quiet", "--hard", "HEAD~1")


def submodule(ada: Path, at: str) -> None:
    shutil.rmtree(ada / at)
    git(ada, "add", "--all")
    commit = git(ada, "rev-parse", "HEAD")
    git(ada, "update-index", "--add", "--cacheinfo", f"160000,{commit},{at}")
    git(ada, "commit", "--quiet", "--message", "Mine")


def test_a_folder_is_no_link_and_no_submodule(
    cohort: Cohort, classroom: Path, ada: Path, engine: Path
) -> None:
    at = engine.relative_to(ada).as_posix()
    submodule(ada, at)
    code, outcome = audit(cohort, classroom)
    assert code == 2
    assert outcome["conflicts"] == [{"path": f"{at}/", "what": "replaced by a submodule"}]
    git(ada, "reset", "--quiet", "--hard", "HEAD~1")
    shutil.move(engine, ada / "elsewhere")
    engine.symlink_to("../elsewhere")
    assert counted(cohort, classroom) == {f"{at}/": "replaced by a symbolic link"}


def test_a_moved_folder_is_one_line(
    cohort: Cohort, classroom: Path, ada: Path, engine: Path
) -> None:
    at = engine.relative_to(ada).as_posix()
    shutil.move(engine, ada / "lib" / "core")
    assert counted(cohort, classroom) == {f"{at}/": "moved by the student to lib/core/"}
    write(ada, {"lib/core/training/loop.py": "mine\n", "lib/core/more.py": "mine\n"})
    assert counted(cohort, classroom) == {
        f"{at}/": "moved by the student to lib/core/; 1 of its files changed"
    }
    shutil.rmtree(ada / "lib")
    assert counted(cohort, classroom) == {f"{at}/": "deleted by the student"}


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('package = "work_of_ada"', 'package = "other"', "[tool.capstone] changed by the student"),
        ('testpaths = ["tests"]', 'addopts = ["-k no"]', "[tool.pytest] changed by the student"),
        ("capstone.cli:main", "mine:main", "[project.scripts.capstone] changed by the student"),
        ("[project.scripts]", "[build-system]\nrequires = []\n[project.scripts]", "[build-system]"),
        ("[project]", "[project", "can't be read as TOML"),
    ],
)
def test_settings_of_the_engine_are_its_own(
    cohort: Cohort, classroom: Path, ada: Path, old: str, new: str, what: str
) -> None:
    edit(ada / "pyproject.toml", old, new)
    found = counted(cohort, classroom)
    assert found.keys() == {"pyproject.toml"} and found["pyproject.toml"].startswith(what)


def test_a_changed_file_that_is_not_protected_is_named(
    cohort: Cohort, classroom: Path, ada: Path
) -> None:
    edit(ada / "pyproject.toml", '"rich~=15.0"', '"rich~=15.0", "seaborn"')
    commit_all(ada, "A library")
    code, outcome = audit(cohort, classroom)
    assert code == 0 and outcome["changes"] == {"pyproject.toml": "changed"}
    assert outcome["conflicts"] == [] and "pyproject.toml" in cohort(classroom, "audit").out


def test_attributes_and_hooks_are_protected(cohort: Cohort, classroom: Path, ada: Path) -> None:
    write(ada, {".gitattributes": "*.py export-ignore\n"})
    write(ada, {".pre-commit-config.yaml": "repos: [{}]\n"})
    assert counted(cohort, classroom).keys() == {".gitattributes", ".pre-commit-config.yaml"}


def test_too_many_files_hide_nothing(
    cohort: Cohort, classroom: Path, ada: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cohort.projects import audit as module

    monkeypatch.setattr(module, "MOST_FILES", 5)
    write(ada, {f".venv/lib/{number}.py": "x\n" for number in range(9)})
    write(ada, {".github/workflows/mine.yml": "x\n"})
    git(ada, "add", "--force", "--all")
    git(ada, "commit", "--quiet", "--message", "Mine")
    code, outcome = audit(cohort, classroom)
    found = {one["path"]: one["what"] for one in outcome["conflicts"]}
    assert code == 2 and found.keys() == {".venv/", ".github/workflows/mine.yml"}
    assert "more than 5 files" in found[".venv/"]


def test_the_audit_reads_little(
    cohort: Cohort, classroom: Path, ada: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One rendering, and not a tree of the engine's where its folder is as it was."""
    from cohort.git.objects import Objects
    from cohort.template.rendering import Rendering

    renderings, trees = Marks(tmp_path / "renderings"), Marks(tmp_path / "trees")
    first, read = Rendering.__init__, Objects.tree

    def render(self: Rendering, *given: Any, **named: Any) -> None:
        renderings.add("one")
        first(self, *given, **named)

    def tree(self: Objects, name: str) -> dict[str, tuple[str, str]]:
        trees.add(name)
        return read(self, name)

    monkeypatch.setattr(Rendering, "__init__", render)
    monkeypatch.setattr(Objects, "tree", tree)
    assert audit(cohort, classroom)[0] == 0
    inner = {git(ada, "rev-parse", f"HEAD:{at.relative_to(ada)}") for at in ada.glob("*/capstone")}
    assert len(renderings.all()) == 1 and inner and trees.all() and not inner & set(trees.all())
