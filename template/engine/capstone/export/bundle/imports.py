"""The files and libraries that some modules need, found by reading their import statements."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class Dependencies:
    """What modules need.

    files      of the project, such as engine/capstone/core/errors.py
    libraries  for each of those files, the third-party packages that it imports
    """

    files: set[Path] = field(default_factory=set)
    libraries: dict[Path, set[str]] = field(default_factory=dict)


def follow_imports(sources: list[Path], starts: list[str], excluded: set[str]) -> Dependencies:
    """Follow the imports of these modules, also those inside functions, without running anything.

    sources   the folders that hold the project's packages: engine and src
    excluded  modules that are not followed
    """
    needed, seen = Dependencies(), set(excluded)
    waiting = [name for start in starts for name in _with_parents(start)]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        path = _file_of(sources, module)
        if path is None:
            waiting += _imported_late(sources, module)
            continue
        needed.files.add(path)
        needed.libraries[path] = set()
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for name in _imported(path, package):
            top = name.partition(".")[0]
            if any((source / top).is_dir() for source in sources):
                waiting += _with_parents(name)
            elif top not in sys.stdlib_module_names:
                needed.libraries[path].add(top)
    return needed


def unused_import(source: str, library: str) -> int | None:
    """The line of a module that imports a library of which it uses nothing, not even in an annotation; else None.

    Imports for type checkers alone cost nothing, and don't count.
    """
    tree = ast.parse(source)
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, DOCUMENTED) and node.body and isinstance(node.body[0], ast.Expr)
    }
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for text in texts:  # annotations in quotes, names in __all__
        if isinstance(text.value, str) and id(text) not in docstrings:
            used |= set(re.findall(r"\w+", text.value))
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test).endswith("TYPE_CHECKING")
        for node in block.body
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom) or id(node) in for_types:
            continue
        for alias in node.names:
            module = alias.name if isinstance(node, ast.Import) else node.module or ""
            bound = alias.asname or alias.name.partition(".")[0]
            if module.partition(".")[0] == library and bound not in used | {"*"}:
                return node.lineno
    return None


def _file_of(sources: list[Path], module: str) -> Path | None:
    """The file of a module or package; None where the name is that of a function or class in one."""
    for source in sources:
        path = source.joinpath(*module.split("."))
        for candidate in (path / "__init__.py", path.with_suffix(".py")):
            if candidate.is_file():
                return candidate
    return None


def _imported_late(sources: list[Path], name: str) -> list[str]:
    """The module of a function or class that its package imports only when it is asked for.

    Such a package names the module for type checkers: `if TYPE_CHECKING: from a.b import c`.
    """
    package, _, symbol = name.rpartition(".")
    path = _file_of(sources, package) if package else None
    if path is None or path.name != "__init__.py":
        return []
    for node in ast.parse(path.read_text(encoding="utf-8-sig")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for line in node.body:
                if isinstance(line, ast.ImportFrom) and symbol in {one.name for one in line.names}:
                    return _with_parents(line.module or "")
    return []


def _imported(path: Path, package: str) -> Iterator[str]:
    """Every name that a file imports, in full: "a.b" for `from a import b`, which may be a module."""
    waiting: list[ast.AST] = [ast.parse(path.read_bytes())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += node.orelse  # imports for type checkers are not needed
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:  # "from . import a" counts from the file's own package
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                start = ".".join([*above, *([start] if start else [])])
            yield start
            yield from (f"{start}.{alias.name}" for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def _with_parents(module: str) -> list[str]:
    """ "a.b.c" needs "a" and "a.b" too."""
    parts = module.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]
