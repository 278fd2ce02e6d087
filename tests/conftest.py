"""Fixtures: rendered projects, each made once, and a way to run a project's command."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import copier
import pytest

from cohort.cli import main as cohort_main
from tests.support.classes import Cohort, Said, small_template
from tests.support.helpers import (
    PROBLEMS,
    SIMS,
    SMALL,
    TINY,
    Capstone,
    CopyWithRun,
    Render,
    RunCapstone,
    call,
    copy_template,
    python_path,
    run,
)
from tests.support.hostile import HOSTILE_RUN, make_project


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that no process has a long one left when the others have ended."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    slow.update({item.path for item in items if item.path.parent.name == "fuzz"})
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session")
def for_all(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the processes of xdist share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session", autouse=True)
def git_identity(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """git as on a student's machine: a name, an address, and nothing of whoever runs the tests."""
    config = tmp_path_factory.mktemp("git") / "config"
    config.write_text(
        "[user]\nname = Test Student\nemail = student@example.org\n[init]\ndefaultBranch = main\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", str(config))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        # Should the temporary folders lie in a repository, the projects in them don't belong to it.
        patch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path_factory.getbasetemp()))
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the template, with leavings of Python and its tools in it, as in a working copy."""
    folder = copy_template(tmp_path_factory.mktemp("template") / "capstone-template")
    for leaving in (
        "engine/capstone/__pycache__/pipeline.pyc",
        "src/.mypy_cache/a.json",
        "tests/.DS_Store",
    ):
        path = folder / "template" / leaving
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0")
    return folder


@pytest.fixture(scope="session")
def render(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Render:
    """`render(problem="binary")` gives a project made so. It is shared: only read it."""
    made: dict[str, Path] = {}

    def render_once(**answers: Any) -> Path:
        key = json.dumps(answers, sort_keys=True)
        if key not in made:
            folder = tmp_path_factory.mktemp("project") / "project"
            copier.run_copy(str(template), folder, data=answers, defaults=True, quiet=True)
            made[key] = folder
        return made[key]

    return render_once


@pytest.fixture
def copy_of(render: Render, tmp_path: Path) -> Render:
    """`copy_of(problem="binary")` gives a project of the test's own, to change at will."""

    def copy(**answers: Any) -> Path:
        return Path(shutil.copytree(render(**answers), tmp_path / "my-capstone"))

    return copy


@pytest.fixture(params=PROBLEMS)
def project(request: pytest.FixtureRequest, copy_of: Render) -> Path:
    """A project of the test's own for each problem, on its bundled example."""
    return copy_of(problem=request.param)


@pytest.fixture(scope="session")
def run_capstone() -> RunCapstone:
    """`run_capstone(project, "run", "--quick")` runs the command without installing it."""

    def run_command(project: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        paths = {"PYTHONPATH": python_path(project), "PYTHONDONTWRITEBYTECODE": "1", **env}
        return run(sys.executable, "-m", "capstone", *arguments, cwd=project, **paths)

    return run_command


@pytest.fixture(scope="session")
def with_run(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`with_run("binary")` gives a project with a small run, made once. It is shared: only read it."""
    made: dict[str, Path] = {}

    def project(problem: str) -> Path:
        if problem not in made:
            source, target = render(problem=problem), tmp_path_factory.mktemp("served") / problem
            shutil.copytree(source, target)
            assert call(target, "run", "--quick", *(f"--set={change}" for change in SMALL)) == 0
            made[problem] = target
        return made[problem]

    return project


@pytest.fixture
def copy_with_run(with_run: Callable[[str], Path], tmp_path: Path) -> CopyWithRun:
    """The same as a copy of the test's own, to change at will."""
    return lambda problem: Path(shutil.copytree(with_run(problem), tmp_path / "my-capstone"))


@pytest.fixture(scope="session")
def hostile(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`hostile("binary")` gives a project on a table of hostile names, with a run. Its commands may write into it."""
    made: dict[str, Path] = {}

    def project(problem: str) -> Path:
        if problem not in made:
            made[problem] = tmp_path_factory.mktemp("hostile") / "project"
            make_project(render(problem=problem), made[problem], problem)
            assert call(made[problem], "run", "--quick", *HOSTILE_RUN) == 0
        return made[problem]

    return project


@pytest.fixture(scope="session")
def tiny_run(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run in earnest on 200 rows, one network and two epochs. It is shared: only read it."""
    source = render(problem="binary")
    project = Path(shutil.copytree(source, tmp_path_factory.mktemp("tiny") / "my-capstone"))
    table = project / "data" / "raw" / "customer_churn.csv"
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(lines[:201]), encoding="utf-8")
    path = project / "capstone.toml"
    text = path.read_text(encoding="utf-8")
    for key, value in TINY.items():
        text, found = re.subn(rf"(?m)^{key} = \S+", f"{key} = {value}", text)
        assert found == 1, key
    path.write_text(text, encoding="utf-8")
    assert call(project, "run") == 0
    return project


@pytest.fixture(scope="session")
def exported(with_run: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `capstone export` makes of the house prices. It is shared: only read it."""
    target = tmp_path_factory.mktemp("exported") / "service"
    assert call(with_run("regression"), "export", "--to", str(target)) == 0
    return target


@pytest.fixture(scope="session")
def pre_commit_home(for_all: Path) -> Path:
    """Where pre-commit keeps the hooks' tools: installed once for all tests, which takes a minute.

    pre-commit itself sees to it that two processes don't install the same.
    """
    return for_all / "pre-commit"


@pytest.fixture
def capstone(capsys: pytest.CaptureFixture[str]) -> Capstone:
    """`capstone(project, "run")` runs the command in this process.

    Gives the exit code, what was printed, and what was said of errors.
    """

    def command(project: Path, *arguments: str) -> tuple[int, str, str]:
        code = call(project, *arguments)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return command


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small template with two releases, for the tests of cohort. It is shared: only read it."""
    return small_template(tmp_path_factory.mktemp("small") / "template")


@pytest.fixture
def cohort(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Cohort:
    """`cohort(folder, "update")` runs the instructor's command on a class, in this process."""

    def command(folder: Path, *arguments: str) -> Said:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            jobs = [] if arguments[0] in ("init", "adopt", "history") else ["--jobs", "1"]
            words = ["cohort", *arguments, *jobs, "--class", str(folder)]
            patch.setattr(sys, "argv", words)
            patch.chdir(folder if folder.is_dir() else tmp_path)  # pages are written here
            with pytest.raises(SystemExit) as ended:
                cohort_main()
        printed = capsys.readouterr()
        return Said(int(ended.value.code or 0), printed.out, printed.err)

    return command


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, which asks nothing of its maker's hosts."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    quiet = ("no-first-run", "background-networking", "component-update", "sync")
    options = ["--no-sandbox", "--disable-gpu", "--disable-quic", f"--{quiet[0]}"]
    options += [f"--disable-{name}" for name in quiet[1:]]
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=chromium, args=options)


@pytest.fixture
def open_sim(browser: Any) -> Iterator[Any]:
    """`open_sim("training-loop", "rate=0.1", color_scheme="dark")` gives the page; errors in it fail."""
    contexts: list[Any] = []
    errors: list[str] = []

    def open_page(name: str, state: str = "", **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.goto((SIMS / name / "index.html").as_uri() + f"#{state}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
