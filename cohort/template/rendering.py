"""Render one project from one release in memory, with copier's own questions and Jinja.

copier is pinned exactly, for its inner parts are used here: a Worker is told its template, its answers and its
environment instead of finding them, and is asked for paths and files instead of writing them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Literal
from unicodedata import normalize

from copier._main import Worker, _operation, _pathspec_pattern
from copier._settings import SettingsModel
from copier._subproject import Subproject
from copier._types import Phase
from copier._user_data import DEFAULT_DATA, AnswersMap
from pathspec import PathSpec

from cohort.errors import CohortError, RefusedError
from cohort.git.comparing import folder_of
from cohort.git.objects import EXECUTABLE, blob_id
from cohort.git.objects import FILE as PLAIN
from cohort.template.answers import FILE
from cohort.template.releases import Release

LINE_END = re.compile(r"\r\n|\r|\n")


@lru_cache(maxsize=16)
def _spec(patterns: tuple[str, ...]) -> PathSpec:
    return PathSpec.from_lines(_pathspec_pattern, (normalize("NFD", one) for one in patterns))


@lru_cache(maxsize=1_024)  # a project or two: another has another package, so other patterns
def _matches(patterns: tuple[str, ...], path: str) -> bool:
    return bool(_spec(patterns).match_file(path))


@lru_cache(maxsize=64)  # such folders are the same in all projects
def _folder_name(name: str, files: tuple[tuple[str, str, str], ...]) -> str:
    """The name that git gives the folder of these files: path, mode and blob."""
    return folder_of(
        {path.removeprefix(f"{name}/"): (mode, blob) for path, mode, blob in files}
    ).name


class Memory(Worker):
    """copier's Worker, reading and writing nothing. Texts without Jinja are taken as they are."""

    def _render_context(self) -> dict[str, object]:
        """As copier's; what does not change from one question to the next is made once."""
        if "_fixed" not in self.__dict__:
            context = super()._render_context()
            mine = ("_copier_conf", "_folder_name", "_copier_python")
            self.__dict__["_fixed"] = {name: context[name] for name in mine}
        combined = _combined(self.answers)
        remembered = self._remembered(combined)
        fixed = self.__dict__["_fixed"]
        return {
            **combined,
            **fixed,
            "_copier_answers": remembered,
            "_copier_phase": Phase.current(),
        }

    def _remembered(self, combined: dict[str, object]) -> dict[str, object]:
        """As copier's `_answers_to_remember`."""
        questions = self.template.questions_data
        secret, hidden = self.template.secret_questions, self.answers.hidden
        plain = {
            name: value
            for name, value in combined.items()
            if name in questions and name not in hidden and name not in secret and name[:1] != "_"
        }
        return {"_commit": self.template.commit, "_src_path": self.template.url, **plain}

    def _render_string(self, string: str, extra_context: Mapping[str, object] | None = None) -> str:
        if "{" not in string:
            return string
        context = self.__dict__.get("_settled") or self._render_context()
        rendered: str = self.jinja_env.from_string(string).render(
            **context, **(extra_context or {})
        )
        return rendered


def _combined(answers: AnswersMap) -> dict[str, object]:
    """As copier's `AnswersMap.combined`, without its chain of mappings, which is slow to read."""
    return {
        **DEFAULT_DATA,
        "_external_data": answers.external,
        **answers.user_defaults,
        **answers.last,
        **answers.metadata,
        **answers.init,
        **answers.user,
    }


@dataclass(frozen=True)
class Answers:
    """What a project answers.

    `last`: earlier answers, dropped where they don't fit; `given`: answers that must fit; `same_as`: where the same
    questions were answered before.
    """

    last: Mapping[str, object] = field(default_factory=dict)
    given: Mapping[str, object] = field(default_factory=dict)
    same_as: Rendering | None = None


