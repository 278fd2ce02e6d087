"""Compare the tree of a commit with the files that should be in it, reading only what differs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cohort.git.objects import EXECUTABLE, FOLDER, LINK, SUBMODULE, Objects
from cohort.git.writing import tree_content

Entry = tuple[str, str]  # mode, and the object's name
KINDS = {FOLDER: "a folder", LINK: "a symbolic link", SUBMODULE: "a submodule"}


@dataclass(frozen=True)
class Folder:
    """A folder as it should be, with the name that git gives it: equal names, equal content."""

    name: str
    entries: Mapping[str, Folder | Entry]

    def files(self, under: str = "") -> Iterator[tuple[str, Entry]]:
        """Every file below, with its path."""
        for name, entry in self.entries.items():
            if isinstance(entry, Folder):
                yield from entry.files(f"{under}{name}/")
            else:
                yield under + name, entry


@dataclass(frozen=True)
class Difference:
    """What is otherwise at a path. The path of a folder ends with a slash."""

    path: str
    expected: Folder | Entry | None
    found: Entry | None

    @property
    def kind(self) -> str:
        if self.expected is None:
            return "added"
        if self.found is None:
            return "deleted"
        if isinstance(self.expected, Folder) or self.found[0] in KINDS:
            return f"replaced by {KINDS.get(self.found[0], 'a file')}"
        if self.found[1] != self.expected[1]:
            return "changed"
        return "made executable" if self.found[0] == EXECUTABLE else "given a different mode"


def folder_of(files: Mapping[str, Entry]) -> Folder:
    """The folder that holds these files."""
    entries: dict[str, Folder | Entry] = {}
    below: dict[str, dict[str, Entry]] = {}
    for path, entry in files.items():
        first, slash, rest = path.partition("/")
        if slash:
            below.setdefault(first, {})[rest] = entry
        else:
            entries[first] = entry
    entries |= {name: folder_of(inner) for name, inner in below.items()}
    content = tree_content(
        {
            name: (FOLDER, entry.name) if isinstance(entry, Folder) else entry
            for name, entry in entries.items()
        }
    )
    whole = b"tree %d\0" % len(content) + content
    return Folder(hashlib.sha1(whole, usedforsecurity=False).hexdigest(), entries)


def compare(expected: Folder, tree: str, objects: Objects, under: str = "") -> Iterator[Difference]:
    """Where a tree is not as expected. A folder that is as it should be is not read."""
    if tree == expected.name:
        return
    actual = objects.tree(tree)
    for name in sorted(expected.entries.keys() | actual.keys()):
        wanted, found = expected.entries.get(name), actual.get(name)
        if isinstance(wanted, Folder) and found is not None and found[0] == FOLDER:
            yield from compare(wanted, found[1], objects, f"{under}{name}/")
        elif isinstance(wanted, Folder) or wanted != found:
            is_folder = isinstance(wanted, Folder) or (
                wanted is None and found is not None and found[0] == FOLDER
            )
            yield Difference(f"{under}{name}{'/' * is_folder}", wanted, found)
