"""Where each project stands. Needs nothing of copier, so it is quick."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

from cohort import answers, git
from cohort.answers import FILE
from cohort.config import Class, Student
from cohort.errors import CohortError, RefusedError
from cohort.objects import EXECUTABLE, Objects, reading
from cohort.objects import FILE as PLAIN
from cohort.outcome import ERROR, REFUSED
from cohort.results import read_note
from cohort.stores import Local, Remote, open_store

KNOWN = "known"
WORKERS = 4


@dataclass(slots=True)
class Standing:
    """A line of `cohort status`."""

    student: str
    state: str  # "known", "refused" or "error"
    release: str = ""
    behind: int = 0
    head: str = ""
    dirty: bool | None = None
    branch: str = ""  # the newest update that cohort prepared and the student has not merged
    updated: float | None = None
    checks: list[str] | None = None  # what `capstone check` found open; None: CI left no result
    checked: str = ""  # "newest" or "older": the commit that CI checked
    to_come: str | None = None  # what the newest plan says of an update; None: not planned since
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def look(class_: Class, students: Sequence[Student], dirty: bool = False) -> Iterator[Standing]:
    """Read the newest commit of each project; nothing is written, nothing but a cache is fetched."""
    scratch = git.make_bare(class_.cache / "reading")
    with ThreadPoolExecutor(WORKERS) as pool:
        yield from pool.map(lambda student: _look(class_, student, scratch, dirty), students)


def _look(class_: Class, student: Student, scratch: Path, dirty: bool) -> Standing:
    standing = Standing(student.name, ERROR)
    try:
        store = open_store(class_, student)
        if isinstance(store, Remote):
            store.fetch()
        head = store.head()
        standing.head = head.commit
        with reading(class_.home, scratch, store.objects) as objects:
            standing.release = release_of(class_, objects, head.commit)
            _read_checks(standing, objects, store.notes())
        releases = sorted(class_.settings.template.releases, key=Version)
        newer = releases[releases.index(standing.release) + 1 :]
        standing.behind = len(newer)
        waiting = [name for name in newer if store.branch(class_.branch(name))]
        standing.branch = class_.branch(waiting[-1]) if waiting else ""
        if dirty and isinstance(store, Local):
            standing.dirty = is_dirty(class_, store, head.commit)
        standing.state = KNOWN
    except RefusedError as error:
        standing.state, standing.message = REFUSED, str(error)
    except (CohortError, OSError) as error:
        standing.message = str(error)
    return standing


def _read_checks(standing: Standing, objects: Objects, notes: str | None) -> None:
    """What CI left. What can't be read is said, and hides nothing else of the project."""
    try:
        result = read_note(objects, notes, standing.head)
    except RefusedError:
        raise
    except CohortError as error:
        standing.message = str(error)
        return
    if result is not None:
        standing.checks, standing.checked = result.open, "newest" if result.current else "older"


def release_of(class_: Class, objects: Objects, commit: str) -> str:
    """The release that a commit's answers file names, after its template has been checked."""
    entry = objects.find(objects.commit_tree(commit), FILE)
    if entry is None:
        raise CohortError(f"it has no {FILE}; run `cohort adopt` for it.")
    if entry[0] not in (PLAIN, EXECUTABLE):
        raise RefusedError(f"{FILE} is no plain file.")
    found = answers.parse(objects.read(entry[1], "blob", answers.LARGEST))
    settings = class_.settings.template
    return answers.check(found, class_.template_urls, settings.releases, known=found)


def is_dirty(class_: Class, store: Local, commit: str) -> bool | None:
    """Has the work tree changes that are not committed? None for a bare repository.

    The student's index is copied, and git runs with our configuration: no filter of the student's runs.
    """
    if store.folder.name != ".git":
        return None
    with tempfile.TemporaryDirectory(dir=class_.cache) as folder:
        mine = git.make_bare(Path(folder) / "look.git")
        (mine / "HEAD").write_text(f"{commit}\n", encoding="ascii")
        index = store.folder / "index"
        if index.is_symlink() or not index.is_file():
            return True
        shutil.copyfile(index, mine / "index")
        said = git.run(
            class_.home,
            *("status", "--porcelain", "--ignore-submodules=all", "--no-renames"),
            git_dir=mine,
            cwd=store.folder.parent,
            env={
                "GIT_WORK_TREE": str(store.folder.parent),
                "GIT_OBJECT_DIRECTORY": str(store.objects),
            },
        )
    return bool(said.strip())
