"""No student's line is lost: a claim about random histories of both sides, driven through the real engine."""

import re
import shutil
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from cohort.classroom.config import load
from cohort.classroom.outcome import CLEAN, CONFLICT, Outcome
from cohort.classroom.roster import Student, read_roster
from cohort.git import process
from cohort.projects.verify import VERIFIED, verify
from cohort.projects.workbench import Job, Workbench
from cohort.template.releases import Releases
from tests.cohort.projects.histories import (
    OWN,
    Files,
    Side,
    first_release,
    is_binary,
    owned,
    read_files,
    work,
    write_project,
    write_template,
)
from tests.support.classes import Cohort, git, make_class

BRANCH = "template/v2.0.0"
STUDENTS = 5  # with the same template: a history of it costs more than one of a student's
SEEDS, OF_THE_COMMAND, LONG_SEEDS = range(12), range(100, 103), range(1_000, 1_100)
# Histories: what is tried in the default suite, and in `nox -s long`.
SUITE, LONG = STUDENTS * (len(SEEDS) + len(OF_THE_COMMAND)), STUDENTS * len(LONG_SEEDS)
STUDENTS_MARK = re.compile(rb"student\d*-\d+\.")
TEMPLATES_MARK = re.compile(rb"template-\d+\.")


@dataclass(frozen=True)
class History:
    """The same files before, on either side, and in the branch that cohort made."""

    base: Files
    theirs: Files
    ours: Files
    branch: Files
    outcome: Outcome

    @property
    def words(self) -> str:
        conflicts = [f"{one['path']}: {one['what']}" for one in self.outcome.conflicts]
        return "\n".join([*conflicts, *self.outcome.notes])


def lines_with(mark: re.Pattern[bytes], files: Files) -> Counter[bytes]:
    found: Counter[bytes] = Counter()
    for file in files.values():
        for line in file.content.split(b"\n"):
            if mark.search(line) and not is_binary(file.content):
                found[line.removesuffix(b"\r")] += 1
    return found


