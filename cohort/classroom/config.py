"""class.toml, and the roster: one student per row."""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cohort import faults
from cohort.errors import CohortError
from cohort.git.references import BRANCH

FILE = "class.toml"
NAME = re.compile(r"(?!-)[\w.+@ -]{1,100}")
OWN_COLUMNS = ("student", "repository")


class Section(BaseModel):
    """A table of class.toml: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TemplateSection(Section):
    url: str
    releases: tuple[str, ...] = Field(min_length=1)
    also_known_as: tuple[str, ...] = ()

    @field_validator("releases")
    @classmethod
    def _plain(cls, releases: tuple[str, ...]) -> tuple[str, ...]:
        for release in releases:
            if not BRANCH.fullmatch(release) or "/" in release:
                raise ValueError(f"{release!r} is no name of a release, such as v1.2.0")
        return releases


class ClassSection(Section):
    roster: str = "class.csv"
    repositories: str = "students"
    remote: str = ""
    branch_prefix: str = "template/"
    cache: str = ".cohort"

    @field_validator("branch_prefix")
    @classmethod
    def _branch(cls, prefix: str) -> str:
        if not BRANCH.fullmatch(f"{prefix}v1"):
            raise ValueError(f"{prefix!r} can't begin the name of a branch; try template/")
        return prefix


class ForgeSection(Section):
    kind: Literal["none", "github", "gitlab"] = "none"
    file_remotes: bool = False


class AuditSection(Section):
    protected: tuple[str, ...] = (
        *("/.github/", "/.gitlab-ci.yml", "/.pre-commit-config.yaml", "/.secrets.baseline"),
        *("/src/capstone/", "/tests/capstone/"),
    )


class Settings(Section):
    template: TemplateSection
    class_: ClassSection = Field(default_factory=ClassSection, alias="class")
    forge: ForgeSection = ForgeSection()
    audit: AuditSection = AuditSection()


@dataclass(frozen=True, slots=True)
class Student:
    """A row of the roster."""

    name: str
    repository: str  # a path on this disk, or an address
    answers: dict[str, str] = field(default_factory=dict)

    @property
    def is_remote(self) -> bool:
        return is_address(self.repository)


class Class:
    """A folder with a class.toml."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self.cache = (folder / settings.class_.cache).resolve()
        self.home = self.cache / "home"

    def branch(self, release: str) -> str:
        return self.settings.class_.branch_prefix + release

    @cached_property
    def releases(self) -> tuple[str, ...]:
        """The allowed releases, oldest first."""
        return tuple(sorted(self.settings.template.releases, key=version))

    @cached_property
    def template_url(self) -> str:
        """The template's address; a relative path counts from class.toml."""
        url = self.settings.template.url
        return url if is_address(url) else str((self.folder / url).resolve())

    @cached_property
    def template_urls(self) -> tuple[str, ...]:
        """Every spelling of the template's address that an answers file may hold."""
        return (
            self.template_url,
            self.settings.template.url,
            *self.settings.template.also_known_as,
        )

    def students(self, only: Sequence[str] = ()) -> list[Student]:
        """The roster, or some of it, in its order."""
        path = self.folder / self.settings.class_.roster
        students, bad = read_roster(self, path)
        if bad:
            raise CohortError(f"{path.name}: {bad[0]}")
        known = {student.name for student in students}
        missing = [name for name in only if name not in known]
        if missing:
            raise CohortError(f"{path.name} has no student {missing[0]!r}; correct --only.")
        return [student for student in students if not only or student.name in only]


def version(name: str) -> Version:
    """A release's name as a version that can be compared."""
    try:
        return Version(name)
    except InvalidVersion:
        raise CohortError(f"The release {name!r} is no version, such as v1.2.0.") from None


def is_address(where: str) -> bool:
    """Is this an address of a server, rather than a path?"""
    return bool(re.match(r"[a-z][a-z0-9+.-]+://|[\w.-]+@[\w.-]+:|(gh|gl):|[\w.-]{2,}\.\w+:", where))


def load(folder: Path) -> Class:
    """The class of a folder. Raises CohortError with the key that is wrong."""
    path = folder / FILE
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        class_ = Class(folder.resolve(), Settings.model_validate(content))
    except FileNotFoundError:
        raise CohortError(f"{path} does not exist; run `cohort init` first.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CohortError(f"{path} can't be read: {error}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise CohortError(f"{path}: {key}: {first['msg']}.") from None
    faults.keep_log_in(class_.cache)
    return class_


def read_roster(class_: Class, path: Path) -> tuple[list[Student], list[str]]:
    """The students of a CSV file, and a sentence for each row that can't be used."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        raise CohortError(
            f"{path} does not exist; it needs a column student and a row each."
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise CohortError(f"{path} can't be read as CSV in UTF-8: {error}.") from None
    header = [name.strip() for name in rows[0]] if rows else []
    if "student" not in header or len(set(header)) != len(header):
        raise CohortError(f"{path}, line 1: one column must be called student, and none twice.")
    students: dict[str, Student] = {}
    bad = []
    for line, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            if len(row) != len(header):
                raise ValueError(f"{len(row)} cells, where the first line has {len(header)}")
            student = _student(class_, dict(zip(header, row, strict=True)))
            if students.setdefault(student.name.casefold(), student) is not student:
                raise ValueError(f"the student {student.name!r} is there twice")
        except ValueError as error:
            bad.append(f"line {line}: {error}.")
    return list(students.values()), bad


def _student(class_: Class, row: dict[str, str]) -> Student:
    name = row["student"].strip()
    if not NAME.fullmatch(name) or name.startswith(".") or name.endswith((".", " ", ".lock")):
        raise ValueError(f"{name!r} can't name a folder; use letters, digits, dots and hyphens")
    settings = class_.settings.class_
    where = row.get("repository", "").strip() or settings.remote.replace("{student}", name)
    if not where:
        where = f"{settings.repositories}/{name}"
    if where.startswith("-"):
        raise ValueError(f"{where!r} is no address")
    if not is_address(where):
        where = str((class_.folder / where).absolute())
    answers: dict[str, Any] = {key: value for key, value in row.items() if key not in OWN_COLUMNS}
    return Student(
        name=name, repository=where, answers={k: v for k, v in answers.items() if v != ""}
    )
