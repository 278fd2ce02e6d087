"""The decisions of docs/decisions/, one a file, and the page that lists them all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from site_tools.project import ROOT

FOLDER = ROOT / "docs" / "decisions"
# How each file begins; superseded: by which number, and in which file.
HEAD = re.compile(
    r"# (?P<number>\d{4}): (?P<title>.+)\n\n"
    r"- Status: (?:accepted|superseded by \[(?P<by>\d{4})\]\((?P<by_file>[\w-]+\.md)\))\n"
    r"- Date: (?P<date>\d{4}-\d\d-\d\d)\n"
    r"- About: (?P<area>\w+)\n\n"
)
# What a decision may be about: the engine's rooms, and the other parts of the repository, in the order of the page.
AREAS = {
    "engine": "The engine as a whole",
    "core": "Settings",
    "data": "Data",
    "training": "Training",
    "evaluation": "Evaluation",
    "runs": "Runs",
    "serving": "Serving",
    "export": "Export",
    "reporting": "Reports and cards",
    "streaming": "Tables larger than memory",
    "checks": "Checks",
    "commands": "Commands",
    "template": "Questions and files of the template",
    "cohort": "cohort",
    "sims": "The sims",
    "site": "The site",
    "benchmarks": "Benchmarks",
}
TOP = """# Decisions

Why it is as it is: one page for each choice that someone might question. Code cites a decision by its number. A
superseded one stays, with what was measured, and says which has taken its place. "House plan" is the design that the
project started from; where building showed it wrong, a decision says so.
"""


@dataclass(frozen=True)
class Decision:
    """What stands at the top of a decision's file; `by` is the number of the decision that has replaced it, if any."""

    file: str
    number: str
    title: str
    date: str
    area: str
    by: str | None
    by_file: str | None


def read(path: Path) -> Decision:
    """One decision. ValueError where the file does not begin as all do."""
    head = HEAD.match(path.read_text(encoding="utf-8"))
    if head is None or head["area"] not in AREAS or head["number"] != path.name[:4]:
        raise ValueError(
            f"docs/decisions/{path.name} must begin with its number and title, and then Status, Date and About as "
            f"the others do; About is one of {', '.join(AREAS)}"
        )
    return Decision(path.name, **head.groupdict())


def load() -> list[Decision]:
    """All decisions, in the order of their numbers."""
    return [read(path) for path in sorted(FOLDER.glob("*.md"))]


def page() -> str:
    """The list of all decisions, a table for each area."""
    decisions, parts = load(), [TOP]
    for area, heading in AREAS.items():
        rows = [_row(one) for one in decisions if one.area == area]
        if rows:
            head = ["| number | decision | date | status |", "| --- | --- | --- | --- |"]
            parts.append("\n".join([f"## {heading}\n", *head, *rows, ""]))
    return "\n".join(parts)


def _row(one: Decision) -> str:
    status = f"superseded by [{one.by}]({one.by_file})" if one.by else "accepted"
    return f"| {one.number} | [{one.title}]({one.file}) | {one.date} | {status} |"
