"""`cohort report`."""

from __future__ import annotations

import json
from dataclasses import asdict

from cohort.classroom.config import load
from cohort.classroom.teams import Teams, once
from cohort.commands.options import ReportOptions
from cohort.forge.pull_requests import PullRequests
from cohort.output import tables
from cohort.projects.report import needs_help, read_row, write_page
from cohort.projects.session import fetch, session
from cohort.projects.workbench import Workbench


def report_class(options: ReportOptions) -> int:
    """The page of the class; as JSON, what is on it."""
    class_ = load(options.folder)
    teams = Teams(class_.students(options.only))
    students = teams.first
    with session(class_) as at, tables.progress("Reading", len(students), options.json) as advance:
        release = at.releases.get(options.to or at.releases.newest)
        fetch(class_, students)
        with PullRequests(class_, at.ledger) as requests:
            requests.refresh(students, class_.branches)
        bench = Workbench(class_, at.releases)
        read = {}
        for student in students:
            row = read_row(bench, student, release.name, options.checks)
            row.pull_request = requests.newest(student, class_.branches)
            row.help = needs_help(row)
            read[student.name] = row
            advance(student)
        bench.close()
    rows = teams.rows(read)
    if options.json:
        print(json.dumps({"projects": [asdict(row) for row in rows]}, indent=2))
        return 0
    write_page(options.html, release.name, rows)
    counted = once(rows)  # a team's repository once
    helped = sum(bool(row.help) for row in counted)
    print(f"Wrote {options.html}: {len(counted)} projects, {helped} may need help.")
    return 0
