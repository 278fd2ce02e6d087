"""`cohort report`: one page of the class, from what students committed. Nothing of theirs is run."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cohort.classroom.check_notes import parse, read_note
from cohort.classroom.outcome import (
    CONFLICT,
    CURRENT,
    ERROR,
    MISSING,
    REFUSED,
    PullRequest,
    word_for,
)
from cohort.classroom.roster import Student
from cohort.classroom.stores import Local, Remote, open_store
from cohort.errors import CohortError
from cohort.git.objects import LARGEST_COMMIT, Objects, reading
from cohort.output.links import web_address
from cohort.output.pages import page
from cohort.projects.audit import audit
from cohort.projects.isolation import failure
from cohort.projects.workbench import Job, Workbench
from cohort.template import answers
from cohort.text import count_of

CARD, ETHICS = "docs/model_card.md", "docs/data_ethics.md"
OPEN_QUESTION = "[More Information Needed]"
LARGEST = 256 << 10
LONGEST_NAME = 100
QUIET_DAYS = 14
DEEPEST = 12
COLUMNS = (
    *("Student", "May need help", "Release", "Next update", "Newest commit"),
    *("Scores", "Card: unanswered", "Ethics: ticked", "Checks", "Protected files"),
)
WIDTHS = (13, 13, 6, 17, 8, 12, 8, 7, 8, 8)  # percent
BOX = re.compile(
    r"^[ \t]*+[-*] \[([ xX])\]", re.MULTILINE
)  # no \s: it would run on over empty lines
# The sentence that `capstone card` writes above the table of scores.
AGAINST = re.compile(
    r"^(?:\*\*Not every simpler model is beaten\.\*\* )?"
    r"By [^,\n]{1,60}, (the network is [^\n]{1,300})\. On [\d,]{1,20} test rows:$",
    re.MULTILINE,
)
FRONT = re.compile(r"\A---\r?\n(.*?\n)---\r?\n", re.DOTALL)


@dataclass
class Row:
    """A line of the report."""

    student: str
    author: str = ""
    repository: str = ""  # where a browser finds it; empty for a folder on this disk
    state: str = CURRENT
    word: str = ""
    release: str = ""
    committed: float = 0.0  # seconds since 1970, of the newest commit
    changed: list[str] = field(default_factory=list)  # protected files of ours
    ticked: int = 0
    boxes: int = 0
    open_questions: int | None = None
    scores: list[str] = field(default_factory=list)
    against: str = ""  # the baselines, as the card says
    checks: list[str] | None = None  # what `capstone check --json` found open; None: no result
    checks_older: bool = False  # CI checked an older commit
    help: list[str] = field(default_factory=list)
    message: str = ""
    pull_request: PullRequest | None = None  # of the newest update that has one
    same_as: str = ""  # the student of the same team whose row stands for this repository

    def judged(self) -> Row:
        """The same, with the words for its state and the reasons to help."""
        self.word = word_for(self.state)
        self.help = _needs_help(self)
        return self


def read_row(to: str, checks: Path | None, bench: Workbench, student: Student) -> Row:
    """Everything that the page says of one student."""
    row = Row(student.name)
    try:
        plan = bench.do(student, Job(to))
        row.state, row.release = plan.state, plan.now
        row.message = "; ".join(f"{one['path']}: {one['what']}" for one in plan.conflicts)
    except (CohortError, OSError) as error:  # the rest of the row may be read all the same
        row.state, row.message = failure(error, student.name)
    try:
        store = open_store(bench.class_, student)
        with reading(bench.class_.home, bench.place.scratch, store.objects) as objects:
            _read_commit(objects, store.head().commit, row)
            row.author = _author(bench, objects, store.head().commit)
            row.checks = _read_checks(checks, student.name)
            if row.checks is None:
                _read_note(objects, store, row)
        row.changed = [one["path"] for one in audit(bench, student).conflicts]
    except (CohortError, OSError) as error:
        row.message = row.message or failure(error, student.name)[1]
    return row.judged()


def failed_row(student: str, state: str, *, message: str) -> Row:
    """The row of a student with whom something went wrong."""
    return Row(student, state=state, message=message).judged()


def complete(row: Row, student: Student) -> None:
    """Add what the roster knows, also of a project that can't be read."""
    row.author = row.author or student.extra.get("author_name", "")
    row.repository = web_address(student.repository)


