"""`cohort adopt`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cohort.classroom.outcome import Outcome
from cohort.classroom.roster import Student
from cohort.commands.one_by_one import one_by_one
from cohort.commands.options import Options
from cohort.errors import CohortError
from cohort.projects.adopt import adopt
from cohort.projects.workbench import Workbench


def adopt_class(options: Options, answers: Sequence[str], push: bool) -> int:
    """Give one project a valid answers file, on a branch."""
    given = dict(_pair(text) for text in answers)

    return one_by_one("adopt", options, partial(_adopt, given, push), _advice, online=push)


def _adopt(
    given: dict[str, str], push: bool, bench: Workbench, student: Student, _: str
) -> Outcome:
    if student.is_remote and not push:
        raise CohortError("it is on a server; add --push to write the branch there.")
    return adopt(bench, student, given)


def _advice(outcomes: Sequence[Outcome]) -> str:
    """What to do next."""
    branches = [outcome.branch for outcome in outcomes if outcome.commit]
    return f"Next: the student merges {branches[0]}; then run `cohort plan`." if branches else ""


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CohortError(f"--answer {text!r}: write name=value.")
    return name, value
