"""A page for each file of the project that a student reads: its code, every line with an address."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

from markdown.extensions.toc import slugify

from site_tools.project import PACKAGE, lines_of

SHOWN = (
    "capstone.toml",
    "README.md",
    "data/README.md",
    "docs/*.md",
    "notebooks/*.ipynb",
    f"src/{PACKAGE}/*.py",
    "engine/capstone/*.py",
    "engine/capstone/*/*.py",
    "engine/capstone/*/*/*.py",
    "engine/README.md",
    "engine/guide.md",
    "tests/*.py",
    "pyproject.toml",
    ".pre-commit-config.yaml",
)
LANGUAGES = {".py": "python", ".toml": "toml", ".md": "markdown", ".yaml": "yaml"}
# A search for a word is to find the pages, not a hundred lines of code.
HEAD = "---\nsearch:\n  exclude: true\n---\n\n"


def files_of(project: Path) -> list[Path]:
    """The files that have a page, the student's first."""
    found = [path for pattern in SHOWN for path in sorted(project.glob(pattern))]
    return [path for path in found if path.stat().st_size]


def page_of(name: str) -> str:
    """Where the page of this file of the project is, from the site's top."""
    return f"code/{re.sub(r'[^a-z0-9_]+', '-', name.lower()).strip('-')}.md"


def link(project: Path, name: str, symbol: str = "") -> str:
    """The address of a symbol's line, from the site's top. KeyError where there is no such symbol."""
    page = page_of(name)
    if not symbol:
        return page
    line = lines_of(project / name)[symbol]
    return f"{page}#{slugify(symbol, '-') if name.endswith('.ipynb') else f'__codelineno-0-{line}'}"


def pages(project: Path) -> dict[str, str]:
    """All of them, and their index."""
    files = files_of(project)
    made = {page_of(_name(project, path)): HEAD + listing(project, path) for path in files}
    return {**made, "code/index.md": index(project, files)}


def index(project: Path, files: list[Path]) -> str:
    """What each file is for, in the words of its first line."""
    rows = [
        f"| [`{_name(project, path)}`]({page_of(_name(project, path))[5:]}) | {about(path)} |"
        for path in files
    ]
    return "\n".join(
        [
            "# The code, line by line",
            "",
            "The files of a new project with the default answers, as they are: the package is called "
            f"`{PACKAGE}`. [The guide](engine-guide-md.md) says whose each is.",
            "",
            "| file | what it is for |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )


def about(path: Path) -> str:
    """The first line of a file's docstring, comment or heading."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        said = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    elif path.suffix == ".ipynb":
        said = "".join(json.loads(text)["cells"][0]["source"]).partition("\n")[0]
    else:
        body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)  # without front matter
        said = next((line for line in body.splitlines() if line.startswith("#")), "")
    return said.lstrip("# ").replace("|", "\\|")


def listing(project: Path, path: Path) -> str:
    """One file as a page."""
    name, text = _name(project, path), path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        return _notebook(name, text)
    language = LANGUAGES.get(path.suffix, "text")
    return f'# `{name}`\n\n~~~~~~{{ .{language} linenums="1" }}\n{text}~~~~~~\n'


def _notebook(name: str, text: str) -> str:
    """Its cells in order; the first heading is the page's."""
    parts = [f"The notebook `{name}` of a project, without what its cells print."]
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        parts.append(f"~~~~~~python\n{source}\n~~~~~~" if cell["cell_type"] == "code" else source)
    parts[0], parts[1] = parts[1], parts[0]  # the heading comes first
    return "\n\n".join(parts) + "\n"


def _name(project: Path, path: Path) -> str:
    return path.relative_to(project).as_posix()
