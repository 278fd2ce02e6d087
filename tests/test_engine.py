"""The engine as a whole: what it may import, how long it may be, what it must never do."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from capstone.core.settings import Section, Settings
from tests.helpers import ROOT, Render, must_run, python_path, run, tool

ENGINE = ROOT / "template" / "engine" / "capstone"
FILES = sorted(ENGINE.rglob("*.py"))
# From the command to the update of a weight, in the order in which they are read.
PATH = ("commands/run", "pipeline", "training/fit", "training/loop", "training/ensemble")
# What a module belongs to; the last two come with a library that is stated.
DISTRIBUTIONS = {
    "cyclonedx": "cyclonedx-python-lib",
    "mlflow": "mlflow-skinny",
    "prometheus_client": "prometheus-client",
    "sklearn": "scikit-learn",
    "tomli_w": "tomli-w",
    "yaml": "pyyaml",
    "packageurl": "cyclonedx-python-lib",
    "starlette": "fastapi",
}


def imports(path: Path) -> set[str]:
    """Everything that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_every_library_it_imports_is_a_dependency(render: Render) -> None:
    text = (render() / "pyproject.toml").read_text(encoding="utf-8")
    metadata = tomllib.loads(text)["project"]
    lines = [*metadata["dependencies"], *metadata["optional-dependencies"]["tracking"]]
    stated = {re.split(r"[~=<>]", line)[0] for line in lines}
    used = {name.split(".")[0] for path in FILES for name in imports(path)}
    used -= set(sys.stdlib_module_names) | {"capstone"}
    assert {DISTRIBUTIONS.get(name, name) for name in used} <= stated


def test_the_path_from_the_command_to_a_weight_reads_in_a_sitting() -> None:
    """Code and comments; the docstrings, which say what goes in and comes out, and empty lines don't count."""
    lines = {name: _lines_of_code(ENGINE / f"{name}.py") for name in PATH}
    assert sum(lines.values()) <= 700, lines


def test_the_map_lists_the_path_in_its_order() -> None:
    text = (ENGINE.parent / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\d\. .*?\(capstone/(\S+)\.py\)", text, re.MULTILINE) == list(PATH)


def _lines_of_code(path: Path) -> int:
    text = path.read_text(encoding="utf-8")
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        if ast.get_docstring(node):
            first = node.body[0]
            docstrings |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    lines = enumerate(text.splitlines(), start=1)
    return sum(bool(line.strip()) and number not in docstrings for number, line in lines)


def test_no_import_runs_backwards() -> None:
    """Each room of the engine imports only from those below it: the contracts in pyproject.toml."""
    must_run(tool("lint-imports"), "--no-cache", cwd=ROOT, PYTHONPATH=str(ENGINE.parent))


def test_each_room_says_what_it_is_for_and_holds_nothing_else_at_its_door() -> None:
    """The exporter copies each __init__.py on the way to a file, and `--help` imports some of them."""
    for folder in {path.parent for path in FILES}:
        door = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
        assert ast.get_docstring(door) and len(door.body) == 1, folder


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ENGINE).as_posix())
def test_nothing_is_unpickled_or_run_from_a_file(path: Path) -> None:
    assert not imports(path) & {"pickle", "joblib", "cloudpickle", "dill", "shelve", "marshal"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("eval", "exec", "pd.read_pickle", "os.system")
            if called == "torch.load":
                assert "weights_only=True" in ast.unparse(node)
            assert not any(
                isinstance(word.value, ast.Constant) and word.value.value is True
                for word in node.keywords
                if word.arg == "shell"
            )


def test_importing_it_does_nothing(render: Render) -> None:
    """No file is written, nothing is printed."""
    names = [path.relative_to(ENGINE.parent).with_suffix("").parts for path in FILES]
    modules = ", ".join(".".join(name) for name in names if not name[-1].startswith("__"))
    project = render()
    before = {path for path in project.rglob("*")}
    done = run(
        sys.executable,
        *("-B", "-W", "error", "-c", f"import {modules}"),
        cwd=project,
        PYTHONPATH=python_path(project),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {path for path in project.rglob("*")} == before


def test_help_imports_no_heavy_library(render: Render) -> None:
    """What keeps `capstone --help` quick."""
    project = render()
    done = subprocess.run(
        [sys.executable, "-B", "-X", "importtime", "-m", "capstone", "--help"],
        cwd=project,
        env={"PYTHONPATH": python_path(project), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"torch", "pandas", "numpy", "sklearn", "pydantic", "rich.console"}


def test_every_setting_is_in_capstone_toml_with_a_comment(render: Render) -> None:
    text = (render() / "capstone.toml").read_text(encoding="utf-8")
    values = tomllib.loads(text)
    written = {key for key, value in values.items() if not isinstance(value, dict)}
    written |= {
        f"{name}.{key}" for name, its in values.items() if isinstance(its, dict) for key in its
    }
    known = set()
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            known |= {f"{name}.{key}" for key in section.model_fields}
        else:
            known.add(name)
    assert written == known
    for line in text.split("[data]")[1].splitlines():
        assert "=" not in line or "  # " in line, line
