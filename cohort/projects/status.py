"""Where each project stands. Needs nothing of copier, so it is quick."""

from __future__ import annotations

import shutil
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from cohort import faults
from cohort.classroom.check_notes import read_note
from cohort.classroom.config import Class
from cohort.classroom.outcome import ERROR, PullRequest
from cohort.classroom.roster import Student
from cohort.classroom.stores import Local, Remote, open_store
from cohort.errors import CohortError, RefusedError
from cohort.git import process
from cohort.git.objects import EXECUTABLE, Objects, Packed, reading
from cohort.git.objects import FILE as PLAIN
from cohort.git.references import plain_size
from cohort.projects import isolation
from cohort.projects.fetching import fetch
from cohort.projects.isolation import OutOfTimeError, at_most, isolated
from cohort.projects.pool import Crew, each, ready_with
from cohort.template import answers
from cohort.template.answers import FILE

KNOWN = "known"
TOGETHER = 25  # projects of which one git reads the packs
TOGETHER_SECONDS = 10.0
LARGEST_INDEX = 64 << 20  # some hundred thousand files


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

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def look(
    class_: Class, students: Sequence[Student], dirty: bool = False, jobs: int = 0
) -> Iterator[Standing]:
    """Read the newest commit of each project; nothing is written, nothing but a cache is fetched."""
    waiting, found = deque(student.name for student in students), dict[str, Standing]()
    for standing in _in_no_order(class_, students, dirty, jobs):
        found[standing.student] = standing
        while waiting and waiting[0] in found:
            yield found.pop(waiting.popleft())


def _in_no_order(
    class_: Class, students: Sequence[Student], dirty: bool, jobs: int
) -> Iterator[Standing]:
    """Several together first; then alone those with whom something is wrong."""
    unreachable = fetch(class_, students, Standing)
    yield from unreachable.values()
    scratch = process.make_bare(class_.cache / "reading")
    waiting = {one.name: one for one in students if one.name not in unreachable}
    look_at = partial(_look_at_some, class_, scratch, dirty)
    together: Crew[list[Student], list[Standing]] = Crew(
        partial(ready_with, look_at), lambda some, why: [], TOGETHER_SECONDS
    )
    ready = list(waiting.values())
    parts = [ready[at : at + TOGETHER] for at in range(0, len(ready), TOGETHER)]
    for standings in each(parts, together, jobs):
        for standing in standings:
            del waiting[standing.student]
            yield standing
    alone: Crew[Student, Standing] = Crew(
        partial(ready_with, partial(_look_alone, class_, scratch, dirty)),
        lambda student, why: Standing(student.name, ERROR, message=why),
        isolation.SECONDS,
    )
    yield from each(list(waiting.values()), alone, jobs)


def _look_at_some(
    class_: Class, scratch: Path, dirty: bool, students: Sequence[Student]
) -> list[Standing]:
    """Those of some projects with which all is well. One git reads the packs.

    That git sees the packs of them all, so one repository could stand in another's way. So only what went
    well is believed, and not for long is waited; anything else is read again by a git that sees one repository alone.
    """
    stores: dict[str, Local | Remote] = {}
    standings = []
    with suppress(OutOfTimeError), at_most(TOGETHER_SECONDS):
        for student in students:
            with suppress(Exception):
                stores[student.name] = open_store(class_, student)
        folders = [store.objects for store in stores.values()]
        with closing(Packed(class_.home, scratch, folders, TOGETHER_SECONDS)) as packed:
            for name, store in stores.items():
                standing = Standing(name, ERROR)
                with suppress(Exception):
                    _look(class_, standing, store, Objects([store.objects], packed), dirty)
                if standing.state == KNOWN and not standing.message:
                    standings.append(standing)
    return standings


def _look_alone(class_: Class, scratch: Path, dirty: bool, student: Student) -> Standing:
    """One project; whatever is wrong with it is in the standing, beside what could be read."""
    faults.keep_log_in(class_.cache)
    standing = Standing(student.name, ERROR)

    def work() -> Standing:
        store = open_store(class_, student)
        with reading(class_.home, scratch, store.objects) as objects:
            _look(class_, standing, store, objects, dirty)
        return standing

    def failed(name: str, state: str, *, message: str) -> Standing:
        standing.state, standing.message = state, message
        return standing

    return isolated(student.name, work, failed)


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
        raise CohortError(f"it has no {FILE}; {answers.ADOPT}.")
    if entry[0] not in (PLAIN, EXECUTABLE):
        raise RefusedError(f"{FILE} is not a plain file.")
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
        size = plain_size(index)
        if size is None:
            return True
        if size > LARGEST_INDEX:
            raise RefusedError(f"{index} has {size:,} bytes; allowed: {LARGEST_INDEX:,}.")
        shutil.copyfile(index, mine / "index")
        said = process.run(
            class_.home,
            *("status", "--porcelain", "--ignore-submodules=all", "--no-renames"),
            git_dir=mine,
            env={
                "GIT_WORK_TREE": str(store.folder.parent),
                "GIT_OBJECT_DIRECTORY": str(store.objects),
            },
        )
    return bool(said.strip())
