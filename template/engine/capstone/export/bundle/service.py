"""One folder, or ZIP file, with everything that the service needs and nothing else."""

from __future__ import annotations

import hashlib
import re
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from capstone.core.errors import CapstoneError
from capstone.core.files import told, write_bytes, writing, writing_folder
from capstone.core.project import package_name
from capstone.core.sealed_files import INFO
from capstone.export.bundle.imports import Dependencies, follow_imports
from capstone.export.bundle.libraries import find_libraries
from capstone.export.bundle.readme import render_readme
from capstone.export.bundle.sbom import bill_of_materials
from capstone.runs.folder import GRAPH, SCHEMA, SERVING, Run, read_run
from capstone.serving import serve
from capstone.serving.inference.served_model import ServedModel

SBOM = "sbom.cdx.json"
RUN_FILES = (GRAPH, SERVING, SCHEMA, "metrics.json")
MODEL_CARD = Path("docs") / "model_card.md"
FRAMES = "capstone.serving.inference.frames"  # the one module of a service that needs pandas
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # of every file: the same run then gives the same bytes


@dataclass(frozen=True)
class ExportResult:
    """What was written, where, and what the student should know."""

    target: Path
    files: int
    size: int
    libraries: int
    notes: list[str]


def export_service(root: Path, run: str, to: Path | None, as_zip: bool) -> ExportResult:
    """Write the service of a run into one folder or ZIP file.

    Parameters
    ----------
    root : Path
        The project's folder.
    run : str
        A run's id, or "LATEST".
    to : Path, optional
        Where to write; dist/RUN by default. Only an earlier export is replaced.
    as_zip : bool
        Whether to write a ZIP file instead of a folder.

    Returns
    -------
    ExportResult
        What was written, where, and what the student should know.

    Raises
    ------
    CapstoneError
        Before anything is written: if the run can't be served, or the target is in use.
    """
    chosen = read_run(root / "runs", run)
    model, folder = ServedModel.load(chosen.folder, root), chosen.folder
    _check_steps(model, root)
    target = to or root / "dist" / folder.name
    if target.name in ("", ".."):  # ".", "..": whose place is another folder's business
        target = target.resolve()
    if as_zip:
        target = target.with_name(target.name.removesuffix(".zip") + ".zip")
    with told(target):
        _check_target(target)
    on_arrays = model.serving["steps"]["tables"] == "arrays"
    files, notes, libraries = _contents(root, chosen, on_arrays)
    if as_zip:
        with writing(target) as partial:
            _write_zip(partial, target.stem, files)
    else:
        with writing_folder(target) as partial:  # may replace an older export: see _check_target
            _write_folder(partial, files)
    size = target.stat().st_size if as_zip else sum(map(len, files.values()))
    return ExportResult(target, len(files), size, libraries, notes)


def _check_steps(model: ServedModel, root: Path) -> None:
    """Refuse steps that can't be served, or are no longer those of the run."""
    steps = model.serving["steps"]
    if steps["refused"]:
        raise CapstoneError(steps["refused"])
    features = root / "src" / package_name(root) / "features.py"
    text = features.read_text(encoding="utf-8")
    if hashlib.sha256(text.encode()).hexdigest() != steps["sha256"]:
        raise CapstoneError(
            f"{features} has changed since {model.run}: a service would not answer as was measured; "
            "run `capstone run`, then export again."
        )


