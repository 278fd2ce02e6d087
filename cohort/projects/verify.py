"""Is the branch of an update what cohort makes?"""

from __future__ import annotations

from cohort.classroom.outcome import ERROR, Outcome
from cohort.classroom.roster import Student
from cohort.classroom.stores import Local, Remote, open_store
from cohort.git.objects import LARGEST_COMMIT, Objects, reading
from cohort.projects.plan import Plan, with_markers
from cohort.projects.workbench import Workbench

VERIFIED, NOTHING = "verified", "no update"


def verify(bench: Workbench, student: Student, to: str) -> Outcome:
    """Is the branch of an update exactly what cohort makes of its parent?"""
    outcome = Outcome(student.name, NOTHING, to=to, branch=bench.class_.branch(to))
    store = open_store(bench.class_, student)
    tip = store.branch(outcome.branch)
    if tip is None:
        return outcome
    with reading(bench.class_.home, bench.place.scratch, store.objects) as objects:
        outcome.head, outcome.commit = _parent(objects, tip), tip
        plan = bench.planner.plan(objects, outcome.head, to)
        outcome.now = plan.now
        same = any(_commit(bench, store, way) == tip for way in _ways(plan))
    if same:
        outcome.state = VERIFIED
    else:
        outcome.state = ERROR
        outcome.message = "its branch differs from what cohort makes: someone has committed to it"
    return outcome


def _parent(objects: Objects, commit: str) -> str:
    """The first parent of a commit; itself when it has none."""
    for line in objects.read(commit, "commit", LARGEST_COMMIT).split(b"\n"):
        if line.startswith(b"parent "):
            return line.removeprefix(b"parent ").decode("ascii", "replace")
    return commit


def _ways(plan: Plan) -> tuple[Plan, ...]:
    """Without markers, and with them where they make a difference."""
    marked = any(one.marked is not None for one in plan.conflicts)
    return (plan, with_markers(plan)) if marked else (plan,)


def _commit(bench: Workbench, store: Local | Remote, plan: Plan) -> str:
    into = bench.place.scratch / "objects"  # not the student's: verify writes nothing there
    return bench.planner.commit(plan, store.objects, into)
