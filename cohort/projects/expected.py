"""The files that a project should have, and the places where nothing else should be.

A student can edit everything in a project, its answers file too. So what is expected at protected places comes from the
roster and from the commit that cohort made, not from the answers as they are now.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from unicodedata import normalize

from pathspec import PathSpec

from cohort.classroom.roster import Student
from cohort.git.comparing import Entry
from cohort.projects.create import render
from cohort.projects.past import Past
from cohort.projects.workbench import Workbench
from cohort.template.answers import FILE, release_of
from cohort.template.rendering import Answers, Rendering

# Where Python looks for modules, beside the engine's own folder: a module and a package of the first level there.
SEARCHED = ("", "src/")
MODULE = re.compile(r"(?P<module>\w+)(\.[\w-]+)*\.(py|pyc|pyd|so)|(?P<package>\w+)/__init__\.\w+")
IMPORT = re.compile(rb"^[ \t]*(?:import|from)[ \t]+(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """Something that is not as the template made it. What counts is for a person to look at."""

    path: str
    kind: str
    what: str
    counts: bool


class Expected:
    """What a project should hold. `last`: the answers as they are in the project now."""

    def __init__(
        self, bench: Workbench, student: Student, last: Mapping[str, object], past: Past
    ) -> None:
        release = bench.releases.get(release_of(last))
        self.past, self.settings = past, bench.class_.settings.audit.settings
        self._protected = bench.class_.settings.audit.protected
        self._roster = student.answers(release.shared.questions_data)
        self.made = render(bench, student, release, past.answers, "update")
        self._last = {name: value for name, value in last.items() if name[:1] != "_"}
        self._trusted = self.made.remembered
        # What is not protected follows the answers as they are now.
        same = self._last == self._trusted
        self._now = (
            self.made if same else Rendering(release, bench.class_.template_url, Answers(last))
        )

    @cached_property
    def files(self) -> dict[str, Entry]:
        """Every file that is the template's."""
        others = {p: entry for p, entry in _ours(self._now).items() if not self.is_protected(p)}
        return self._protected_files(self.made) | others

    def _protected_files(self, rendering: Rendering) -> dict[str, Entry]:
        return {p: entry for p, entry in _ours(rendering).items() if self.is_protected(p)}

    def is_protected(self, path: str) -> bool:
        return _matches(self._protected, path)

    def is_in_the_way(self, path: str) -> bool:
        """May an added file take the place of ours, or steer it?"""
        if self.made.is_students(path) or self.made.is_left_out(path):
            return False
        return self.is_protected(path) or _module_of(path) in self._modules

    @cached_property
    def _modules(self) -> frozenset[str]:
        """The modules that protected code imports, the engine itself among them."""
        protected = (
            path for path in self.files if path.endswith(".py") and self.is_protected(path)
        )
        sources = tuple(self.made.sources[path] for path in protected)
        return _imported(self.made.release.folder, sources)

    def answers(self) -> Iterator[Finding]:
        """What was edited in the answers file. It counts if it goes back, or changes what is protected."""
        if self.past.newest != self.made.release.name:
            what = (
                f"the project is on {self.made.release.name}, but was on {self.past.newest} before"
            )
            yield Finding(FILE, "changed", what, counts=True)
        if self._now is not self.made:
            counts = self._protected_files(self._now) != self._protected_files(self.made)
            yield Finding(FILE, "changed", ", ".join(self._edited()), counts)

    def _edited(self) -> Iterator[str]:
        for name in sorted(self._last.keys() | self._trusted.keys()):
            now, trusted = self._last.get(name), self._trusted.get(name)
            if now != trusted:
                source = "the roster has" if name in self._roster else "it was created with"
                is_now = f"is {now!r:.60}" if name in self._last else "is missing"
                yield f"{name} {is_now}; {source} {trusted!r:.60}"


def _ours(rendering: Rendering) -> dict[str, Entry]:
    """The files of a rendering that are not the student's own."""
    return {
        path: rendering.entry(path)
        for path in rendering.sources
        if path != FILE and not rendering.is_students(path)
    }


@lru_cache(maxsize=8_192)
def _matches(patterns: tuple[str, ...], path: str) -> bool:
    """Upper and lower case are one: on many disks they name the same file."""
    return bool(_spec(patterns).match_file(_fold(path)))


@lru_cache(maxsize=4)
def _spec(patterns: tuple[str, ...]) -> PathSpec:
    return PathSpec.from_lines("gitignore", map(_fold, patterns))


def _fold(path: str) -> str:
    return normalize("NFC", path).casefold()


def _module_of(path: str) -> str | None:
    """The module that Python finds in a file, if it looks there at all."""
    for folder in SEARCHED:
        if path.startswith(folder) and (found := MODULE.fullmatch(path.removeprefix(folder))):
            return found["module"] or found["package"]
    return None


@lru_cache(maxsize=16)
def _imported(folder: Path, sources: tuple[str, ...]) -> frozenset[str]:
    """The names at the first level of all modules that files of a release import."""
    names = (IMPORT.findall((folder / source).read_bytes()) for source in sources)
    return frozenset(name.decode("utf-8", "replace") for some in names for name in some)
