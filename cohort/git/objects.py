"""Read git objects: commits, trees and blobs, each of a bounded size and checked against its name.

What git keeps as a file of its own (a "loose" object, as each new commit is) is read here. The rest is in packs: one
`git cat-file` reads those, and is started only when it is needed.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from cohort.errors import CohortError, RefusedError
from cohort.git import process
from cohort.git.references import plain_size

LARGEST_TREE = 4 << 20
LARGEST_COMMIT = 1 << 20
LARGEST_BLOB = 8 << 20  # of a file that has to be merged or shown
LARGEST_LOOSE = 1 << 20  # bytes on disk; what is larger is left to git
FILE, EXECUTABLE, LINK, FOLDER, SUBMODULE = "100644", "100755", "120000", "40000", "160000"
NAME = re.compile(r"[0-9a-f]{40}")
MODE = re.compile(rb"[0-7]{5,6}")
LONGEST_PATH = 4096  # characters
LOOSE_HEAD = re.compile(rb"(commit|tree|blob|tag) (\d{1,12})\0")


def blob_id(content: bytes) -> str:
    """The name under which git keeps this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def alternates(*folders: Path) -> str:
    """GIT_ALTERNATE_OBJECT_DIRECTORIES: quoted, so that a ":" in a path does no harm."""
    quoted = [str(one).replace("\\", "\\\\").replace('"', '\\"') for one in folders]
    return os.pathsep.join(f'"{one}"' for one in quoted)


class Loose(NamedTuple):
    """A loose object of which only the beginning has been unpacked: no file can fill the memory."""

    kind: str
    size: int  # as its head says
    begun: bytes
    unpacking: zlib._Decompress

    def content(self) -> bytes | None:
        """All of it, or None when it is not what its head says."""
        try:
            rest = self.unpacking.decompress(
                self.unpacking.unconsumed_tail, max(1, self.size - len(self.begun) + 1)
            )
        except zlib.error:
            return None
        content = self.begun + rest
        return content if self.unpacking.eof and len(content) == self.size else None


def open_loose(store: str, name: str) -> Loose | None:
    """A loose object, or None when there is none that can be read here. Follows no link."""
    path = f"{store}/{name[:2]}/{name[2:]}"
    if os.path.islink(os.path.dirname(path)):
        raise RefusedError(
            f"{os.path.dirname(path)} is a symbolic link, which cohort does not follow."
        )
    size = plain_size(path)
    if size is None or size > LARGEST_LOOSE:
        return None
    with open(path, "rb") as file:
        packed = file.read(LARGEST_LOOSE)
    unpacking = zlib.decompressobj()
    try:
        begun = unpacking.decompress(packed, 4096)
    except zlib.error:
        return None
    head = LOOSE_HEAD.match(begun)
    return head and Loose(head[1].decode(), int(head[2]), begun[head.end() :], unpacking)


class Packed:
    """One `git cat-file` that reads what is in packs. It is started by the first question."""

    def __init__(self, home: Path, git_dir: Path, stores: Sequence[Path], seconds: float) -> None:
        self._home, self._git_dir, self._stores, self._seconds = home, git_dir, stores, seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = False  # is an answer on its way that nobody has taken?
        self._stack = ExitStack()

    def _start(self) -> subprocess.Popen[bytes]:
        env = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": alternates(*self._stores)}
        words = ("cat-file", "--batch-command")
        started = process.start(
            self._home, *words, git_dir=self._git_dir, env=env if self._stores else {}
        )
        cat_file = self._stack.enter_context(started)
        timer = threading.Timer(self._seconds, cat_file.kill)
        timer.daemon = True
        timer.start()
        self._stack.callback(timer.cancel)
        return cat_file

    def close(self) -> None:
        """End it. The next question starts another."""
        self._process, self._asked = None, False
        self._stack.close()

    def ask(self, question: str) -> tuple[str, str, int] | None:
        """What `info` or `contents` of a name answers first: name, kind and size."""
        if (
            self._asked
        ):  # the work was ended in the middle: that answer is not the one to this question
            self.close()
        self._process, self._asked = self._process or self._start(), True
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None and pipe_out is not None
        try:
            pipe_in.write(question.encode() + b"\n")
            pipe_in.flush()
            answer = pipe_out.readline().decode().split()
        except OSError:
            answer = []
        if not answer:
            raise CohortError(
                "git stopped while reading the repository; it may be damaged: run `git fsck`."
            )
        whole = len(answer) == 3 and answer[2].isdecimal()
        self._asked = whole and question.startswith("contents ")
        return (answer[0], answer[1], int(answer[2])) if whole else None

    def take(self, size: int) -> bytes:
        """The content that follows the answer to `contents`."""
        assert self._process is not None and self._process.stdout is not None
        content = self._process.stdout.read(size + 1)[:-1]
        self._asked = False
        return content


