"""What can be known of a project's past: the answers that it was made with, and the releases that it was at."""

from __future__ import annotations

from dataclasses import dataclass, field

from cohort.classroom.config import version
from cohort.classroom.roster import Student
from cohort.errors import CohortError, RefusedError
from cohort.git.objects import LARGEST_COMMIT, Objects
from cohort.projects.workbench import Workbench
from cohort.template import answers as answers_file
from cohort.template.answers import FILE

FURTHEST = 2_000  # commits looked back
REWRITABLE = (
    "the ledger does not have the commit that cohort made; answers were compared with the first commit in the "
    "history, which a student can rewrite"
)
UNKNOWN = (
    "only the answers in the roster could be compared: neither the ledger nor the fetched part of the history "
    "has the first commit"
)


@dataclass
class Past:
    """The answers at the beginning, the newest release that the project was at, and what is not certain."""

    answers: dict[str, object]
    newest: str
    note: str = ""


@dataclass
class _History:
    """A walk back from the newest commit."""

    first: dict[str, object] | None = None  # the answers of the oldest commit that has some
    releases: set[str] = field(default_factory=set)
    is_whole: bool = False


def read_past(
    bench: Workbench, student: Student, objects: Objects, head: str, last: dict[str, object]
) -> Past:
    """What the ledger knows; where it does not, what the history says. `last`: the newest answers."""
    record = bench.records.get(student.name)
    seen = set(record.releases) if record else set()
    now = answers_file.release_of(last)
    made = _answers_at(objects, record.commit) if record and record.commit else None
    # Only a project that is not at the newest release can have gone back.
    if made is None or now != bench.releases.newest:
        history = _walk(objects, head)
        seen |= history.releases
    allowed = {name for name in seen if name in bench.releases.names} | {now}
    newest = max(allowed, key=version)
    if made is not None:
        return Past(made, newest)
    if history.is_whole and history.first is not None:
        return Past(history.first, newest, REWRITABLE)
    return Past(last, newest, UNKNOWN)


def _walk(objects: Objects, commit: str) -> _History:
    history = _History()
    parsed: dict[str, dict[str, object] | None] = {}
    for _ in range(FURTHEST):
        try:
            content = objects.read(commit, "commit", LARGEST_COMMIT)
        except RefusedError:
            raise
        except CohortError:
            return history  # fetched only so far
        head, _, _ = content.partition(b"\n\n")
        words = [line.decode("ascii", "replace").split() for line in head.split(b"\n")]
        entry = objects.find(next(word[1] for word in words if word[0] == "tree"), FILE)
        if entry is not None:
            if entry[1] not in parsed:
                parsed[entry[1]] = _parse(objects, entry[1])
            if (answers := parsed[entry[1]]) is not None:
                history.first = answers
                history.releases.add(str(answers.get("_commit")))
        parents = [word[1] for word in words if word[:1] == ["parent"]]
        if not parents:
            history.is_whole = True
            return history
        commit = parents[0]
    return history


def _answers_at(objects: Objects, commit: str) -> dict[str, object] | None:
    """The answers of a commit that cohort made, if it is here. Its name proves its content."""
    try:
        entry = objects.find(objects.commit_tree(commit), FILE)
    except RefusedError:
        raise
    except CohortError:
        return None
    return _parse(objects, entry[1]) if entry else None


def _parse(objects: Objects, name: str) -> dict[str, object] | None:
    try:
        return answers_file.parse(objects.read(name, "blob", answers_file.LARGEST))
    except CohortError:
        return None
