"""A student's repository on this disk: its references are read and written as files, without git.

Nothing here follows a symbolic link, opens what is not a plain file, or reads a configuration.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from cohort.errors import CohortError, RefusedError

COMMIT = re.compile(r"[0-9a-f]{40}")
BRANCH = re.compile(
    r"(?!.*(\.\.|//|@\{|\.lock(/|$)|/\.|\.(/|$)))[A-Za-z0-9_][A-Za-z0-9._/+@-]*[A-Za-z0-9_+-]"
)
LARGEST_REFS = 16 << 20
IS_JUNCTION = getattr(os.path, "isjunction", None)  # of Windows; Python 3.12 asks for it


@dataclass(frozen=True)
class Head:
    """Where a repository stands: the branch (empty when there is none) and its commit."""

    branch: str
    commit: str


def inside(root: Path, *parts: str) -> Path:
    """A path below a folder, of which no part is a symbolic link. Raises RefusedError."""
    path = str(root)  # not Path: this is done ten times and more for each of thousands of projects
    for part in parts:
        path = f"{path}{os.sep}{part}"
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            break
        except NotADirectoryError:
            raise CohortError(
                f"{os.path.dirname(path)} is a file; a folder was expected."
            ) from None
        if stat.S_ISLNK(mode) or (IS_JUNCTION and IS_JUNCTION(path)):
            raise RefusedError(f"{path} is a symbolic link, which cohort does not follow.")
    return root.joinpath(*parts)


def plain_size(path: Path | str) -> int | None:
    """Bytes of a plain file, or None when there is none. A link, a pipe or a device is refused."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(found.st_mode):
        raise RefusedError(f"{path} is not a plain file.")
    return found.st_size


def read_plain(path: Path, largest: int) -> bytes | None:
    """The content of a plain file, or None when there is none."""
    size = plain_size(path)
    if size is None:
        return None
    if size > largest:
        raise RefusedError(f"{path} has {size:,} bytes; allowed: {largest:,}.")
    return path.read_bytes()


def git_folder(project: Path) -> Path:
    """The folder with the objects and references of a project, bare or not."""
    if not os.path.isdir(project):
        raise CohortError(f"{project} does not exist; run `cohort create` or correct the roster.")
    inner = inside(project, ".git")
    if os.path.isfile(inner):
        raise RefusedError(
            f"{inner} is a file that points to another folder; cohort does not follow it."
        )
    folder = inner if os.path.isdir(inner) else project
    for parts in (("objects", "pack"), ("objects", "info"), ("refs", "heads")):
        inside(folder, *parts)
    if not os.path.isdir(f"{folder}/objects") or not os.path.isdir(f"{folder}/refs"):
        raise CohortError(
            f"{project} is not a git repository; run `git init` there, or correct the roster."
        )
    if os.path.exists(f"{folder}/reftable"):
        raise CohortError(f"{project} keeps its branches in a reftable, which cohort can't read.")
    if os.path.lexists(f"{folder}/objects/info/alternates"):
        raise RefusedError(
            f"{folder} borrows objects from another repository (objects/info/alternates)."
        )
    for part in ("pack", "info"):
        _check_plain(f"{folder}/objects/{part}")
    return folder


def _check_plain(folder: str) -> None:
    """Refuse what no git writes into a folder that git will read: a pipe there would keep it waiting."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_file(follow_symlinks=False) and not entry.is_dir(
                    follow_symlinks=False
                ):
                    raise RefusedError(f"{entry.path} is not a plain file.")
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise CohortError(f"{folder} is a file; a folder was expected.") from None


def read_head(folder: Path) -> Head:
    """The current branch and its commit."""
    text = (read_plain(inside(folder, "HEAD"), 4096) or b"").decode("utf-8", "replace").strip()
    if COMMIT.fullmatch(text):
        return Head("", text)
    branch = text.removeprefix("ref: refs/heads/")
    if branch == text or not BRANCH.fullmatch(branch):
        raise CohortError(f"{folder / 'HEAD'} names no branch; check one out there.")
    commit = read_branch(folder, branch)
    if commit is None:
        raise CohortError(f"{folder} has no commit on its branch {branch}; commit something there.")
    return Head(branch, commit)


def read_branch(folder: Path, branch: str) -> str | None:
    """The commit of a branch, or None when there is no such branch."""
    return read_reference(folder, f"refs/heads/{branch}")


def read_reference(folder: Path, name: str) -> str | None:
    """The commit of a reference, such as refs/heads/main, or None when there is none."""
    return read_plain_ref(inside(folder, *name.split("/"))) or packed_reference(folder, name)


def read_plain_ref(path: Path) -> str | None:
    """The commit in a file of a reference."""
    if os.path.isdir(path):
        return None
    content = read_plain(path, 4096)
    if content is None:
        return None
    text = content.decode("ascii", "replace").strip()
    if not COMMIT.fullmatch(text):
        raise CohortError(f"{path} holds no commit (SHA-1); cohort can't read this repository.")
    return text


def packed_reference(folder: Path, name: str) -> str | None:
    """The commit of a reference in the file packed-refs, of which each line is "commit name"."""
    content = b"\n" + (read_plain(inside(folder, "packed-refs"), LARGEST_REFS) or b"")
    before, found, _ = content.partition(f" {name}\n".encode())
    commit = before[-40:].decode("ascii", "replace")
    return commit if found and before[-41:-40] == b"\n" and COMMIT.fullmatch(commit) else None


def write_branch(folder: Path, branch: str, commit: str | None, expected: str | None) -> None:
    """Move a branch from `expected` (None: there is none) to a commit (None: delete it), or not at all.

    Uses git's own lock file, so that a git at work in the repository and cohort wait for each other.
    """
    if not BRANCH.fullmatch(branch):
        raise CohortError(f"{branch!r} can't be the name of a branch; correct branch_prefix.")
    parts = branch.split("/")
    for depth in range(1, len(parts)):
        above = "/".join(parts[:depth])
        if read_branch(folder, above) is not None:
            raise CohortError(
                f"it has a branch {above!r}, so {branch!r} can't be made; rename that one."
            )
    path = inside(folder, "refs", "heads", *parts)
    if path.is_dir() and any(path.iterdir()):
        raise CohortError(
            f"it has branches under {branch!r}/, so {branch!r} can't be made; rename them."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(path.name + ".lock")
    try:
        handle = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        raise CohortError(
            f"{lock} exists: is git running there? If not, delete that file."
        ) from None
    try:
        with os.fdopen(handle, "w", encoding="ascii", newline="\n") as file:
            file.write(f"{commit}\n")
        if read_branch(folder, branch) != expected:
            raise CohortError(
                f"its branch {branch} has just been changed by someone else; run again."
            )
        if path.is_dir():
            path.rmdir()
        if commit is None:
            _delete(folder, branch, path)
        else:
            lock.replace(path)
    finally:
        lock.unlink(missing_ok=True)


def _delete(folder: Path, branch: str, path: Path) -> None:
    """Take a branch out of packed-refs and the folder of branches."""
    packed = inside(folder, "packed-refs")
    if packed_reference(folder, f"refs/heads/{branch}"):
        lock = packed.with_name("packed-refs.lock")
        ending = f" refs/heads/{branch}\n".encode()
        lines = packed.read_bytes().splitlines(keepends=True)
        handle = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(handle, "wb") as file:
            file.writelines(line for line in lines if not line.endswith(ending))
        lock.replace(packed)
    path.unlink(missing_ok=True)
