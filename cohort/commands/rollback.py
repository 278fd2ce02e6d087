"""`cohort rollback`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cohort.classroom.outcome import Outcome
from cohort.classroom.roster import Student
from cohort.classroom.stores import open_store
from cohort.commands.one_by_one import one_by_one
from cohort.commands.options import Options
from cohort.errors import CohortError
from cohort.projects.workbench import Workbench, check_ours

ROLLED_BACK, NOTHING = "rolled back", "nothing to do"


def rollback_class(options: Options, push: bool) -> int:
    """Delete update branches on which nobody else has committed."""

    return one_by_one("rollback", options, partial(_roll_back, push), _advice, online=push)


def _roll_back(push: bool, bench: Workbench, student: Student, to: str) -> Outcome:
    outcome = Outcome(student.name, NOTHING, to=to, branch=bench.class_.branch(to))
    store = open_store(bench.class_, student)
    outcome.before = store.branch(outcome.branch)
    if outcome.before is None:
        return outcome
    check_ours(bench, store, outcome.before, bench.releases.get(to))
    if student.is_remote and not push:
        raise CohortError("its branch is on a server; add --push to delete it there.")
    store.move(outcome.branch, None, outcome.before)
    outcome.state, outcome.wrote = ROLLED_BACK, True
    return outcome


def _advice(outcomes: Sequence[Outcome]) -> str:
    """Say what to do next."""
    if any(outcome.state == ROLLED_BACK for outcome in outcomes):
        return "Next: `cohort update` writes the branches again."
    return ""
