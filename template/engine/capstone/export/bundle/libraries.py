"""The libraries that a service needs, with the versions that are installed here, and what those need in turn."""

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

# uvicorn is quicker with these, and takes them by itself where they are installed: nothing imports them by name.
QUICKER = ("httptools", "uvloop")


@dataclass
class Library:
    """One library.

    version  "" where it is not installed here, but would be on another system
    line     its line in requirements.txt
    needs    the names of the libraries that it needs
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
    asked: dict[str, Requirement] = {
        canonicalize_name(line.name): line for line in _project_lines(root)
    }
    names: set[str] = {
        canonicalize_name(provided[name][0]) for name in imported if name in provided
    }
    names |= set(QUICKER) & set(asked)
    found: dict[str, Library] = {}
    conditions: dict[str, set[str]] = {}
    waiting: list[tuple[str, set[str], str]] = [
        (name, asked[name].extras, _condition(asked[name])) if name in asked else (name, set(), "")
        for name in sorted(names)
    ]
    seen = set()
    while waiting:
        name, extras, condition = waiting.pop()
        conditions.setdefault(name, set()).add(condition)
        if (name, *sorted(extras)) in seen:
            continue
        seen.add((name, *sorted(extras)))
        about = _installed(name)
        if about is None:
            if name in asked:
                found[name] = Library(name, "", f"{name}{asked[name].specifier}")
            continue
        needed = _needs(about, extras)
        version = Version(about.version).public  # "2.13.0+cpu" is not to be had everywhere
        library = Library(name, version, f"{name}=={version}", licenses=_licenses(about))
        found.setdefault(name, library).needs += [canonicalize_name(one.name) for one in needed]
        waiting += [(canonicalize_name(one.name), one.extras, _condition(one)) for one in needed]
    for name, library in found.items():
        if "" not in conditions[name]:  # for one system alone, such as Windows
            library.line += " ; " + " or ".join(sorted(conditions[name]))
        library.needs = sorted({one for one in library.needs if one in found})
        library.direct = name in names
    return [found[name] for name in sorted(found)], unknown


def _project_lines(root: Path) -> list[Requirement]:
    text = (root / "pyproject.toml").read_text(encoding="utf-8-sig")
    lines = tomllib.loads(text).get("project", {}).get("dependencies", [])
    return [Requirement(line) for line in lines]


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _needs(about: Distribution, extras: set[str]) -> list[Requirement]:
    """What it needs on this system."""
    lines = [Requirement(line) for line in about.requires or []]
    return [
        line
        for line in lines
        if line.marker is None
        or any(line.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    ]


def _condition(line: Requirement) -> str:
    """On which systems it is needed; "" for all. What an extra brings was asked for."""
    marker = str(line.marker or "")
    return "" if "extra" in marker else marker


def _licenses(about: Distribution) -> list[str]:
    """As the library states them: an SPDX expression, or the names of classifiers."""
    if "License-Expression" in about.metadata:
        return [about.metadata["License-Expression"]]
    kinds = about.metadata.get_all("Classifier") or []
    return [kind.rsplit(" :: ")[-1] for kind in kinds if kind.startswith("License :: ")]
