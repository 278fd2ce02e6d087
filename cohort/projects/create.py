"""`cohort create`: one repository per row of the roster, completely or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from cohort.classroom.outcome import Outcome
from cohort.classroom.roster import Student
from cohort.classroom.stores import Remote
from cohort.errors import CohortError, RefusedError
from cohort.git import process
from cohort.git.writing import File, write_commit, write_files
from cohort.projects.workbench import Workbench
from cohort.template.releases import Release
from cohort.template.rendering import Answers, Rendering

CREATED, EXISTS = "created", "exists"


def render(
    bench: Workbench,
    student: Student,
    release: Release,
    earlier: Mapping[str, object] | None = None,
    operation: Literal["copy", "update"] = "copy",
) -> Rendering:
    """Render a student's project. The roster's answers override earlier ones; CohortError if they don't fit."""
    given, url = student.answers(release.shared.questions_data), bench.class_.template_url
    try:
        return Rendering(release, url, Answers(earlier or {}, given), operation)
    except RefusedError:
        raise
    except CohortError as error:
        raise CohortError(f"line {student.line} of the roster: {error}") from None


def create(bench: Workbench, student: Student, release: Release, bare: bool) -> Outcome:
    """Create one repository with one commit on its branch main."""
    outcome = Outcome(student.name, EXISTS, to=release.name, branch="main")
    target, store = Path(student.repository), None
    if student.is_remote:
        store = Remote(bench.class_, student)
        exists = store.has_branches()
    else:
        exists = os.path.lexists(target)
    if exists:
        outcome.message = f"{student.repository} exists, and stays as it is"
        return outcome
    fresh = render(bench, student, release)
    message = f"Start from the template, {release.name}\n"
    if store is not None:
        process.make_bare(store.folder)
        outcome.commit = _commit(store.folder, fresh, release, message)
        store.move("main", outcome.commit, None)
    else:
        outcome.commit = _create_local(bench, fresh, release, target, bare, message)
    outcome.state, outcome.wrote, outcome.now = CREATED, True, release.name
    return outcome


def _commit(folder: Path, fresh: Rendering, release: Release, message: str) -> str:
    # One file after the other: a whole project in memory would be another two megabytes.
    files = ((path, File(fresh.mode(path), fresh.content(path))) for path in fresh.sources)
    return write_commit(folder, write_files(folder, files), author=release.author, message=message)


def _create_local(
    bench: Workbench, fresh: Rendering, release: Release, target: Path, bare: bool, message: str
) -> str:
    """Write the repository beside its place, then move it there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        folder = process.make_bare(beside if bare else beside / ".git")
        commit = _commit(folder, fresh, release, message)
        (folder / "refs" / "heads" / "main").write_text(f"{commit}\n", encoding="ascii")
        (folder / "HEAD").write_text("ref: refs/heads/main\n", encoding="ascii")
        if not bare:
            config = (
                "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tlogallrefupdates = true\n"
            )
            (folder / "config").write_text(config, encoding="ascii", newline="\n")
            command = ("read-tree", "-u", "--reset", commit)
            process.run(
                bench.class_.home,
                *command,
                git_dir=folder,
                env={"GIT_WORK_TREE": str(beside)},
            )
        beside.rename(target)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return commit
