"""`cohort report`."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from cohort.classroom.config import load
from cohort.classroom.outcome import ERROR, REFUSED
from cohort.commands.options import ReportOptions
from cohort.output import tables
from cohort.projects.report import complete, failed_row, read_row, write_page
from cohort.projects.session import Task, over_class, session
from cohort.text import count_of, to_json


def report_class(options: ReportOptions) -> int:
    """The page of the class; as JSON, what is on it."""
    class_ = load(options.folder)
    students = class_.students(options.only)
    with session(class_) as at, tables.progress("Reading", len(students), options.json) as advance:
        release = at.releases.get(options.to or at.releases.newest)
        task = Task(partial(read_row, release.name, options.checks), failed_row)
        rows = over_class(at, students, task, options.jobs, advance)
    for row, student in zip(rows, students, strict=True):
        complete(row, student)
    states = {row.state for row in rows}
    code = 4 if REFUSED in states else 3 if ERROR in states else 0
    if options.json:
        print(to_json({"projects": [asdict(row) for row in rows]}, indent=2))
        return code
    write_page(options.html, release.name, rows)
    helped = sum(bool(row.help) for row in rows)
    print(
        f"Wrote {options.html}: {count_of(len(rows), 'project')}, {helped} may need help. "
        "Next: open it in a browser."
    )
    return code
