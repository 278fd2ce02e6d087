"""What each picture of the site shows, and whether it is older than that.

`nox -s pictures` makes them all again. Beside them lies `made_from.json`: for each scene a fingerprint of the files
that draw it, as they were then.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from site_tools.project import ROOT

FOLDER = ROOT / "docs" / "assets" / "pictures"
MADE_FROM = FOLDER / "made_from.json"

ENGINE = "template/engine/capstone"
REPORTING = f"{ENGINE}/reporting"
PAGES = f"{REPORTING}/templates"
LOOK = (f"{PAGES}/style.css", f"{PAGES}/*base.html", f"{PAGES}/macros.html")
REPORT = (*LOOK, f"{PAGES}/report/*.html", f"{REPORTING}/report/*.py", f"{REPORTING}/charts.py")
FINDINGS = f"{ENGINE}/profiling/*.py"
# Scene: the files whose words and forms it shows. Numbers are not among them: they change with every library.
SCENES: dict[str, tuple[str, ...]] = {
    "report": REPORT,
    "gym": REPORT,
    "data": (*LOOK, f"{PAGES}/data.html", f"{REPORTING}/*_cards.py", FINDINGS),
    "explanation": (*LOOK, f"{PAGES}/explanation.html", f"{REPORTING}/explanation_page.py"),
    "compare": (*LOOK, f"{PAGES}/comparison.html", f"{REPORTING}/comparison_page.py"),
    "service": (f"{ENGINE}/serving/page/*",),
    "class": ("cohort/output/templates/*", "cohort/projects/report.py"),
    "terminal-use": (f"{ENGINE}/commands/use.py", f"{ENGINE}/drafts/*.py", FINDINGS),
    "terminal-data": (f"{ENGINE}/commands/data.py", FINDINGS),
    "terminal-run": (
        *(f"{ENGINE}/commands/{name}.py" for name in ("run", "console")),
        *(f"{ENGINE}/{name}.py" for name in ("pipeline", "core/text")),
    ),
    "terminal-check": (f"{ENGINE}/commands/check.py", f"{ENGINE}/checks/*.py"),
}


def outdated() -> list[str]:
    """The scenes whose pictures are missing or older than what they show."""
    made_from = recorded()
    return [scene for scene in SCENES if made_from.get(scene) != fingerprint(scene)]


def recorded() -> dict[str, str]:
    """The fingerprints that the pictures were made from."""
    found: dict[str, str] = json.loads(MADE_FROM.read_text(encoding="utf-8"))
    return found


def record(made_from: dict[str, str]) -> None:
    """Write down the fingerprints that the pictures of some scenes were made from."""
    now = (recorded() if MADE_FROM.exists() else {}) | made_from
    text = json.dumps({scene: now[scene] for scene in SCENES if scene in now}, indent=2)
    MADE_FROM.write_text(text + "\n", encoding="utf-8")


def fingerprint(scene: str, root: Path = ROOT) -> str:
    """A hash of all that the files of a scene can show. ValueError where a pattern finds no file."""
    seen = hashlib.sha256()
    for pattern in SCENES[scene]:
        paths = sorted(path for path in root.glob(pattern) if path.is_file())
        if not paths:
            raise ValueError(
                f"site_tools/pictures.py: {scene} is made from {pattern}, which is no file"
            )
        for path in paths:
            for shown in _shown(path):
                seen.update(shown.encode() + b"\n")
    return seen.hexdigest()[:16]


def _shown(path: Path) -> Iterator[str]:
    """What of a file can be seen: of Python its texts without docstrings, of all else the words."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield " ".join(text.split())
        return
    tree = ast.parse(text)
    said = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value
