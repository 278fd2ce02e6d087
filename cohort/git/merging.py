"""Leave to git: merging the lines of two texts, and detecting renamed files.

git sees only small trees of ours, written for the purpose. Which file belongs to which is never left to a merge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cohort.git import process
from cohort.git.objects import FILE, LARGEST_BLOB, Objects
from cohort.git.writing import File, write_commit, write_files

MOST_COMPARED = 1_000  # git compares no more than this squared when it looks for renamed files


@dataclass(frozen=True)
class Place:
    """The place where git works: our own repository, and its objects."""

    home: Path
    scratch: Path
    objects: Objects


@dataclass(frozen=True)
class Three:
    """One text on three sides. `base` is None if both sides added it."""

    base: bytes | None
    ours: bytes
    theirs: bytes


@dataclass(frozen=True)
class Text:
    """A merged text. If it is not clean, it contains both sides with markers, or ours if it can't be merged."""

    content: bytes
    clean: bool


def merge_texts(place: Place, texts: Sequence[Three], ours: str, theirs: str) -> list[Text]:
    """Merge any number of texts with one `git merge-tree`; the markers have these names of the sides.

    git 2.38 has no `--merge-base`, so the sides are commits with a common parent.
    """
    if not texts:
        return []
    folder = place.scratch
    root = _commit(folder, {number: text.base for number, text in enumerate(texts)})
    sides = [
        _commit(folder, {number: text.ours for number, text in enumerate(texts)}, root),
        _commit(folder, {number: text.theirs for number, text in enumerate(texts)}, root),
    ]
    command = ("merge-tree", "--write-tree", "-z", "--name-only", *sides)
    printed = process.run(place.home, *command, git_dir=folder, codes=(0, 1))
    tree, *conflicted = printed.split(b"\0\0", 1)[0].decode().rstrip("\0").split("\0")
    merged = place.objects.tree(tree)
    labels = dict(zip(sides, (ours, theirs), strict=True))
    return [
        _text(place.objects.read(merged[name][1], "blob", LARGEST_BLOB), name in conflicted, labels)
        for name in map(str, range(len(texts)))
    ]


def _commit(folder: Path, texts: Mapping[int, bytes | None], *parents: str) -> str:
    files = [(str(name), File(FILE, text)) for name, text in texts.items() if text is not None]
    return write_commit(folder, write_files(folder, files), *parents)


def _text(content: bytes, conflicted: bool, labels: Mapping[str, str]) -> Text:
    """Replace the names of our commits in git's markers by the names of the sides."""
    if conflicted:
        for marker, (commit, label) in zip((b"<<<<<<< ", b">>>>>>> "), labels.items(), strict=True):
            content = content.replace(marker + commit.encode(), marker + label.encode())
    return Text(content, not conflicted)


def find_similar(place: Place, gone: Mapping[str, File], new: Mapping[str, File]) -> dict[str, str]:
    """Find new files that are removed ones, renamed and changed: old path to new path."""
    if not gone or not new:
        return {}
    trees = [write_files(place.scratch, files.items()) for files in (gone, new)]
    return _renamed(place.home, place.scratch, *trees)


@lru_cache(maxsize=64)  # a template's renames are mostly the same for the whole class
def _renamed(home: Path, scratch: Path, before: str, after: str) -> dict[str, str]:
    options = ("-r", "-z", "--name-status", "--diff-filter=R", "--no-rename-empty")
    limits = ("--find-renames=50%", f"-l{MOST_COMPARED}")
    printed = process.run(home, "diff-tree", *options, *limits, before, after, git_dir=scratch)
    fields = printed.decode("utf-8", "surrogateescape").split("\0")
    return dict(zip(fields[1::3], fields[2::3], strict=True))
