"""`cohort report`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from functools import partial

from cohort.classroom.config import load
from cohort.classroom.outcome import ERROR, REFUSED, WORDS, count_of_word
from cohort.classroom.roster import read_roster
from cohort.classroom.teams import Teams, once
from cohort.commands.options import ReportOptions
from cohort.forge.pull_requests import PullRequests
from cohort.output import tables
from cohort.projects.report import complete, failed_row, read_row, write_page
from cohort.projects.session import Task, over_class, session
from cohort.text import count_of

BAD = (REFUSED, ERROR)


def report_class(options: ReportOptions) -> int:
    """Write the page of the class, or print its contents as JSON."""
    class_ = load(options.folder)
    roster = read_roster(class_, options.only)
    teams = Teams(roster.students)
    students = teams.first
    with session(class_) as at, tables.progress("Reading", len(students), options.json) as advance:
        release = at.releases.get(options.to or at.releases.newest)
        task = Task(partial(read_row, release.name, options.checks), failed_row)
        read = over_class(at, students, task, options.jobs, advance)
        with PullRequests(class_, at.ledger) as requests:
            requests.refresh(students, class_.branches)
    for student, row in zip(students, read, strict=True):
        row.pull_request = requests.newest(student, class_.branches)
        complete(row, student)
        row.judged()
    rows = teams.rows(read)
    states = {row.state for row in rows}
    code = 4 if REFUSED in states else 3 if ERROR in states else 0
    if options.json:
        tables.print_json([asdict(row) for row in rows], roster)
        return max(code, roster.exit_code)
    write_page(options.html, release.name, rows)
    counted = once(rows)  # a team's repository once
    helped = sum(bool(row.help) for row in counted)
    tables.print_problems(roster.problems)
    counts = Counter(row.state for row in counted)
    parts = [count_of(len(counted), "project"), f"{helped:,} may need help"]
    parts += [count_of_word(counts[state], WORDS[state]) for state in BAD if counts[state]]
    print(f"Wrote {options.html}: {', '.join(parts)}. Next: open it in a browser.")
    return max(code, roster.exit_code)
