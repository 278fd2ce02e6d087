"""`cohort report`."""

from __future__ import annotations

from dataclasses import asdict

from cohort.classroom.config import load
from cohort.classroom.roster import read_roster
from cohort.commands.options import ReportOptions
from cohort.output import tables
from cohort.projects.report import read_row, write_page
from cohort.projects.session import fetch, session
from cohort.projects.workbench import Workbench


def report_class(options: ReportOptions) -> int:
    """The page of the class; as JSON, what is on it."""
    class_ = load(options.folder)
    roster = read_roster(class_, options.only)
    students = roster.students
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
        tables.print_json([asdict(row) for row in rows], roster)
        return roster.exit_code
    write_page(options.html, release.name, rows)
    helped = sum(bool(row.help) for row in rows)
    tables.print_problems(roster.problems)
    print(f"Wrote {options.html}: {len(rows)} projects, {helped} may need help.")
    return roster.exit_code