def alike(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def lost(at: History) -> list[str]:
    """What the student wrote and the branch does not have."""
    kept = lines_with(STUDENTS_MARK, at.branch)
    missing = lines_with(STUDENTS_MARK, at.ours) - kept
    found = [f"lost: {line!r}" for line in missing]
    contents = {file.content for file in at.branch.values()}
    marks = [STUDENTS_MARK.findall(content) for content in contents]
    before = {file.content for file in at.base.values()}
    for path, file in at.ours.items():
        if is_binary(file.content) and file.content not in before | contents:
            found.append(f"lost: the bytes of {path}")
        mine = STUDENTS_MARK.findall(file.content)
        together = any([one for one in there if one in mine] == mine for there in marks)
        if not is_binary(file.content) and not together:
            found.append(f"torn apart: the lines of {path}")
    return found


def touched(at: History) -> list[str]:
    """The student's own files that are not as they were."""
    found = []
    for path, file in at.ours.items():
        own = owned(path) or file.content.startswith(OWN)
        if own and at.branch.get(path) != file:
            found.append(f"touched: {path}")
        if path in at.base and at.base[path] == at.theirs.get(path) and at.branch.get(path) != file:
            found.append(f"touched, though the template changed nothing: {path}")
    return found


def missing(at: History) -> list[str]:
    """What neither side deleted, and yet is not there."""
    gone = at.ours.keys() - at.branch.keys()
    found = [f"missing: {path}" for path in gone if path not in at.base or path in at.theirs]
    for path, file in at.theirs.items():
        deleted = path in at.base and path not in at.ours
        named = path in at.words or re.search(r" and \d+ more", at.words)
        if path not in at.branch and not deleted and not named:
            found.append(f"missing, and not a word on it: {path}")
        untouched = path in at.ours and at.ours[path] == at.base.get(path) and not owned(path)
        if untouched and at.branch.get(path) != file:
            found.append(f"not updated, though the student changed nothing: {path}")
    if not at.words:
        news = {path: file for path, file in at.theirs.items() if not owned(path)}
        lines = lines_with(TEMPLATES_MARK, news) - lines_with(TEMPLATES_MARK, at.branch)
        found += [f"not a word on the template's {line!r}" for line in lines]
    names = Counter(alike(path) for path in at.branch)
    for side in (at.theirs, at.ours):
        names -= Counter({name: n - 1 for name, n in Counter(map(alike, side)).items()})
    found += [f"one file on Windows: {name}" for name, count in names.items() if count > 1]
    return found


def untrue(at: History) -> list[str]:
    """Words that are not so, or not for an instructor."""
    found = []
    if (at.outcome.state == CONFLICT) != bool(at.outcome.conflicts):
        found.append(f"state {at.outcome.state} with {len(at.outcome.conflicts)} conflicts")
    paths = [one["path"] for one in at.outcome.conflicts]
    found += [f"named twice: {path}" for path, count in Counter(paths).items() if count > 1]
    contents = {file.content for file in at.ours.values()}
    for one in at.outcome.conflicts:
        # Where it is only in the way of another one, it may have been merged itself.
        path, in_the_way = one["path"], "left out" in one["what"] and one["path"] in at.ours
        kept = path in at.branch and (in_the_way or at.branch[path].content in contents)
        if not kept:
            found.append(f"a conflict without the student's file: {path}")
    if re.search(r"\byou(rs?)?\b|[Dd]elete it", at.words):
        found.append(f"no words for an instructor: {at.words}")
    return found + untrue_about_files(at)


def untrue_about_files(at: History) -> list[str]:
    found = []
    for one in at.outcome.conflicts:
        path, what = one["path"], one["what"]
        gone = re.match(r"the template no longer has (?:this file|(.+?), which)", what)
        name = (gone[1] or path) if gone else ""
        if gone and (name in at.theirs or name not in at.base):
            found.append(f"no longer has {name}? {what}")
        if "changed the same lines" in what and "renamed" not in what:
            sides = [side.get(path) for side in (at.base, at.theirs, at.ours)]
            if None in sides or len({side.content for side in sides if side}) < 3:
                found.append(f"the same lines of {path}? {what}")
    for note in at.outcome.notes:
        stays = re.match(r"(.+) stays deleted", note)
        if stays and (stays[1] in at.branch or stays[1] in at.ours or stays[1] not in at.base):
            found.append(f"deleted? {note}")
    return found


def complaints(at: History) -> list[str]:
    if at.outcome.state not in (CLEAN, CONFLICT):
        return [f"{at.outcome.state}: {at.outcome.message}"]
    return [*lost(at), *touched(at), *missing(at), *untrue(at)]


class Histories:
    """A class in which one template's history meets several students'."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed, self.template = folder, seed, folder / "template"
        self.base = first_release(str(seed))
        self.theirs = work("template", str(seed), self.base)
        write_template(self.template, self.base, self.theirs.files)
        self.students: dict[str, Side] = {}
        for number in range(STUDENTS):
            side = work(f"student{number}", str(seed), self.base)
            self.students[side.name] = side
            write_project(folder / "class" / "students" / side.name, self.template, side.files)
        self.class_ = make_class(folder / "class", self.template, list(self.students))

    def history(self, outcome: Outcome) -> History:
        name = outcome.student
        project = self.class_ / "students" / name
        has_branch = (project / "refs" / "heads" / BRANCH).exists()
        branch = read_files(project, BRANCH) if has_branch else {}
        return History(self.base, self.theirs.files, self.students[name].files, branch, outcome)

    def complaints(self, outcomes: dict[str, Outcome]) -> list[str]:
        """What is wrong, each with the edits that led to it."""
        said = []
        for name, outcome in outcomes.items():
            found = complaints(self.history(outcome))
            if found:
                said += [f"\nseed {self.seed}, {name}", *(f"  {one}" for one in found)]
                said += [f"  template: {edit}" for edit in self.theirs.log if edit]
                said += [f"  student:  {edit}" for edit in self.students[name].log if edit]
                said += [f"  said:     {line}" for line in self.history(outcome).words.split("\n")]
        return said


def run_engine(histories: Histories) -> list[str]:
    """Update and verify every student in this process; returns what is wrong."""
    class_ = load(histories.class_)
    process.prepare(class_.home)
    releases = Releases(class_)
    releases.fetch()
    bench = Workbench(class_, releases)
    try:
        students = read_roster(class_).students
        outcomes = {one.name: bench.do(one, Job("v2.0.0", write=True)) for one in students}
        said = histories.complaints(outcomes)
        return said + [
            f"{one.name}: not verified" for one in students if not is_verified(bench, one)
        ]
    finally:
        bench.close()


def is_verified(bench: Workbench, student: Student) -> bool:
    return verify(bench, student, "v2.0.0").state == VERIFIED


@pytest.mark.parametrize("seed", SEEDS)
def test_no_line_is_lost(tmp_path: Path, seed: int) -> None:
    said = run_engine(Histories(tmp_path, seed))
    assert not said, "\n".join(said)


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_no_line_is_lost_in_five_hundred_histories(tmp_path: Path, part: int) -> None:
    for seed in LONG_SEEDS[part::10]:
        said = run_engine(Histories(tmp_path / str(seed), seed))
        assert not said, "\n".join(said)
        shutil.rmtree(tmp_path / str(seed))


@pytest.mark.parametrize("seed", OF_THE_COMMAND)
def test_the_command_loses_no_line(cohort: Cohort, tmp_path: Path, seed: int) -> None:
    histories = Histories(tmp_path, seed)
    said = cohort(histories.class_, "update", "--json")
    fields = Outcome.__dataclass_fields__
    outcomes = {
        name: Outcome(**{key: value for key, value in one.items() if key in fields})
        for name, one in said.projects.items()
    }
    wrong = histories.complaints(outcomes)
    assert not wrong, "\n".join(wrong)
    assert cohort(histories.class_, "verify").code == 0
    for name in outcomes:
        git(histories.class_ / "students" / name, "fsck", "--strict")