class Rendering:
    """What one release makes of one project's answers."""

    def __init__(
        self,
        release: Release,
        url: str,
        answers: Answers,
        operation: Literal["copy", "update"] = "update",
        exclude: tuple[str, ...] = (),
    ) -> None:
        self.release, self.operation = release, operation
        self.worker = Memory(
            src_path=url,
            dst_path=Path("project"),
            data=dict(answers.given),
            settings=SettingsModel(),  # not the instructor's own defaults
            exclude=exclude,
            defaults=True,
            quiet=True,
        )
        project = Subproject(local_abspath=Path("/project"))
        project.__dict__["last_answers"] = dict(answers.last)
        self.worker.__dict__.update(
            template=release.template(url), jinja_env=release.environment, subproject=project
        )
        token = _operation.set(operation)
        try:
            with Phase.use(Phase.PROMPT):
                if answers.same_as is None:
                    self.worker._ask()
                else:
                    self.worker.answers = replace(answers.same_as.worker.answers)
                    self.worker.answers.hidden = answers.same_as.worker.answers.hidden
                    self.worker.answers.metadata = self.worker.template.metadata
            with Phase.use(Phase.RENDER):
                self.worker.__dict__["_settled"] = self.worker._render_context()
                self.sources = self._sources()
        except CohortError:
            raise
        except Exception as error:
            raise CohortError(
                f"an answer does not fit the release {release.name}: {error}"
            ) from None
        finally:
            _operation.reset(token)

    @property
    def answers(self) -> dict[str, object]:
        """Every answer, computed ones too, without where the template came from."""
        combined = _combined(self.worker.answers)
        return {name: value for name, value in combined.items() if name[:1] != "_"}

    @property
    def remembered(self) -> dict[str, object]:
        """The answers that the answers file will hold, without where the template came from."""
        combined = _combined(self.worker.answers)
        return {k: v for k, v in self.worker._remembered(combined).items() if k[:1] != "_"}

    def is_students(self, path: str) -> bool:
        """Is this path the student's own (`_skip_if_exists` in copier.yml)?"""
        return _matches(self._skipped, normalize("NFD", path))

    def content(self, path: str) -> bytes:
        """The bytes of one file."""
        source = self.sources[path]
        if not source.endswith(self.release.shared.templates_suffix):
            return self.release.content(source)
        try:
            template = self.release.environment.get_template(source)
            text: str = template.render(**self.worker.__dict__["_settled"])
        except Exception as error:
            raise CohortError(
                f"{source} of {self.release.name} can't be rendered: {error}"
            ) from None
        return text.encode()

    def mode(self, path: str) -> str:
        return EXECUTABLE if self.release.files[self.sources[path]][0] == EXECUTABLE else PLAIN

    def entry(self, path: str) -> tuple[str, str]:
        """The mode of one file and the name of its blob; what has no Jinja is not read again."""
        source = self.sources[path]
        if source.endswith(self.release.shared.templates_suffix):
            return self.mode(path), blob_id(self.content(path))
        return self.mode(path), self.release.files[source][1]

    def is_left_out(self, path: str) -> bool:
        """Does copier write this file into a new project, and leave it alone in an update?"""
        new, updated = (
            _matches(self._exclusions(operation), normalize("NFD", path))
            for operation in ("copy", "update")
        )
        return updated and not new

    def plain_folder(self, name: str) -> str | None:
        """The name that git gives a folder of the first level; None when answers or the student shape it."""
        paths = tuple(path for path in self.sources if path.startswith(f"{name}/"))
        if any(self.is_students(path) or self._is_rendered(path) for path in paths):
            return None
        blobs = (self.release.files[self.sources[path]][1] for path in paths)
        modes = map(self.mode, paths)
        return _folder_name(name, tuple(zip(paths, modes, blobs, strict=True)))

    def _is_rendered(self, path: str) -> bool:
        return self.sources[path].endswith(self.release.shared.templates_suffix)

    def same_bytes(self, other: Rendering, path: str) -> bool:
        """Is it certain, without rendering, that both give the same file here?"""
        mine, theirs = self.sources[path], other.sources[path]
        if self.release.files[mine] != other.release.files[theirs]:
            return False
        if not mine.endswith(self.release.shared.templates_suffix):
            return True
        same_includes = self.release.includes == other.release.includes
        return path != FILE and same_includes and self.answers == other.answers

    def _exclusions(self, operation: str) -> tuple[str, ...]:
        """The patterns of what is not written."""
        context = {"_copier_operation": operation}
        texts = (self.worker._render_string(text, context) for text in self.worker.all_exclusions)
        return tuple(line for text in texts for line in LINE_END.split(text))

    def _sources(self) -> dict[str, str]:
        """Every file of the project: its path, and the template's file that it is made from."""
        excluded = self._exclusions(self.operation)
        self._skipped = tuple(map(self.worker._render_string, self.worker.all_skip_if_exists))
        below = self.release.shared.subdirectory
        sources: dict[str, str] = {}
        for source, relative, fixed in _template_files(self.release, below):
            if fixed is not None:
                rendered = [fixed]
            else:
                found = self.worker._render_path(Path(relative))
                rendered = [path.as_posix() for path, _ in found]
            for path in rendered:
                _check_path(path, source)
                if not _matches(excluded, normalize("NFD", path)):
                    sources[path] = source
        return sources


def _check_path(path: str, source: str) -> None:
    """Refuse a path that leaves the project, or that git keeps for itself."""
    parts = PurePosixPath(path).parts
    bad = not parts or path.startswith("/") or "\\" in path or ":" in path
    if bad or any(part in ("..", ".") or part.lower().rstrip(". ") == ".git" for part in parts):
        raise RefusedError(f"The template's file {source} would be written to {path!r}.")
    if any(ord(letter) < 32 for letter in path):
        raise RefusedError(f"The template's file {source} gets a name with control characters.")


def _template_files(release: Release, below: str) -> list[tuple[str, str, str | None]]:
    """Each file below the subdirectory: its path, the same without that, and its fixed place if any."""
    if not release.places:
        suffix = release.shared.templates_suffix
        for source in sorted(release.files):
            relative = source.removeprefix(f"{below}/") if below else source
            if (below and relative == source) or f"{source}{suffix}" in release.files:
                continue
            if "{% yield" in relative or "{%- yield" in relative:
                raise RefusedError(
                    f"The template's path {source} uses yield, which cohort does not support."
                )
            plain = relative.removesuffix(suffix)
            fixed = None if "{" in relative else plain
            release.places.append((source, relative, fixed))
    return release.places
