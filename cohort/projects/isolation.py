"""Each student is an island: what goes wrong in a project stays there."""

from __future__ import annotations

from collections.abc import Callable

from cohort.classroom.outcome import ERROR, REFUSED, Outcome
from cohort.classroom.roster import Student
from cohort.errors import CohortError, RefusedError


def isolated(student: Student, work: Callable[[Student], Outcome]) -> Outcome:
    """Work on one student's project; whatever goes wrong becomes that student's outcome."""
    try:
        return work(student)
    except RefusedError as error:
        return Outcome(student.name, REFUSED, message=str(error))
    except (CohortError, OSError) as error:
        return Outcome(student.name, ERROR, message=str(error))
