"""The options of the commands, as `cohort.cli` passes them on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The options of every command: the class, some of its students, a release, and the output format."""

    folder: Path
    only: tuple[str, ...] = ()
    to: str = ""
    json: bool = False
    jobs: int = 0


@dataclass(frozen=True)
class CreateOptions(Options):
    roster: Path | None = None
    bare: bool = False


@dataclass(frozen=True)
class PlanOptions(Options):
    part: str = ""
    engine: str = "git"
    html: Path | None = None


@dataclass(frozen=True)
class UpdateOptions(Options):
    part: str = ""
    engine: str = "git"
    canary: int = 0
    push: bool = False
    resume: bool = False
    markers: bool = False


@dataclass(frozen=True)
class ReportOptions(Options):
    html: Path = Path("class.html")
    checks: Path | None = None
