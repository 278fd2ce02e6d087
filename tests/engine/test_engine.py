"""The engine as a whole: what it may import, how long it may be, what it must never do."""

import ast
import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import capstone
from capstone.core.settings import Section, Settings
from tests.support.helpers import ROOT, Render, must_run, python_path, run, tool

ENGINE = ROOT / "template" / "engine" / "capstone"
FILES = sorted(ENGINE.rglob("*.py"))
# Lines of code that each room may have; "" is what lies beside the rooms.
BUDGETS = {
    "": 520,
    "core": 1520,  # the four doors: student code, a run's files, files written, text shown
    "data": 2430,  # whatever a student calls a table, one sentence where it is none, and what clean() should mend
    "profiling": 500,
    "training": 1990,  # with the form of model.json, which it reads itself
    "evaluation": 1540,
    "runs": 950,  # a third of it is the forms of a run's JSON files; what differs between runs, too
    "reporting": 2390,
    "serving": 2430,
    "export": 1300,
    "streaming": 1100,
    "checks": 900,
    "drafts": 400,
    "commands": 2270,  # each command says what comes next, and a run what is under way
}
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
    """Lines of code. What explains them, docstrings and comments, is to be there, so it doesn't count."""
    files = {name: ENGINE / f"{name}.py" for name in PATH}
    empty = {
        name: path.read_text(encoding="utf-8").split("\n").count("") - 1
        for name, path in files.items()
    }
    lines = {
        name: lines_apart_from_docstrings(path) - comment_lines(path) - empty[name]
        for name, path in files.items()
    }
    assert sum(lines.values()) <= 676, lines


def test_the_path_teaches_where_it_is_read() -> None:
    """About a comment for every ten lines."""
    files = [ENGINE / f"{name}.py" for name in PATH]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)
    assert sum(map(comment_lines, files)) >= 0.08 * lines


def test_the_map_lists_the_path_in_its_order() -> None:
    text = (ENGINE.parent / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\d\. .*?\(capstone/(\S+)\.py\)", text, re.MULTILINE) == list(PATH)


def test_no_import_runs_backwards() -> None:
    """Each room of the engine imports only from those below it: the contracts in pyproject.toml."""
    must_run(tool("lint-imports"), "--no-cache", cwd=ROOT, PYTHONPATH=str(ENGINE.parent))


def test_each_room_says_what_it_is_for_and_holds_nothing_else_at_its_door() -> None:
    """The exporter copies each __init__.py on the way to a file, and `--help` imports some of them."""
    for folder in {path.parent for path in FILES} - {ENGINE}:
        door = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
        assert ast.get_docstring(door) and len(door.body) == 1, folder


def docstring_lines(node: ast.AST) -> int:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return 0
    if ast.get_docstring(node) is None:
        return 0
    text = node.body[0]
    return (text.end_lineno or 0) - text.lineno + 1


def lines_apart_from_docstrings(path: Path) -> int:
    """How long a file is. Docstrings are to be complete, so no budget may speak against them."""
    text = path.read_text(encoding="utf-8")
    return len(text.splitlines()) - sum(map(docstring_lines, ast.walk(ast.parse(text))))


@pytest.mark.parametrize("room", BUDGETS)
def test_each_room_keeps_to_its_budget(room: str) -> None:
    files = (ENGINE / room).rglob("*.py") if room else ENGINE.glob("*.py")
    lines = {path.name: lines_apart_from_docstrings(path) - comment_lines(path) for path in files}
    assert sum(lines.values()) <= BUDGETS[room], lines


def comment_lines(path: Path) -> int:
    """Lines that only explain: they are to be there, so no budget may speak against them either."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return sum(line.lstrip().startswith("#") for line in lines)


def test_every_room_has_a_budget() -> None:
    rooms = {path.relative_to(ENGINE).parts[0] for path in FILES if path.parent != ENGINE}
    assert rooms == set(BUDGETS) - {""}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, its docstring apart."""
    return (function.end_lineno or 0) - function.lineno + 1 - docstring_lines(function)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ENGINE).as_posix())
def test_functions_are_short_and_take_few_arguments(path: Path) -> None:
    """The options of a command are parameters of its function: those are as many as the command has."""
    room = path.relative_to(ENGINE).parts[0]
    commands = room == "commands" or path.name == "command.py"
    for function in functions(path):
        arguments = function.args
        names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
        names += [one.arg for one in arguments.kwonlyargs]
        taken = [name for name in names if name not in ("self", "cls")]
        is_command = commands and path.stem in (function.name, "command")
        assert is_command or len(taken) <= 6, f"{function.name}() takes {len(taken)}"
        assert body_lines(function) <= 50, f"{function.name}() has {body_lines(function)} lines"


def test_git_is_run_in_one_place() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.List) and node.elts:
                first = node.elts[0]
                runs_git = isinstance(first, ast.Constant) and first.value == "git"
                assert not runs_git or path == ENGINE / "core" / "git.py", path


# ---- The public API ------------------------------------------------------------------------------


def test_the_names_to_import_are_the_same_for_python_and_for_editors() -> None:
    tree = ast.parse((ENGINE / "__init__.py").read_text(encoding="utf-8"))
    late = next(node for node in tree.body if isinstance(node, ast.If))
    imported = {
        alias.name: (node.module or "").removeprefix("capstone.")
        for node in late.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == capstone._MODULES
    at_once = {"Table", "tidy_text", "to_date", "to_number", "unify_text"}
    assert set(capstone.__all__) == {*imported, *at_once}
    assert dir(capstone) == sorted(capstone.__all__, key=lambda name: (name.islower(), name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = capstone.nothing


@pytest.mark.parametrize("name", capstone.__all__)
def test_a_name_to_import_is_documented(name: str) -> None:
    thing = getattr(capstone, name)
    text = inspect.getdoc(thing) or ""
    assert len(text) > 60
    if isinstance(thing, type) and not hasattr(thing, "__dataclass_fields__"):
        return
    signature = inspect.signature(thing)
    for parameter in signature.parameters:
        assert re.search(rf"^{parameter} : ", text, re.MULTILINE), parameter
    if inspect.isfunction(thing) and signature.return_annotation != "None":
        assert re.search(r"^Returns\n-------$", text, re.MULTILINE)


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ("torch", "pandas", "numpy", "sklearn", "pydantic", "rich", "typer")
    code = f"import sys, capstone; print([name for name in {heavy} if name in sys.modules])"
    assert must_run(sys.executable, "-c", code, cwd=ROOT, PYTHONPATH=str(ENGINE.parent)) == "[]\n"


def test_the_students_files_import_from_the_package_alone(render: Render) -> None:
    project = render()
    sources = [*(project / "src").rglob("*.py"), *(project / "tests").rglob("*.py")]
    texts = {path: path.read_text(encoding="utf-8") for path in sources}
    for path in (project / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts[path] = "".join(
            "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"
        )
    for path in (ROOT / "includes" / "examples").glob("*/features.py"):
        texts[path] = path.read_text(encoding="utf-8")
    assert len(texts) > 8
    for path, text in texts.items():
        assert not re.search(r"(from|import) capstone\.", text), path


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
        f"{name}.{key}"
        for name, section in values.items()
        if isinstance(section, dict)
        for key in section
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
