"""Teams: rows of the roster with the same repository, which is processed once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import ClassVar, Protocol, TypeVar

from cohort.classroom.roster import Student


class Row(Protocol):
    """A command's row for one student: a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[object]]]
    student: str
    same_as: str  # the student whose row stands for the team's repository; "": this one


R = TypeVar("R", bound=Row)


class Teams:
    """The repositories of a class, each with the students who share it."""

    def __init__(self, students: Sequence[Student]) -> None:
        self._students = students
        self._first: dict[str, Student] = {}
        self._others: dict[str, list[str]] = {}
        for student in students:
            first = self._first.setdefault(student.place, student)
            if first is not student:
                self._others.setdefault(first.name, []).append(student.name)

    @property
    def first(self) -> list[Student]:
        """One student of each repository, in the roster's order."""
        return list(self._first.values())

    def members(self, first: str) -> list[str]:
        """Return everyone who shares a student's repository."""
        return [first, *self._others.get(first, [])]

    def rows(self, of_first: Iterable[R]) -> list[R]:
        """Return a row for every student, made from the rows of each team's first student."""
        known, rows = {row.student: row for row in of_first}, []
        for student in self._students:
            row = known[self._first[student.place].name]
            if row.student != student.name:
                row = dataclasses.replace(row, student=student.name, same_as=row.student)
            rows.append(row)
        return rows


def once(rows: Iterable[R]) -> list[R]:
    """Return the rows to count: each repository once."""
    return [row for row in rows if not row.same_as]