def _contents(root: Path, run: Run, on_arrays: bool) -> tuple[dict[str, bytes], list[str], int]:
    """Each file by its path in the exported folder, notes, and the number of libraries."""
    package = package_name(root)
    needed = _dependencies(root, package, on_arrays)
    imported = _third_party(root / "src" / package, needed, on_arrays)
    libraries, unknown = find_libraries(root, imported)
    notes = [
        f"your code imports {name}, which is not installed here: add it to requirements.txt"
        for name in unknown
    ]
    if run.info["quick"]:
        notes.append("this model is from a quick run, which learned next to nothing")
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(needed.files)}
    files |= _run_files(root, run)
    files["pyproject.toml"] = f'[tool.capstone]\npackage = "{package}"\n'.encode()
    files["requirements.txt"] = "".join(f"{library.line}\n" for library in libraries).encode()
    files["serve.py"] = Path(serve.__file__).read_bytes()
    files |= {
        path.name: path.read_bytes() for path in (root / "deploy").glob("*") if path.is_file()
    }
    if "Dockerfile" in files:
        files["Dockerfile"] = _with_python(files["Dockerfile"])
    project, finished = _project(root), datetime.fromisoformat(run.info["finished"])
    model_sha256 = run.files.hashes[GRAPH]
    sbom = bill_of_materials(project, run.id, finished, model_sha256, libraries)
    files[SBOM] = sbom.encode()
    files["README.md"] = render_readme(project, run.id, set(files)).encode()
    return files, notes, len(libraries)


def _run_files(root: Path, run: Run) -> dict[str, bytes]:
    """The run's files, its settings and the model card."""
    folder = f"runs/{run.id}"
    files = {f"{folder}/{name}": run.files.read(name) for name in RUN_FILES}
    files[f"{folder}/{INFO}"] = run.files.content
    files["runs/LATEST"] = f"{run.id}\n".encode()
    files["capstone.toml"] = run.files.read("settings.toml")  # as they were in that run
    if (root / MODEL_CARD).is_file():
        files[MODEL_CARD.as_posix()] = (root / MODEL_CARD).read_bytes()
    return files


def _dependencies(root: Path, package: str, on_arrays: bool) -> Dependencies:
    """The project's modules that are imported, and the files beside them, such as the page."""
    engine, students = root / "engine", root / "src"
    starts = ["capstone.serving.command", f"{package}.features", f"{package}.decisions"]
    needed = follow_imports([engine, students], starts, {FRAMES} if on_arrays else set())
    serving = (engine / "capstone" / "serving").rglob("*")
    for path in [*serving, *(students / package).rglob("*")]:
        hidden = any(part.startswith((".", "__pycache__")) for part in path.relative_to(root).parts)
        if path.is_file() and not hidden and path.suffix not in (".py", ".pyc"):
            needed.files.add(path)
    return needed


def _third_party(students: Path, needed: Dependencies, on_arrays: bool) -> set[str]:
    """The packages that are imported. Where steps work on arrays, only the student's files may need pandas."""
    found: set[str] = set()
    for path, names in needed.libraries.items():
        engine = not path.is_relative_to(students)
        found |= names - {"pandas"} if engine and on_arrays else names
    # With pyarrow, pandas stores text as in the run; without, by other code.
    return found if on_arrays else found | {"pyarrow"}


def _project(root: Path) -> str:
    text = (root / "pyproject.toml").read_text(encoding="utf-8-sig")
    project: dict[str, Any] = tomllib.loads(text).get("project", {})
    return re.sub(r"[^a-z0-9-]+", "-", str(project.get("name", "service")).lower())


def _with_python(dockerfile: bytes) -> bytes:
    """The Dockerfile with the Python version that the libraries are installed for here."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return re.sub(rb"(?m)^ARG PYTHON=.*$", f"ARG PYTHON={version}".encode(), dockerfile)


def _check_target(target: Path) -> None:
    """Replace an earlier export, and nothing else."""
    if target.is_dir() and any(target.iterdir()) and not (target / SBOM).is_file():
        raise CapstoneError(
            f"{target} holds other files, which an export would replace: give a new folder by --to."
        )
    if target.exists() and target.is_dir() == (target.suffix == ".zip"):
        raise CapstoneError(f"{target} is in the way: give another name by --to.")


def _write_folder(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        write_bytes(folder / name, content)


def _write_zip(path: Path, folder: str, files: dict[str, bytes]) -> None:
    """All files in one folder, sorted by name, the same bytes each time."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{folder}/{name}", ZIP_DATE)
            entry.external_attr = 0o644 << 16  # readable by all, where there are permissions
            entry.create_system = 3  # the same on Windows
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)
