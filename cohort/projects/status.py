"""Where each project stands. Needs nothing of copier, so it is quick."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cohort.classroom.check_notes import read_note
from cohort.classroom.config import Class, Student
from cohort.classroom.outcome import ERROR, REFUSED, PullRequest
from cohort.classroom.stores import CONNECTIONS, Local, Remote, open_store
from cohort.errors import CohortError, RefusedError
from cohort.git import process
from cohort.git.objects import EXECUTABLE, Objects, Packed, reading
from cohort.git.objects import FILE as PLAIN
from cohort.template import answers
from cohort.template.answers import FILE

KNOWN = "known"
TOGETHER = 25  # projects of which one git reads the packs


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
    pull_request: PullRequest | None = None  # of the newest update that has one
    same_as: str = ""  # the student of the same team whose row stands for this repository

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def look(class_: Class, students: Sequence[Student], dirty: bool = False) -> Iterator[Standing]:
    """Read the newest commit of each project; nothing is written, nothing but a cache is fetched."""
    scratch = process.make_bare(class_.cache / "reading")
    remote = any(student.is_remote for student in students)
    size, workers = (1, CONNECTIONS) if remote else (TOGETHER, os.cpu_count() or 1)
    parts = [students[at : at + size] for at in range(0, len(students), size)]
    with ThreadPoolExecutor(workers) as pool:
        for standings in pool.map(lambda some: _look_at_some(class_, some, scratch, dirty), parts):
            yield from standings


def _look_at_some(
    class_: Class, students: Sequence[Student], scratch: Path, dirty: bool
) -> list[Standing]:
    """Some projects, of which one git reads the packs.

    That git sees the packs of them all, so one repository could stand in another's way. So only what went
    well is believed; anything else is read again by a git that sees one repository alone.
    """
    stores: dict[str, Local] = {}
    for student in students:
        with suppress(CohortError, OSError):  # it is said when the project is read alone
            opened = open_store(class_, student)
            if isinstance(opened, Local):
                stores[student.name] = opened
    folders = [store.objects for store in stores.values()]
    packed = Packed(class_.home, scratch, folders, process.SECONDS)
    standings = []
    try:
        for student in students:
            standing = Standing(student.name, ERROR)
            if store := stores.get(student.name):
                try:
                    _look(class_, standing, store, Objects([store.objects], packed), dirty)
                except (CohortError, OSError):
                    packed.close()
            if standing.state != KNOWN or standing.message:
                standing = _look_alone(class_, student, scratch, dirty)
            standings.append(standing)
    finally:
        packed.close()
    return standings


def _look_alone(class_: Class, student: Student, scratch: Path, dirty: bool) -> Standing:
    """One project; whatever is wrong with it is in the standing."""
    standing = Standing(student.name, ERROR)
    try:
        store = open_store(class_, student)
        if isinstance(store, Remote):
            store.fetch()
        with reading(class_.home, scratch, store.objects) as objects:
            _look(class_, standing, store, objects, dirty)
    except RefusedError as error:
        standing.state, standing.message = REFUSED, str(error)
    except (CohortError, OSError) as error:
        standing.state, standing.message = ERROR, str(error)
    return standing


def _look(
    class_: Class, standing: Standing, store: Local | Remote, objects: Objects, dirty: bool
) -> None:
    standing.head = store.head().commit
    standing.release = release_of(class_, objects, standing.head)
    _read_checks(standing, objects, store.notes())
    releases = class_.releases
    newer = releases[releases.index(standing.release) + 1 :]
    standing.behind = len(newer)
    waiting = [name for name in newer if store.branch(class_.branch(name))]
    standing.branch = class_.branch(waiting[-1]) if waiting else ""
    if dirty and isinstance(store, Local):
        standing.dirty = is_dirty(class_, store, standing.head)
    standing.state = KNOWN


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
        mine = process.make_bare(Path(folder) / "look.git")
        (mine / "HEAD").write_text(f"{commit}\n", encoding="ascii")
        index = store.folder / "index"
        if index.is_symlink() or not index.is_file():
            return True
        shutil.copyfile(index, mine / "index")
        said = process.run(
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
