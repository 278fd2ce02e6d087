"""Your two doors into the pipeline: clean() and engineer(). Change them; they are yours.

Both take a table and return a table. Both also run on new rows without an outcome, for predictions.
Missing values, categories, dates and scaling are not your job here: the pipeline handles them later,
with what it learned from the training part only. Copies of a row are dropped after clean().

A table is a pandas table in `capstone run`, and plain arrays when the model is served, which is faster. Both support
arithmetic, comparisons and np.where(condition, this, else that); `capstone run` reports when a step needs pandas.
"""

import numpy as np

from capstone import Table, tidy_text


def clean(table: Table) -> Table:
    """Fix what is wrong in the table. What can't be fixed becomes a missing value."""
    # A copy: the original table stays unchanged.
    table = table.copy()

    # " health", "Health" and "health" are one programme: no spaces around, small letters.
    table["programme"] = tidy_text(table["programme"], lower=True)

    # Nobody attends 999 percent or studies 200 hours in a week of 168: typing errors.
    # np.where keeps a value where the condition holds and makes it missing (nan) elsewhere.
    attends, studies = table["attendance_percent"], table["study_hours"]
    table["attendance_percent"] = np.where((attends >= 0) & (attends <= 100), attends, np.nan)
    table["study_hours"] = np.where((studies >= 0) & (studies <= 168), studies, np.nan)

    return table


def engineer(table: Table) -> Table:
    """Add columns made from the row's own columns.

    Never use a mean or a maximum over the table: test rows would leak into training.
    """
    table = table.copy()

    # Hours that are taken each week: the job, and the way to five days of classes and back.
    table["busy_hours"] = table["job_hours"] + table["commute_minutes"] * 2 * 5 / 60

    # Does the student study more than work? The + 1 keeps students without a job finite.
    table["study_per_job_hour"] = table["study_hours"] / (table["job_hours"] + 1)

    return table
