"""`cohort report`."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from cohort.classroom.config import load
from cohort.classroom.outcome import ERROR, REFUSED
from cohort.classroom.roster import read_roster
from cohort.commands.options import ReportOptions
from cohort.output import tables
from cohort.projects.report import failed_row, read_row, write_page
from cohort.projects.session import Task, over_class, session


def report_class(options: ReportOptions) -> int:
    """The page of the class; as JSON, what is on it."""
    class_ = load(options.folder)
    roster = read_roster(class_, options.only)
    students = roster.students
    with session(class_) as at, tables.progress("Reading", len(students), options.json) as advance:
        release = at.releases.get(options.to or at.releases.newest)
        task = Task(partial(read_row, release.name, options.checks), failed_row)
        rows = over_class(at, students, task, options.jobs, advance)
    states = {row.state for row in rows}
    code = 4 if REFUSED in states else 3 if ERROR in states else 0
    if options.json:
        tables.print_json([asdict(row) for row in rows], roster)
        return max(code, roster.exit_code)
    write_page(options.html, release.name, rows)
    helped = sum(bool(row.help) for row in rows)
    tables.print_problems(roster.problems)
    print(f"Wrote {options.html}: {len(rows)} projects, {helped} may need help.")
    return max(code, roster.exit_code)
