"""plan.html: each change once, with the students who get it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cohort.classroom.outcome import RANK, Outcome
from cohort.output.pages import page

COLUMNS = ("Student", "State", "Release", "Files", "Needs attention, notes", "Changes")
WIDTHS = (14, 14, 8, 6, 42, 16)  # percent
LONGEST_LINE = 300  # characters of a line of a diff
MARKUP = len("<ins></ins>\n")
MOST = 2_000_000  # characters of all diffs on the page


@dataclass(frozen=True)
class Change:
    """The change of one file, the same for all students of a group."""

    path: str
    kind: str  # "new", "changed" or "deleted"
    added: int
    removed: int
    lines: tuple[str, ...]  # of the diff; none when the page has no room for it
    example: str  # the student whose lines stand around the change, where students differ in them

    @property
    def size(self) -> int:
        """The number of characters on the page, including each line's markup."""
        return sum(len(line) + MARKUP for line in self.lines)


@dataclass(frozen=True)
class Group:
    """Changes that the same students get."""

    students: tuple[str, ...]
    changes: tuple[Change, ...]


def group_changes(outcomes: Iterable[Outcome]) -> list[Group]:
    """Group the changes, each once; those that most students get come first.

    Two changes of a file are the same when they remove and add the same lines: the lines around them are
    the students', and differ with a name or a title.
    """
    seen: dict[tuple[str, str, str], list[Outcome]] = {}
    keys: dict[str, str] = {}  # most students have the same diffs
    for outcome in outcomes:
        for path, diff in outcome.diffs.items():
            key = keys.get(diff) or keys.setdefault(diff, _without_context(diff))
            seen.setdefault((path, outcome.changes[path], key), []).append(outcome)
    together: dict[tuple[str, ...], list[Change]] = {}
    for (path, what, _), having in seen.items():
        students = tuple(outcome.student for outcome in having)
        differ = len({outcome.diffs[path] for outcome in having}) > 1
        example = students[0] if differ else ""
        together.setdefault(students, []).append(
            _change(path, what, having[0].diffs[path], example)
        )
    groups = [
        Group(students, tuple(sorted(changes, key=lambda change: change.path)))
        for students, changes in together.items()
    ]
    return sorted(groups, key=lambda group: -len(group.students))


def _without_context(diff: str) -> str:
    """Return the removed and added lines of a diff, hunk by hunk."""
    lines = (line for line in diff.split("\n") if line[:1] != " ")
    return "\n".join("@" if line[:1] == "@" else line for line in lines)


def _change(path: str, what: str, diff: str, example: str) -> Change:
    lines = tuple(_shortened(line) for line in diff.split("\n"))
    signs = Counter(line[:1] for line in lines)
    is_new = diff.startswith("@@ -0,0 ")
    kind = "deleted" if what == "deleted" else "new" if is_new else "changed"
    return Change(path, kind, signs["+"], signs["-"], lines, example)


def _shortened(line: str) -> str:
    more = len(line) - LONGEST_LINE
    return f"{line[:LONGEST_LINE]}… ({more:,} more characters)" if more > 0 else line


def within(groups: Sequence[Group], most: int) -> Iterator[Group]:
    """Return the groups with their diffs, as long as they fit on the page."""
    for group in groups:
        changes = []
        for change in group.changes:
            most -= change.size
            changes.append(change if most >= 0 else _without_lines(change))
        yield Group(group.students, tuple(changes))


def _without_lines(change: Change) -> Change:
    return Change(change.path, change.kind, change.added, change.removed, (), change.example)


def write_plan_page(path: Path, to: str, outcomes: Sequence[Outcome]) -> None:
    """Write the plan as one page, with every diff once."""
    ordered = sorted(outcomes, key=lambda outcome: RANK[outcome.state])
    groups = list(within(group_changes(outcomes), MOST))
    mine: dict[str, list[int]] = {}
    for number, group in enumerate(groups, start=1):
        for student in group.students:
            mine.setdefault(student, []).append(number)
    text = page(
        "plan.html.jinja",
        to=to,
        outcomes=ordered,
        groups=groups,
        mine=mine,
        places={outcome.student: at for at, outcome in enumerate(ordered, start=1)},
        counts=Counter(outcome.state for outcome in outcomes),
        columns=COLUMNS,
        widths=WIDTHS,
    )
    path.write_text(text, encoding="utf-8")
