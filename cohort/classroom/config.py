"""class.toml: the template, its allowed releases, and where the repositories are."""

from __future__ import annotations

import re
import shlex
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Literal

from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cohort import faults
from cohort.errors import CohortError
from cohort.git.references import BRANCH

FILE = "class.toml"


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
                raise ValueError(f"{release!r} is not the name of a release, such as v1.2.0")
        return releases


class ClassSection(Section):
    roster: str = "class.csv"
    repositories: str = "students"
    remote: str = ""
    branch_prefix: str = "template/"
    cache: str = ".cohort"

    @field_validator("remote")
    @classmethod
    def _address(cls, remote: str) -> str:
        if remote.startswith("-"):
            raise ValueError(f"{remote!r} is not an address")
        return remote

    @field_validator("branch_prefix")
    @classmethod
    def _branch(cls, prefix: str) -> str:
        if not BRANCH.fullmatch(f"{prefix}v1"):
            raise ValueError(f"{prefix!r} can't begin the name of a branch; try template/")
        return prefix


class ForgeSection(Section):
    kind: Literal["none", "github", "gitlab"] = "none"
    api: str = ""  # where its REST API is, if not at the repositories' host
    file_remotes: bool = False

    @field_validator("api")
    @classmethod
    def _https(cls, api: str) -> str:
        if api and not re.fullmatch(r"https://[^/@\s]+(/\S*)?", api):
            raise ValueError(f"{api!r} is not an address such as https://git.example.edu/api/v4")
        return api.rstrip("/")


class AuditSection(Section):
    """Where everything has to be as the template made it, and nothing may be added."""

    protected: tuple[str, ...] = (
        *("/.github/", "/.gitlab-ci.yml", "/.pre-commit-config.yaml", "/.secrets.baseline"),
        *("/engine/", "/src/capstone/", "/tests/capstone/"),  # the engine, in both layouts
        *("/.gitattributes", "/src/.gitattributes", "/tests/.gitattributes"),
        # What pytest and Python read before anything of the engine's.
        *("/pytest.ini", "/.pytest.ini", "/pytest.toml", "/.pytest.toml"),
        *("/conftest.py", "/src/conftest.py", "/*.pth", "/src/*.pth"),
        *("/sitecustomize*", "/usercustomize*", "/src/sitecustomize*", "/src/usercustomize*"),
        *("/hatch.toml", "/uv.toml"),  # these go before pyproject.toml
    )
    settings: dict[str, tuple[str, ...]] = {  # per file, the tables that steer the engine
        "pyproject.toml": (
            *("build-system", "project.scripts.capstone", "project.entry-points"),
            *("tool.capstone", "tool.hatch", "tool.pytest", "tool.uv"),
        )
    }


class Settings(Section):
    template: TemplateSection
    class_: ClassSection = Field(default_factory=ClassSection, alias="class")
    forge: ForgeSection = ForgeSection()
    audit: AuditSection = AuditSection()


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

    @property
    def branches(self) -> list[str]:
        """The branches of all updates, oldest release first."""
        return [self.branch(release) for release in self.releases]

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


def version(name: str) -> Version:
    """A release's name as a version that can be compared."""
    try:
        return Version(name)
    except InvalidVersion:
        raise CohortError(f"The release {name!r} is not a version such as v1.2.0.") from None


def is_address(where: str) -> bool:
    """Is this an address of a server, rather than a path?"""
    return bool(re.match(r"[a-z][a-z0-9+.-]+://|[\w.-]+@[\w.-]+:|(gh|gl):|[\w.-]{2,}\.\w+:", where))


def get_tags(url: str) -> str:
    """What to do about a template without its releases' tags: the end of a sentence."""
    own = "tag a release there: `git tag v1.0.0`"
    if is_address(url):
        return f"{own} and `git push --tags`."
    return f"in a clone, get them with `git -C {shlex.quote(url)} fetch --tags`; in your own template, {own}."


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