class Objects:
    """What is in an object store. Content is checked against its name, so no store can lie."""

    def __init__(self, stores: Sequence[Path], packed: Packed) -> None:
        self._stores, self._packed = [str(store) for store in stores], packed
        self._trees: dict[str, dict[str, tuple[str, str]]] = {}

    def read(self, name: str, kind: str, largest: int) -> bytes:
        """The content of an object. Raises CohortError when it is missing, another kind or too large."""
        if not NAME.fullmatch(name):
            raise CohortError(
                f"a commit of its repository is damaged ({name[:60]!r}); run `git fsck` there."
            )
        loose = self._loose(name)
        if loose is not None:
            _check(name, kind, largest, loose.kind, loose.size)
            content = loose.content()
            if content is not None and _name(kind, content) == name:
                return content
        # In a pack, or damaged: git has the last word.
        found = self._packed.ask(f"info {name}")
        if found is None:
            raise CohortError(f"its repository lacks the {kind} {name[:12]}; run `git fsck` there.")
        _check(name, kind, largest, found[1], found[2])
        if self._packed.ask(f"contents {name}") != found:
            raise CohortError(f"its repository can't give the {kind} {name[:12]}; run `git fsck`.")
        content = self._packed.take(found[2])
        if _name(kind, content) != name:
            raise RefusedError(f"the {kind} {name[:12]} does not match its hash.")
        return content

    def _loose(self, name: str) -> Loose | None:
        found = (open_loose(store, name) for store in self._stores)
        return next((loose for loose in found if loose is not None), None)

    def commit_tree(self, commit: str) -> str:
        """The name of a commit's tree."""
        first = self.read(commit, "commit", LARGEST_COMMIT).split(b"\n", 1)[0]
        return first.removeprefix(b"tree ").decode("ascii", "replace")

    def tree(self, name: str) -> dict[str, tuple[str, str]]:
        """The entries of a tree: file name to (mode, object's name)."""
        if name not in self._trees:
            self._trees[name] = dict(_entries(self.read(name, "tree", LARGEST_TREE)))
        return self._trees[name]

    def find(self, tree: str, path: str) -> tuple[str, str] | None:
        """The (mode, name) of what lies at a path, or None. A link or a file on the way ends the search."""
        *folders, last = path.split("/")
        for folder in folders:
            mode, name = self.tree(tree).get(folder, ("", ""))
            if mode != FOLDER:
                return None
            tree = name
        return self.tree(tree).get(last)

    def walk(self, tree: str, most: int = 20_000, under: str = "") -> dict[str, tuple[str, str]]:
        """Every file of a tree: path to (mode, name)."""
        files: dict[str, tuple[str, str]] = {}
        waiting = [(under, tree)]
        while waiting:
            at, name = waiting.pop()
            if len(at) > LONGEST_PATH:
                raise RefusedError(f"it has a folder whose path is longer than {LONGEST_PATH:,}.")
            for entry, (mode, object_name) in self.tree(name).items():
                if mode == FOLDER:
                    waiting.append((f"{at}{entry}/", object_name))
                else:
                    files[at + entry] = (mode, object_name)
            if len(files) + len(waiting) > most:
                raise RefusedError(f"it holds more than {most:,} files; cohort stops there.")
        return files

    def size(self, name: str) -> int:
        """The size of an object in bytes, as its store says; 0 when it is missing."""
        loose = self._loose(name)
        if loose is not None:
            return loose.size
        found = self._packed.ask(f"info {name}")
        return found[2] if found else 0


def _name(kind: str, content: bytes) -> str:
    head = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def _check(name: str, kind: str, largest: int, is_kind: str, size: int) -> None:
    """What a store says of an object before its content is read."""
    if is_kind != kind:
        raise CohortError(f"its repository lacks the {kind} {name[:12]}; run `git fsck` there.")
    if size > largest:
        raise RefusedError(f"the {kind} {name[:12]} has {size:,} bytes; allowed: {largest:,}.")


def _entries(content: bytes) -> Iterator[tuple[str, tuple[str, str]]]:
    """The entries of a tree object: "mode name\\0" and twenty bytes each."""
    at = 0
    while at < len(content):
        end = content.find(b"\0", at)
        mode, _, name = content[at:end].partition(b" ")
        whole = end >= 0 and end + 21 <= len(content)
        if not whole or not MODE.fullmatch(mode) or not name or b"/" in name:
            raise RefusedError("a tree of its repository is damaged; run `git fsck` there.")
        yield (
            name.decode("utf-8", "surrogateescape"),
            (mode.decode("ascii"), content[end + 1 : end + 21].hex()),
        )
        at = end + 21


@contextmanager
def reading(
    home: Path, git_dir: Path, *stores: Path, seconds: float = process.SECONDS
) -> Iterator[Objects]:
    """Open object stores for reading. After so many seconds git is ended, and reading fails."""
    packed = Packed(home, git_dir, stores, seconds)
    try:
        yield Objects([git_dir / "objects", *stores], packed)
    finally:
        packed.close()
