"""Which of the template's files has a student changed?"""

from __future__ import annotations

from pathspec import PathSpec

from cohort.classroom.outcome import Outcome
from cohort.classroom.roster import Student
from cohort.classroom.stores import open_store
from cohort.git.objects import blob_id, reading
from cohort.projects.workbench import Workbench
from cohort.template.rendering import Rendering

UNCHANGED, CHANGED = "unchanged", "changed"


def audit(bench: Workbench, student: Student) -> Outcome:
    """Which files of ours has the student changed or deleted? A protected one is for a person to look at."""
    outcome = Outcome(student.name, UNCHANGED)
    store = open_store(bench.class_, student)
    outcome.head = store.head().commit
    with reading(bench.class_.home, bench.place.scratch, store.objects) as objects:
        tree = objects.commit_tree(outcome.head)
        last = bench.planner.read_answers(objects, tree)
        outcome.now = bench.planner.check_answers(last, bench.releases.get(bench.releases.newest))
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


def _forgive(outcome: Outcome, bench: Workbench, url: str, last: dict[str, object]) -> None:
    updated = Rendering(bench.releases.get(outcome.now), url, last)
    for path in [path for path in outcome.changes if path not in updated.sources]:
        del outcome.changes[path]
