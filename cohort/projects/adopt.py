"""`cohort adopt`: a valid answers file for a project that has lost its own, on a branch."""

from __future__ import annotations

from cohort.classroom.outcome import Outcome
from cohort.classroom.roster import Student
from cohort.classroom.stores import open_store
from cohort.errors import CohortError
from cohort.git.objects import FILE as PLAIN
from cohort.git.objects import LARGEST_COMMIT, Objects, blob_id, reading
from cohort.git.writing import File, commit_stream, fast_import
from cohort.projects.workbench import Workbench
from cohort.template import answers as answers_file
from cohort.template.answers import FILE
from cohort.template.releases import Release
from cohort.template.rendering import Answers, Rendering

ADOPTED, VALID = "adopted", "valid"
FURTHEST = 2_000  # commits looked back
LEAST = 0.5  # of our files, to believe that a project was made by a release


def adopt(bench: Workbench, student: Student, given: dict[str, str]) -> Outcome:
    """Write the branch `<prefix>adopt`, unless the answers file is valid as it is."""
    outcome = Outcome(student.name, VALID, branch=bench.class_.branch("adopt"))
    store = open_store(bench.class_, student)
    outcome.head = store.head().commit
    with reading(bench.class_.home, bench.place.scratch, store.objects) as objects:
        tree = objects.commit_tree(outcome.head)
        try:
            last = bench.planner.read_answers(objects, tree)
            outcome.now = bench.planner.check_answers(
                last, bench.releases.get(bench.releases.newest)
            )
            return outcome
        except CohortError as error:
            fact = str(error).partition("; ")[0].rstrip(".")  # without the advice to run adopt
            outcome.notes.append(f"before: {fact}")
        earlier = _from_history(bench, objects, outcome.head)
        answers = {**student.answers(student.extra), **earlier, **given}
        share, made = max(
            (_fit(bench, release, answers, objects, tree) for release in bench.releases.names),
            key=lambda fit: fit[0],
        )
        if made is None or share < LEAST:
            raise CohortError(
                f"it matches no allowed release (at best {share:.0%} of the files); give the answers "
                "with --answer package_name=..., or write the file yourself."
            )
        outcome.now = made.release.name
        outcome.before = store.branch(outcome.branch)
        content = made.content(FILE)
    message = f"Restore the project's answers file for {made.release.name}\n"
    changes = {FILE: File(PLAIN, content)}
    stream = commit_stream(made.release.author, message, changes, outcome.head)
    place = bench.place
    outcome.commit = fast_import(place.home, place.scratch, stream, store.objects, store.objects)
    if outcome.commit != outcome.before:
        if outcome.before is not None:
            raise CohortError(
                f"its branch {outcome.branch} already exists; merge or delete it first."
            )
        store.move(outcome.branch, outcome.commit, None)
        outcome.wrote = True
    outcome.state, outcome.changes = ADOPTED, {FILE: "written"}
    outcome.notes.append(f"{share:.0%} of the template's files match {outcome.now}")
    return outcome


def _from_history(bench: Workbench, objects: Objects, commit: str) -> dict[str, object]:
    """The answers in the newest commit that had a valid file."""
    newest = bench.releases.get(bench.releases.newest)
    for _ in range(FURTHEST):
        try:
            last = bench.planner.read_answers(objects, objects.commit_tree(commit))
            bench.planner.check_answers(last, newest)
            return {name: value for name, value in last.items() if name[:1] != "_"}
        except CohortError:
            pass
        try:
            lines = objects.read(commit, "commit", LARGEST_COMMIT).split(b"\n")
        except CohortError:
            break  # the history was fetched only so far
        parents = [line for line in lines if line.startswith(b"parent ")]
        if not parents:
            break
        commit = parents[0].removeprefix(b"parent ").decode("ascii", "replace")
    return {}


def _fit(
    bench: Workbench, name: str, answers: dict[str, object], objects: Objects, tree: str
) -> tuple[float, Rendering | None]:
    """How much of what a release writes, with these answers, is in the project as written."""
    release: Release = bench.releases.get(name)
    known = {key: value for key, value in answers.items() if key in release.shared.questions_data}
    try:
        made = Rendering(release, bench.class_.template_url, Answers(known), "copy")
    except CohortError:
        return 0.0, None
    paths = [path for path in made.sources if path != answers_file.FILE]
    same = sum(
        (entry := objects.find(tree, path)) is not None and entry[1] == blob_id(made.content(path))
        for path in paths
    )
    return same / max(1, len(paths)), made
