"""Your two doors into the pipeline: clean() and engineer(). Change them; they are yours.

Both take a table and return a table. Both also run on new rows without an outcome, for predictions.
Missing values, categories, dates and scaling are not your work here: the pipeline does them later,
with what it learned from the training part alone.
"""

import pandas as pd


def clean(table: pd.DataFrame) -> pd.DataFrame:
    """Mend what is wrong in the table. What can't be mended becomes a missing value."""
    # A copy: the table that came in stays as it was.
    table = table.copy()

    # " health", "Health" and "health" are one programme: no spaces around, small letters.
    # (The question with "if" is for new data in which the whole column is empty.)
    if pd.api.types.is_string_dtype(table["programme"]):
        table["programme"] = table["programme"].str.strip().str.lower()

    # Nobody attends 999 percent or studies 200 hours in a week of 168: typing errors.
    # where() keeps a value where the condition holds and makes it missing elsewhere.
    attendance = table["attendance_percent"]
    table["attendance_percent"] = attendance.where(attendance.between(0, 100))
    table["study_hours"] = table["study_hours"].where(table["study_hours"].between(0, 168))

    # The same student listed twice would sit in training and in test. This comes last, because
    # two rows may differ only in a spelling. No reset_index: row numbers lead back to the file.
    return table.drop_duplicates()


def engineer(table: pd.DataFrame) -> pd.DataFrame:
    """Add columns made from the row's own columns.

    Never use a mean or a maximum over the table: test rows would leak into training.
    """
    table = table.copy()

    # Hours that are spoken for each week: the job, and the way to five days of classes and back.
    table["busy_hours"] = table["job_hours"] + table["commute_minutes"] * 2 * 5 / 60

    # Does the student study more than work? The + 1 keeps students without a job finite.
    table["study_per_job_hour"] = table["study_hours"] / (table["job_hours"] + 1)

    return table
