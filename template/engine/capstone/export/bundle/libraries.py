"""The libraries that a service needs, with the versions that are installed here, and their dependencies."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from importlib.metadata import (
    Distribution,
    PackageNotFoundError,
    distribution,
    packages_distributions,
)
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

# uvicorn is quicker with these and takes them where they are installed: nothing imports them by name.
UVICORN_EXTRAS = ("httptools", "uvloop")


@dataclass
class Library:
    """One library.

    version  "" where it is not installed here, but would be on another system
    line     in requirements.txt
    needs    the names of its dependencies
    direct   whether the service itself imports it
    """

    name: str
    version: str
    line: str
    needs: list[str] = field(default_factory=list)
    licenses: list[str] = field(default_factory=list)
    direct: bool = False


def find_libraries(root: Path, imported: set[str]) -> tuple[list[Library], list[str]]:
    """All libraries behind these imports, by name, and the imports that nothing here provides."""
    provided = packages_distributions()
    unknown = sorted(name for name in imported if name not in provided)
    requirements: dict[str, Requirement] = {
        canonicalize_name(line.name): line for line in _project_requirements(root)
    }
    direct: set[str] = {
        canonicalize_name(provided[name][0]) for name in imported if name in provided
    }
    direct |= set(UVICORN_EXTRAS) & set(requirements)
    found: dict[str, Library] = {}
    markers: dict[str, set[str]] = {}
    waiting = [requirements.get(name) or Requirement(name) for name in sorted(direct)]
    seen = set()
    while waiting:
        requirement = waiting.pop()
        name = str(canonicalize_name(requirement.name))
        markers.setdefault(name, set()).add(_marker(requirement))
        if (name, *sorted(requirement.extras)) in seen:
            continue
        seen.add((name, *sorted(requirement.extras)))
        installed = _installed(name)
        if installed is None:
            if name in requirements:
                found[name] = Library(name, "", f"{name}{requirements[name].specifier}")
            continue
        needed = _dependencies(installed, requirement.extras)
        version = Version(installed.version).public  # "2.13.0+cpu" is not available everywhere
        library = Library(name, version, f"{name}=={version}", licenses=_licenses(installed))
        found.setdefault(name, library).needs += [canonicalize_name(one.name) for one in needed]
        waiting += needed
    for name, library in found.items():
        if "" not in markers[name]:  # for one system alone, such as Windows
            library.line += " ; " + " or ".join(sorted(markers[name]))
        library.needs = sorted({other for other in library.needs if other in found})
        library.direct = name in direct
    return [found[name] for name in sorted(found)], unknown


def _project_requirements(root: Path) -> list[Requirement]:
    text = (root / "pyproject.toml").read_text(encoding="utf-8-sig")
    lines = tomllib.loads(text).get("project", {}).get("dependencies", [])
    return [Requirement(line) for line in lines]


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _dependencies(installed: Distribution, extras: set[str]) -> list[Requirement]:
    """What it needs on this system."""
    lines = [Requirement(line) for line in installed.requires or []]
    return [
        line
        for line in lines
        if line.marker is None
        or any(line.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    ]


def _marker(requirement: Requirement) -> str:
    """The systems on which it is needed, as an environment marker; "" for all, and for what an extra adds."""
    marker = str(requirement.marker or "")
    return "" if "extra" in marker else marker


def _licenses(installed: Distribution) -> list[str]:
    """As the library states them: an SPDX expression, or the names of classifiers."""
    metadata = installed.metadata
    if "License-Expression" in metadata:
        return [metadata["License-Expression"]]
    classifiers = metadata.get_all("Classifier") or []
    return [name.rsplit(" :: ")[-1] for name in classifiers if name.startswith("License :: ")]