def _read_commit(objects: Objects, commit: str, row: Row) -> None:
    head = objects.read(commit, "commit", LARGEST_COMMIT)
    header = head.partition(b"\n\n")[0]
    when = re.search(rb"^committer .* (\d{1,12}) [+-]\d{4}$", header, re.MULTILINE)
    row.committed = float(when[1]) if when else 0.0
    tree = objects.commit_tree(commit)
    ethics, card = _text(objects, tree, ETHICS), _text(objects, tree, CARD)
    boxes = BOX.findall(ethics or "")
    row.boxes, row.ticked = len(boxes), sum(box != " " for box in boxes)
    if card is not None:
        row.open_questions = card.count(OPEN_QUESTION)
        row.scores = _scores(card)
        found = AGAINST.search(card)
        row.against = found[1] if found else ""


def _author(bench: Workbench, objects: Objects, commit: str) -> str:
    """Who wrote the project, as its answers file says; empty when it doesn't."""
    try:
        name = bench.planner.read_answers(objects, objects.commit_tree(commit)).get("author_name")
    except CohortError:
        return ""
    return name.strip()[:LONGEST_NAME] if isinstance(name, str) else ""


def _text(objects: Objects, tree: str, path: str) -> str | None:
    entry = objects.find(tree, path)
    if entry is None or entry[0] not in ("100644", "100755"):
        return None
    return objects.read(entry[1], "blob", LARGEST).decode("utf-8", "replace")


def _scores(card: str) -> list[str]:
    """The metrics in a card's front matter (`model-index`, as on the Hugging Face Hub)."""
    found = FRONT.match(card)
    if not found:
        return []
    try:
        front = answers.read_yaml(found[1].encode(), CARD, deepest=DEEPEST)
        results = [one for model in _rows(front, "model-index") for one in _rows(model, "results")]
        metrics = [one for result in results for one in _rows(result, "metrics")]
        return [_score(metric) for metric in metrics[:12]]
    except (CohortError, KeyError, TypeError, ValueError):
        return ["the card's front matter can't be read"]


def _rows(parent: Mapping[object, object], name: str) -> list[dict[object, object]]:
    """What a card lists under a name, each with names of its own. Raises TypeError for anything else."""
    found = parent.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise TypeError(name)
    return found


def _score(metric: Mapping[object, object]) -> str:
    name, value = metric.get("name") or metric["type"], metric["value"]
    shown = f"{value:.3f}" if isinstance(value, float) else str(value)
    return f"{str(name)[:60]}: {shown[:20]}"


def _read_checks(folder: Path | None, student: str) -> list[str] | None:
    """What `capstone check --json` found open, from a file that the instructor put there."""
    path = folder / f"{student}.json" if folder else None
    if path is None or not path.is_file():
        return None
    try:
        return parse(path.read_bytes())
    except CohortError as error:
        return [str(error)]


def _read_note(objects: Objects, store: Local | Remote, row: Row) -> None:
    """What the project's CI left in the repository."""
    try:
        result = read_note(objects, store.notes(), store.head().commit)
    except CohortError as error:
        row.checks = [str(error)]
        return
    if result is not None:
        row.checks, row.checks_older = result.open, not result.current


def _needs_help(row: Row) -> list[str]:
    """Why a person should look at this project."""
    reasons = []
    if row.state in (ERROR, REFUSED):
        reasons.append(row.word)
    if row.state == CONFLICT:
        reasons.append("update needs attention")
    if row.changed:
        reasons.append("changed protected files")
    if row.checks:
        reasons.append(count_of(len(row.checks), "open check"))
    if row.committed and time.time() - row.committed > QUIET_DAYS * 86_400:
        reasons.append(f"no commit for {QUIET_DAYS} days")
    if row.pull_request is not None and row.pull_request.state == MISSING:
        reasons.append("pull request missing")
    return reasons


def write_page(path: Path, to: str, rows: Sequence[Row]) -> None:
    """The page: one file, readable offline."""
    text = page(
        "report.html.jinja",
        to=to,
        rows=rows,
        counts=Counter(row.state for row in rows),
        helped=sum(bool(row.help) for row in rows),
        quiet_days=QUIET_DAYS,
        day=lambda seconds: time.strftime("%Y-%m-%d", time.gmtime(seconds)),
        made=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        columns=COLUMNS,
        widths=WIDTHS,
    )
    path.write_text(text, encoding="utf-8")
