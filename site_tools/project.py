"""The generated project, as the pages show it, and where its symbols stand."""

from __future__ import annotations

import ast
import json
import re
import shutil
import tempfile
from pathlib import Path

import copier

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "my_capstone"  # of the default answers
PARTS = ("copier.yml", "includes", "template")  # what Copier reads
LEAVINGS = shutil.ignore_patterns("__pycache__", ".*_cache", ".hypothesis")


def render(target: Path) -> Path:
    """A project with the default answers, of the template as it lies here, committed or not."""
    with tempfile.TemporaryDirectory() as folder:
        copier.run_copy(str(copy_template(Path(folder))), target, defaults=True, quiet=True)
    return target


def copy_template(target: Path) -> Path:
    """What Copier reads of the template, without git's folder, so that the newest state counts and no release."""
    target.mkdir(exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=LEAVINGS)
        else:
            shutil.copy2(source, target)
    return target


def lines_of(path: Path) -> dict[str, int]:
    """The line of each symbol in this file that a concept may point to.

    Classes, functions, constants and "Class.method" of a .py; "section.key" of a .toml; headings of a .md or .ipynb.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return _python(text)
    if path.suffix == ".toml":
        return _toml(text)
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] != "code")
    return {
        found[1]: number
        for number, line in enumerate(text.splitlines(), 1)
        if (found := re.match(r"#+ (.+)$", line))
    }


def _python(text: str) -> dict[str, int]:
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node.lineno
        if isinstance(node, ast.ClassDef):
            methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
            found |= {f"{node.name}.{method.name}": method.lineno for method in methods}
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {name.id: node.lineno for name in targets if isinstance(name, ast.Name)}
    return found


def _toml(text: str) -> dict[str, int]:
    found, section = {}, ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\[([\w.-]+)\]", line):
            section = header[1] + "."
            found[header[1]] = number
        elif key := re.match(r"([\w-]+) *=", line):
            found[section + key[1]] = number
    return found
