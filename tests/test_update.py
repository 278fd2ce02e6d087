"""`copier update`: the template's files get its news, the student's files stay as they are."""

import shutil
from pathlib import Path

import copier
import pytest

from tests.helpers import copy_template, files_of, must_run

README = "README.md"
FEATURES = "src/my_capstone/features.py"
TABLE = "data/raw/house_prices.csv"
ENGINE = "src/capstone/__init__.py"


def commit(repository: Path, message: str, tag: str = "") -> None:
    must_run("git", "add", "--all", cwd=repository)
    must_run("git", "commit", "--quiet", "--message", message, cwd=repository)
    if tag:
        must_run("git", "tag", tag, cwd=repository)


def append(path: Path, line: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + line, encoding="utf-8", newline="\n")


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a repository with two releases; the second changes files of either owner."""
    repository = copy_template(tmp_path_factory.mktemp("releases") / "capstone-template")
    must_run("git", "init", "--quiet", cwd=repository)
    commit(repository, "First release", "v0.1.0")
    append(repository / "template" / ENGINE, "\n# News of the second release.\n")
    append(repository / "template" / "README.md.jinja", "\nNews of the second release.\n")
    append(repository / "template" / TABLE, "1,2,3\n")
    pins = repository / "template" / "pyproject.toml.jinja"
    pins.write_text(pins.read_text(encoding="utf-8").replace("rich~=15.0", "rich~=16.0"))
    (repository / "template" / "docs").mkdir(exist_ok=True)
    (repository / "template" / "docs" / "new.md").write_text("A new file for the student.\n")
    commit(repository, "Second release", "v0.2.0")
    return repository


def make(releases: Path, folder: Path, release: str) -> Path:
    copier.run_copy(str(releases), folder, vcs_ref=release, defaults=True, quiet=True)
    return folder


@pytest.fixture(scope="module")
def first(releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project made from the first release, committed."""
    project = make(releases, tmp_path_factory.mktemp("first") / "my-capstone", "v0.1.0")
    must_run("git", "init", "--quiet", cwd=project)
    commit(project, "Start")
    return project


@pytest.fixture
def project(first: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "my-capstone"))


def update(project: Path) -> None:
    copier.run_update(project, defaults=True, overwrite=True, quiet=True)


def test_an_update_gives_what_a_fresh_copy_gives(
    releases: Path, project: Path, tmp_path: Path
) -> None:
    update(project)
    fresh = make(releases, tmp_path / "fresh", "v0.2.0")
    shutil.rmtree(project / ".git")
    assert files_of(project) == files_of(fresh)
    # The student's own stay as they were, though the template's changed.
    stays = {README, TABLE}
    changed = {
        name
        for name in files_of(fresh)
        if (project / name).read_bytes() != (fresh / name).read_bytes()
    }
    assert changed == stays


def test_the_students_work_is_kept(project: Path) -> None:
    append(project / FEATURES, "\n# My idea.\n")
    mine = (project / FEATURES).read_bytes()
    settings = (project / "capstone.toml").read_text(encoding="utf-8")
    (project / "capstone.toml").write_text(settings.replace("42", "7"), encoding="utf-8")
    (project / TABLE).unlink()
    pins = project / "pyproject.toml"
    marker = "    # Your libraries: add them below this line.\n"
    assert marker in pins.read_text(encoding="utf-8")
    pins.write_text(
        pins.read_text(encoding="utf-8").replace(marker, f'{marker}    "seaborn~=0.13",\n'),
        encoding="utf-8",
    )
    commit(project, "My work")

    update(project)

    assert (project / FEATURES).read_bytes() == mine
    assert "seed = 7" in (project / "capstone.toml").read_text(encoding="utf-8")
    assert not (project / TABLE).exists(), "a deleted example must stay deleted"
    assert "News" in (project / ENGINE).read_text(encoding="utf-8")
    assert "News" not in (project / README).read_text(encoding="utf-8")
    assert (project / "docs" / "new.md").is_file()
    merged = pins.read_text(encoding="utf-8")
    assert '"seaborn~=0.13"' in merged
    assert '"rich~=16.0"' in merged
    assert "<<<<<<<" not in merged


def test_a_change_of_the_engine_is_merged(project: Path) -> None:
    engine = project / ENGINE
    text = engine.read_text(encoding="utf-8")
    engine.write_text("# My line on top.\n" + text, encoding="utf-8", newline="\n")
    commit(project, "I changed the engine")
    update(project)
    merged = engine.read_text(encoding="utf-8")
    assert merged.startswith("# My line on top.\n")
    assert "News of the second release" in merged
    assert "<<<<<<<" not in merged
