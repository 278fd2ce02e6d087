"""What `plan` and `update` check of their options: a part of the class, and the engine."""

from __future__ import annotations

import re

from cohort.classroom.roster import Student
from cohort.classroom.teams import Teams
from cohort.errors import CohortError


def parts_of(part: str) -> tuple[int, int]:
    """ "2/8" as two numbers; the whole is 1/1."""
    found = re.fullmatch(r"(\d{1,4})/(\d{1,4})", part or "1/1")
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise CohortError(f"--part {part} is not valid; write 2/8 for the second of eight parts.")
    return int(found[1]), int(found[2])


def one_part(students: list[Student], part: str) -> list[Student]:
    """Every n-th repository: so several machines share a class, each with a part of its own."""
    first, step = parts_of(part)
    places = {student.place for student in Teams(students).first[first - 1 :: step]}
    return [student for student in students if student.place in places]


def check_engine(engine: str) -> str:
    """The engine, if there is one of that name."""
    if engine not in ("git", "copier"):
        raise CohortError(f"--engine {engine} is unknown; use git or copier.")
    return engine
