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
README = ENGINE.parent / "README.md"
# Lines of the five files to begin with, together, and of each room. Docstrings don't count: they are to be complete.
PATH_LINES = 800
ROOM_LINES = {
    "core": 900,
    "data": 1300,
    "training": 1800,
    "evaluation": 1500,
    "runs": 600,
    "serving": 2400,
    "export": 1300,
    "reporting": 2000,
    "streaming": 1100,
    "checks": 900,
    "commands": 1900,
    ".": 450,
}
FIVE_STEPS = ("zero_grad", "model", "criterion", "backward", "step")
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


def lines_but_docstrings(path: Path) -> int:
    """How long a file is, with its comments and without its docstrings."""
    text = path.read_text(encoding="utf-8")
    told = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = [
        node.body[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, told) and ast.get_docstring(node) is not None
    ]
    return len(text.splitlines()) - sum(
        (one.end_lineno or one.lineno) - one.lineno + 1 for one in docstrings
    )


def path_of_the_readme() -> list[str]:
    """The files that the engine's README lists to begin with, in its order."""
    return re.findall(
        r"^\d\. \[`([\w/.]+)`\]\(capstone/\1\)", README.read_text("utf-8"), re.MULTILINE
    )


def test_the_way_to_the_update_of_a_weight_can_be_read_in_a_sitting() -> None:
    path = path_of_the_readme()
    assert path == [
        *("commands/run.py", "pipeline.py", "training/fit.py", "training/loop.py"),
        "training/ensemble.py",
    ]
    lines = {name: lines_but_docstrings(ENGINE / name) for name in path}
    assert sum(lines.values()) <= PATH_LINES, lines


def test_each_of_them_leads_to_the_next() -> None:
    """`run` calls the pipeline, which calls `train_model`, which makes a Trainer; a network may be an ensemble."""
    run_, pipeline, fit, *_ = (imports(ENGINE / name) for name in path_of_the_readme())
    assert "capstone.pipeline" in run_
    assert "capstone.training.fit" in pipeline
    assert "capstone.training.loop" in fit


def test_no_room_grows_beyond_its_budget() -> None:
    rooms: dict[str, int] = {}
    for path in FILES:
        room = path.relative_to(ENGINE).parts[0] if path.parent != ENGINE else "."
        rooms[room] = rooms.get(room, 0) + lines_but_docstrings(path)
    assert set(rooms) == set(ROOM_LINES)
    assert {room: lines for room, lines in rooms.items() if lines > ROOM_LINES[room]} == {}


def calls_of(function: ast.AST) -> list[str]:
    """What a function calls, by the last word of its name, line by line."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    calls.sort(key=lambda call: call.lineno)
    return [ast.unparse(call.func).rpartition(".")[2] for call in calls]


def test_the_five_steps_of_training_stand_once() -> None:
    """Whatever makes training quicker, or shares it among machines, calls `train_step`."""
    learning = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                text = ast.unparse(node)
                if re.search(r"\boptimi[sz]er\.step\(|_fused_adamw|\.grad\b.*-=", text):
                    name = getattr(node, "name", "lambda")
                    learning[f"{path.relative_to(ENGINE).as_posix()}: {name}"] = calls_of(node)
    assert list(learning) == ["training/loop.py: train_step"]
    [calls] = learning.values()
    assert tuple(call for call in calls if call in FIVE_STEPS) == FIVE_STEPS


def test_the_readme_of_the_engine_has_a_line_for_each_room() -> None:
    listed = re.findall(r"^\| `(\w+(?:/|\.py))` \|", README.read_text("utf-8"), re.MULTILINE)
    rooms = {f"{path.name}/" for path in ENGINE.iterdir() if path.is_dir()} - {"__pycache__/"}
    assert set(listed) == rooms | {"pipeline.py"}
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers = reversed(linter["contracts"][0]["layers"])
    level = {name: number for number, layer in enumerate(layers) for name in layer.split(" | ")}
    levels = [level[name.rstrip("/").removesuffix(".py")] for name in listed]
    assert levels == sorted(levels), "each imports only from those above it in this list"


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
