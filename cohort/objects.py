"""Read git objects through one `git cat-file`: commits, trees and blobs, each of a bounded size."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cohort import git
from cohort.errors import CohortError, RefusedError

LARGEST_TREE = 4 << 20
LARGEST_COMMIT = 1 << 20
LARGEST_BLOB = 8 << 20  # of a file that has to be merged or shown
FILE, EXECUTABLE, LINK, FOLDER = "100644", "100755", "120000", "40000"


def blob_id(content: bytes) -> str:
    """The name under which git keeps this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def alternates(*folders: Path) -> str:
    """GIT_ALTERNATE_OBJECT_DIRECTORIES: quoted, so that a ":" in a path does no harm."""
    quoted = [str(one).replace("\\", "\\\\").replace('"', '\\"') for one in folders]
    return git.os.pathsep.join(f'"{one}"' for one in quoted)


class Objects:
    """What is in an object store. Content is checked against its name, so no store can lie."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._trees: dict[str, dict[str, tuple[str, str]]] = {}

    def read(self, name: str, kind: str, largest: int) -> bytes:
        """The content of an object. Raises CohortError when it is missing, another kind or too large."""
        found = self._ask(f"info {name}")
        if found is None or found[1] != kind:
            raise CohortError(f"its repository lacks the {kind} {name[:12]}; run `git fsck` there.")
        if found[2] > largest:
            raise RefusedError(
                f"the {kind} {name[:12]} has {found[2]:,} bytes; allowed: {largest:,}."
            )
        if self._ask(f"contents {name}") is None:
            raise CohortError(f"its repository can't give the {kind} {name[:12]}; run `git fsck`.")
        assert self._process.stdout is not None
        content: bytes = self._process.stdout.read(found[2] + 1)[:-1]
        head = f"{kind} {len(content)}\0".encode()
        if hashlib.sha1(head + content, usedforsecurity=False).hexdigest() != name:
            raise RefusedError(f"the {kind} {name[:12]} is not what its name says.")
        return content

    def _ask(self, question: str) -> tuple[str, str, int] | None:
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
                "git ended while it read the repository; it may be damaged: `git fsck`."
            )
        return (answer[0], answer[1], int(answer[2])) if len(answer) == 3 else None

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
            for entry, (mode, object_name) in self.tree(name).items():
                if mode == FOLDER:
                    waiting.append((f"{at}{entry}/", object_name))
                else:
                    files[at + entry] = (mode, object_name)
            if len(files) + len(waiting) > most:
                raise RefusedError(f"it holds more than {most:,} files; cohort reads no more.")
        return files

    def size(self, name: str) -> int:
        """The size of an object in bytes; 0 when it is missing."""
        found = self._ask(f"info {name}")
        return found[2] if found else 0


def _entries(content: bytes) -> Iterator[tuple[str, tuple[str, str]]]:
    """The entries of a tree object: "mode name\\0" and twenty bytes each."""
    at = 0
    while at < len(content):
        end = content.find(b"\0", at)
        mode, space, name = content[at:end].partition(b" ")
        if end < 0 or not space or end + 21 > len(content):
            raise RefusedError("a tree of its repository is damaged; run `git fsck` there.")
        yield (
            name.decode("utf-8", "surrogateescape"),
            (mode.decode(), content[end + 1 : end + 21].hex()),
        )
        at = end + 21


@contextmanager
def reading(
    home: Path, git_dir: Path, *stores: Path, seconds: float = git.SECONDS
) -> Iterator[Objects]:
    """Open object stores for reading. After so many seconds git is ended, and reading fails."""
    env = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": alternates(*stores)} if stores else {}
    with git.start(home, "cat-file", "--batch-command", git_dir=git_dir, env=env) as process:
        timer = threading.Timer(seconds, process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield Objects(process)
        finally:
            timer.cancel()
