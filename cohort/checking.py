"""`cohort verify` and `cohort audit`: what was written is what would be written; what is ours is ours."""

from __future__ import annotations

from pathspec import PathSpec

from cohort.config import Student
from cohort.engine import Plan
from cohort.objects import LARGEST_COMMIT, Objects, blob_id, reading
from cohort.outcome import ERROR, Outcome
from cohort.rendering import Rendering
from cohort.stores import Local, Remote, open_store
from cohort.work import Bench

VERIFIED, UNCHANGED, CHANGED, NOTHING = "verified", "unchanged", "changed", "no update"


def verify(bench: Bench, student: Student, to: str) -> Outcome:
    """Is the branch of an update exactly what cohort makes of its parent?"""
    outcome = Outcome(student.name, NOTHING, to=to, branch=bench.class_.branch(to))
    store = open_store(bench.class_, student)
    tip = store.branch(outcome.branch)
    if tip is None:
        return outcome
    with reading(bench.class_.home, bench.place.scratch, store.objects) as objects:
        outcome.head, outcome.commit = _parent(objects, tip), tip
        plan = bench.engine.plan(objects, outcome.head, to)
        outcome.now = plan.now
        made = {_commit(bench, store, plan, markers) for markers in (False, True)}
    if tip in made:
        outcome.state = VERIFIED
    else:
        outcome.state = ERROR
        outcome.message = "its branch is not what cohort makes: someone has committed on it"
    return outcome


def _parent(objects: Objects, commit: str) -> str:
    """The first parent of a commit; itself when it has none."""
    for line in objects.read(commit, "commit", LARGEST_COMMIT).split(b"\n"):
        if line.startswith(b"parent "):
            return line.removeprefix(b"parent ").decode("ascii", "replace")
    return commit


def _commit(bench: Bench, store: Local | Remote, plan: Plan, markers: bool) -> str:
    into = bench.place.scratch / "objects"  # not the student's: verify writes nothing there
    return bench.engine.commit(plan, store.objects, markers, into)


def audit(bench: Bench, student: Student) -> Outcome:
    """Which files of ours has the student changed or deleted? A protected one is for a person to look at."""
    outcome = Outcome(student.name, UNCHANGED)
    store = open_store(bench.class_, student)
    outcome.head = store.head().commit
    with reading(bench.class_.home, bench.place.scratch, store.objects) as objects:
        tree = objects.commit_tree(outcome.head)
        last = bench.engine.read_answers(objects, tree)
        outcome.now = bench.engine.check_answers(last, bench.releases.get(bench.releases.newest))
        release = bench.releases.get(outcome.now)
        made = Rendering(release, last["_src_path"], last, operation="copy")
        protected = PathSpec.from_lines("gitignore", bench.class_.settings.audit.protected)
        for path in made.sources:
            if made.is_students(path) or path == ".copier-answers.yml":
                continue
            entry = objects.find(tree, path)
            if entry is None or entry[1] != blob_id(made.content(path)):
                outcome.changes[path] = "deleted" if entry is None else "changed"
                if protected.match_file(path):
                    what = f"{outcome.changes[path]} by the student"
                    outcome.conflicts.append({"path": path, "what": what})
    # What an update leaves out (such as the example table) may be deleted by anyone.
    _forgive(outcome, bench, last["_src_path"], last)
    outcome.state = CHANGED if outcome.changes else UNCHANGED
    return outcome


def _forgive(outcome: Outcome, bench: Bench, url: str, last: dict[str, object]) -> None:
    updated = Rendering(bench.releases.get(outcome.now), url, last)
    for path in [path for path in outcome.changes if path not in updated.sources]:
        del outcome.changes[path]
