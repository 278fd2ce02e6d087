"""Fetch the repositories that are on servers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from cohort.classroom.config import Class
from cohort.classroom.roster import Student
from cohort.classroom.stores import CONNECTIONS, Remote
from cohort.projects.isolation import Failed, R, isolated


def fetch(class_: Class, students: Sequence[Student], failed: Failed[R]) -> dict[str, R]:
    """Fetch repositories from servers, many at a time; return the results of those that failed.

    These are threads, where no alarm rings: each connection has a limit of its own.
    """

    def fetch_one(student: Student) -> R | None:
        return isolated(student.name, Remote(class_, student).fetch, failed)

    remote = [student for student in students if student.is_remote]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        results = pool.map(fetch_one, remote)
    return {
        student.name: result
        for student, result in zip(remote, results, strict=True)
        if result is not None
    }
