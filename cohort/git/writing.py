"""Write objects: into a student's store with one `git fast-import`, into our own scratch as loose files."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cohort.git import process
from cohort.git.objects import FOLDER, alternates
from cohort.text import visible_lines


@dataclass(frozen=True)
class File:
    """A file to write: its mode as in git, and its content."""

    mode: str
    content: bytes


REF = "refs/cohort/update"
MARK = b"fast-import"
NOBODY = "cohort <cohort@localhost> 0 +0000"
Changes = Mapping[str, File | None]  # path to its new file, or None to delete it


def _quote(path: str) -> bytes:
    escaped = _raw(path).replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def commit_stream(author: str, message: str, changes: Changes, parent: str) -> bytes:
    """Return a commit in the language of `git fast-import`. `author`: "Name <address> seconds zone"."""
    lines = [
        f"commit {REF}\nmark :1\nauthor {author}\ncommitter {author}\n".encode(),
        _data(visible_lines(message).encode()),
        f"from {parent}\n".encode(),
    ]
    # Deletions first: a folder may take the place of a file.
    for path in sorted(path for path, file in changes.items() if file is None):
        lines.append(b"D %s\n" % _quote(path))
    for path, file in sorted(changes.items()):
        if file is not None:
            lines += [b"M %s inline %s\n" % (file.mode.encode(), _quote(path)), _data(file.content)]
    return b"".join(lines)


def fast_import(home: Path, scratch: Path, stream: bytes, into: Path, beside: Path) -> str:
    """Write a commit and everything it needs into a store, as one pack; return the commit's name.

    `beside`: the store that holds its parent, which may be the same.
    """
    command = ("fast-import", "--quiet", "--force", "--done", "--date-format=raw")
    stream += b"get-mark :1\ndone\n"
    _clear_after_a_kill(into / "pack")
    env = {"GIT_OBJECT_DIRECTORY": str(into)}
    if beside != into:
        env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = alternates(beside)
    return process.run(home, *command, git_dir=scratch, stdin=stream, env=env).decode().strip()


def _clear_after_a_kill(packs: Path) -> None:
    """Delete the marks `pack-….keep` of a fast-import that was killed: the same update makes the same pack, and
    stops at its mark. git writes "fast-import" into it; a mark of anyone else's stays.
    """
    if not packs.is_dir():
        return
    for mark in packs.glob("pack-*.keep"):
        if mark.is_symlink() or not mark.is_file():
            continue
        with mark.open("rb") as file:
            begun = file.read(len(MARK) + 1)
        if begun == MARK or (not begun and not mark.with_suffix(".pack").exists()):
            mark.unlink()


def write_object(folder: Path, kind: str, content: bytes) -> str:
    """Write a loose object into our own repository, unless it exists; return its name."""
    whole = f"{kind} {len(content)}\0".encode() + content
    name = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
    path = folder / "objects" / name[:2] / name[2:]
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        beside.write_bytes(zlib.compress(whole, 1))
        beside.replace(path)
    return name


def write_files(folder: Path, files: Iterable[tuple[str, File]]) -> str:
    """Write files, one after the other, and the trees above them into our own repository."""
    blobs = {path: (file.mode, write_object(folder, "blob", file.content)) for path, file in files}
    return write_tree(folder, blobs)


def write_tree(folder: Path, files: Mapping[str, tuple[str, str]]) -> str:
    """Write the trees above files, each (mode, name of its blob); return the name of the root tree."""
    entries: dict[str, tuple[str, str]] = {}
    below: dict[str, dict[str, tuple[str, str]]] = {}
    for path, file in files.items():
        first, slash, rest = path.partition("/")
        if slash:
            below.setdefault(first, {})[rest] = file
        else:
            entries[first] = file
    for name, inner in below.items():
        entries[name] = (FOLDER, write_tree(folder, inner))
    return write_object(folder, "tree", tree_content(entries))


def tree_content(entries: Mapping[str, tuple[str, str]]) -> bytes:
    """Build a tree object: each entry's mode, name and object. git sorts a folder as if its name ended with a slash."""
    ordered = sorted(
        (_raw(name) + b"/" * (mode == FOLDER), mode, sha, name)
        for name, (mode, sha) in entries.items()
    )
    lines = (
        mode.encode() + b" " + _raw(name) + b"\0" + bytes.fromhex(sha)
        for _, mode, sha, name in ordered
    )
    return b"".join(lines)


def write_commit(
    folder: Path, tree: str, *parents: str, author: str = NOBODY, message: str = "for a merge\n"
) -> str:
    """Write a commit into our own repository; return its name."""
    above = "".join(f"parent {parent}\n" for parent in parents)
    text = f"tree {tree}\n{above}author {author}\ncommitter {author}\n\n{message}"
    return write_object(folder, "commit", text.encode())


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
