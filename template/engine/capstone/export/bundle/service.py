"""`capstone export`: one folder, or ZIP, with everything that the service needs and nothing else."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from capstone.core.errors import CapstoneError
from capstone.core.files import PARTIAL
from capstone.core.project import package_name
from capstone.export.bundle.imports import Needed, follow
from capstone.export.bundle.libraries import find_libraries
from capstone.export.bundle.readme import readme
from capstone.export.bundle.sbom import bill_of_materials
from capstone.runs.folder import GRAPH, SCHEMA, SERVING, run_folder
from capstone.serving import serve
from capstone.serving.inference.model import ServedModel

BILL = "sbom.cdx.json"
OF_A_RUN = (GRAPH, SERVING, SCHEMA, "run.json", "metrics.json")
CARD = Path("docs") / "model_card.md"
PANDAS = (
    "capstone.serving.inference.frames"  # the one room of a service that can't do without pandas
)
LONG_AGO = (
    1980,
    1,
    1,
    0,
    0,
    0,
)  # the date of every file in a ZIP, so that the same run gives the same bytes


@dataclass(frozen=True)
class Exported:
    """What was written, where, and what the student should know."""

    target: Path
    files: int
    size: int
    libraries: int
    notes: list[str]


def export_service(root: Path, run: str, to: Path | None, as_zip: bool) -> Exported:
    """Write the service of a run. Raises CapstoneError before anything is written where it can't be served."""
    folder = run_folder(root / "runs", run)
    model = ServedModel.load(folder, root)
    steps = model.serving["steps"]
    if steps["refused"]:
        raise CapstoneError(steps["refused"])
    package = package_name(root)
    features = root / "src" / package / "features.py"
    text = features.read_text(encoding="utf-8")
    if hashlib.sha256(text.encode()).hexdigest() != steps["sha256"]:
        raise CapstoneError(
            f"{features} has changed since {folder.name}: a service would not answer as was measured; "
            "run `capstone run`, then export again."
        )
    target = to or root / "dist" / folder.name
    if as_zip:
        target = target.with_name(target.name.removesuffix(".zip") + ".zip")
    _check_target(target)
    files, notes, libraries = _contents(root, folder, package, steps["tables"] == "arrays")
    partial = target.with_name(f"{PARTIAL}{target.name}-{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_zip(partial, target.stem, files) if as_zip else _write_folder(partial, files)
        if target.is_dir():
            shutil.rmtree(target)  # an older export: see _check_target
        partial.replace(target)
    except OSError as error:
        raise CapstoneError(
            f"{target} can't be written ({error.strerror or error}): free some space, or give another --to."
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if partial.is_file():
            partial.unlink()
    size = target.stat().st_size if as_zip else sum(map(len, files.values()))
    return Exported(target, len(files), size, libraries, notes)


def _contents(
    root: Path, folder: Path, package: str, on_arrays: bool
) -> tuple[dict[str, bytes], list[str], int]:
    """Each file by its path in the exported folder, notes, and how many libraries it asks for."""
    needed = _needed(root, package, on_arrays)
    imported = _libraries(root / "src" / package, needed, on_arrays)
    libraries, unknown = find_libraries(root, imported)
    notes = [
        f"your code imports {name}, which is not installed here: add it to requirements.txt"
        for name in unknown
    ]
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    project = _project(root)
    files: dict[str, bytes] = {}
    for path in sorted(needed.files):
        files[path.relative_to(root).as_posix()] = path.read_bytes()
    for name in OF_A_RUN:
        if (folder / name).is_file():
            files[f"runs/{folder.name}/{name}"] = (folder / name).read_bytes()
    files["runs/LATEST"] = f"{folder.name}\n".encode()
    files["capstone.toml"] = (folder / "settings.toml").read_bytes()  # as they were in that run
    files["pyproject.toml"] = f'[tool.capstone]\npackage = "{package}"\n'.encode()
    if (root / CARD).is_file():
        files[CARD.as_posix()] = (root / CARD).read_bytes()
    lines = "".join(f"{library.line}\n" for library in libraries)
    files["requirements.txt"] = lines.encode()
    files["serve.py"] = Path(serve.__file__).read_bytes()
    for path in sorted((root / "deploy").glob("*")):
        if path.is_file():
            files[path.name] = path.read_bytes()
    if "Dockerfile" in files:
        files["Dockerfile"] = _with_python(files["Dockerfile"])
    files[BILL] = bill_of_materials(
        project,
        folder.name,
        datetime.fromisoformat(info["finished"]),
        info["files"][GRAPH],
        libraries,
    ).encode()
    files["README.md"] = readme(project, folder.name, set(files)).encode()
    if info.get("quick"):
        notes.append("this model is from a quick run, which learned next to nothing")
    return files, notes, len(libraries)


def _needed(root: Path, package: str, on_arrays: bool) -> Needed:
    """The project's files: those that are imported, and what lies beside them, such as the page."""
    engine, students = root / "engine", root / "src"
    starts = ["capstone.serving.command", f"{package}.features", f"{package}.decisions"]
    needed = follow([engine, students], starts, {PANDAS} if on_arrays else set())
    page = (engine / "capstone" / "serving" / "page").rglob("*")
    for path in [*page, *(students / package).rglob("*")]:
        hidden = any(part.startswith((".", "__pycache__")) for part in path.relative_to(root).parts)
        if path.is_file() and not hidden and path.suffix not in (".py", ".pyc"):
            needed.files.add(path)
    return needed


def _libraries(students: Path, needed: Needed, on_arrays: bool) -> set[str]:
    """What is imported. Our own files name pandas for steps that need a table; a student's file may need it anyway."""
    found: set[str] = set()
    for path, names in needed.libraries.items():
        ours = not path.is_relative_to(students)
        found |= names - {"pandas"} if ours and on_arrays else names
    # pandas keeps text by pyarrow where that is installed, as it was for the run, and by other code elsewhere.
    return found if on_arrays else found | {"pyarrow"}


def _project(root: Path) -> str:
    text = (root / "pyproject.toml").read_text(encoding="utf-8-sig")
    about: dict[str, Any] = tomllib.loads(text).get("project", {})
    return re.sub(r"[^a-z0-9-]+", "-", str(about.get("name", "service")).lower())


def _with_python(dockerfile: bytes) -> bytes:
    """The image has the Python that the libraries were installed for here."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return re.sub(rb"(?m)^ARG PYTHON=.*$", f"ARG PYTHON={version}".encode(), dockerfile)


def _check_target(target: Path) -> None:
    """Replace an earlier export, and nothing else."""
    if target.is_dir() and any(target.iterdir()) and not (target / BILL).is_file():
        raise CapstoneError(
            f"{target} holds other files, which an export would replace: give a new folder by --to."
        )
    if target.exists() and target.is_dir() == (target.suffix == ".zip"):
        raise CapstoneError(f"{target} is in the way: give another name by --to.")


def _write_folder(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _write_zip(path: Path, inside: str, files: dict[str, bytes]) -> None:
    """All files in one folder `inside`, in the order of their names, the same bytes each time."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{inside}/{name}", LONG_AGO)
            entry.external_attr = 0o644 << 16  # readable by all, on systems that ask
            entry.create_system = 3  # the same on Windows
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)
