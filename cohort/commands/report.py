"""`cohort report`."""

from __future__ import annotations

import json
from dataclasses import asdict

from cohort.classroom.config import load
from cohort.commands.options import ReportOptions
from cohort.output import tables
from cohort.output.text import count_of
from cohort.projects.report import read_row, write_page
from cohort.projects.session import fetch, session
from cohort.projects.workbench import Workbench


def report_class(options: ReportOptions) -> int:
    """The page of the class; as JSON, what is on it."""
    class_ = load(options.folder)
    students = class_.students(options.only)
    with session(class_) as at, tables.progress("Reading", len(students), options.json) as advance:
        release = at.releases.get(options.to or at.releases.newest)
        fetch(class_, students)
        bench = Workbench(class_, at.releases)
        rows = []
        for student in students:
            rows.append(read_row(bench, student, release.name, options.checks))
            advance(student)
        bench.close()
    if options.json:
        print(json.dumps({"projects": [asdict(row) for row in rows]}, indent=2))
        return 0
    write_page(options.html, release.name, rows)
    helped = sum(bool(row.help) for row in rows)
    print(
        f"Wrote {options.html}: {count_of(len(rows), 'project')}, {helped} may need help. "
        "Next: open it in a browser."
    )
    return 0
