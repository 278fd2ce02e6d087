"""The three sides of an update: the old release, the new release, and the student's commit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from unicodedata import normalize

from cohort.errors import RefusedError
from cohort.git.objects import EXECUTABLE, FILE, FOLDER, LARGEST_BLOB, Objects
from cohort.git.writing import File
from cohort.template.rendering import Rendering

Entry = tuple[str, str]  # (mode, name of the blob)


class RenderedFiles(Mapping[str, File]):
    """Every file of a rendering, each rendered when it is first asked for."""

    def __init__(self, rendering: Rendering) -> None:
        self._rendering = rendering
        self._rendered: dict[str, File] = {}

    def __getitem__(self, path: str) -> File:
        if path not in self._rendered:
            mode = self._rendering.mode(path)
            self._rendered[path] = File(mode, self._rendering.content(path))
        return self._rendered[path]

    def __contains__(self, path: object) -> bool:
        return path in self._rendering.sources

    def __iter__(self) -> Iterator[str]:
        return iter(self._rendering.sources)

    def __len__(self) -> int:
        return len(self._rendering.sources)


class StudentFiles:
    """The files of a student's commit, each read when it is asked for."""

    def __init__(self, objects: Objects, tree: str) -> None:
        self._objects, self._tree = objects, tree

    def entry(self, path: str) -> Entry | None:
        """The file at a path; None when there is none. Raises RefusedError for a link."""
        entry = self._objects.find(self._tree, path)
        if entry is None or entry[0] == FOLDER:
            return None
        if entry[0] not in (FILE, EXECUTABLE):
            raise RefusedError(
                f"{path} is a link or a repository in the project; a plain file was expected."
            )
        return entry

    def load(self, path: str) -> File:
        """The file at a path where there is one."""
        mode, name = self._objects.find(self._tree, path) or ("", "")
        return File(mode, self._objects.read(name, "blob", LARGEST_BLOB))

    def size(self, path: str) -> int:
        return self._objects.size(self.all[path][1])

    @cached_property
    def all(self) -> dict[str, Entry]:
        """Everything that the commit holds, links too."""
        return self._objects.walk(self._tree)

    def in_the_way(self, path: str, leaving: Collection[str]) -> str | None:
        """The student's file, if any, that leaves no room for a new one at this path.

        It may have the very path, lie where a folder is needed or below the path, or have a name that
        Windows or macOS can't tell from it. `leaving`: the student's files that go anyway.
        """
        places = [("", self._tree)]
        for part in path.split("/"):
            folders = []
            for above, tree in places:
                for name, (mode, object_name) in self._objects.tree(tree).items():
                    if _alike(name) != _alike(part):
                        continue
                    if mode == FOLDER:
                        folders.append((f"{above}{name}/", object_name))
                    elif above + name not in leaving:
                        return above + name
            places = folders
        below = (file for above, tree in places for file in self._objects.walk(tree, under=above))
        return min((file for file in below if file not in leaving), default=None)


@lru_cache(maxsize=4_096)
def _alike(name: str) -> str:
    """The same for names that a file system may not tell apart."""
    return normalize("NFC", name).casefold()


@dataclass(frozen=True)
class Sides:
    """What is to be merged. `paths`: where the releases may differ, without what is the student's own."""

    paths: Sequence[str]
    base: Mapping[str, File]
    theirs: Mapping[str, File]
    ours: StudentFiles
    is_own: Callable[[str], bool]  # the student's own path, which no update changes
    release: str  # the name of the new one
