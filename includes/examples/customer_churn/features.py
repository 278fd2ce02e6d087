"""Your two doors into the pipeline: clean() and engineer(). Change them; they are yours.

Both take a table and return a table. Both also run on new rows without the answer, for predictions.
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

    # " monthly", "Monthly" and "monthly" are one contract: no spaces around, small letters.
    table["contract"] = tidy_text(table["contract"], lower=True)

    # A fee of -1, a satisfaction of 99 (asked from 1 to 10): someone's way to write "unknown".
    # np.where keeps a value where the condition holds and makes it missing (nan) elsewhere.
    fee, asked = table["monthly_fee_eur"], table["satisfaction"]
    table["monthly_fee_eur"] = np.where(fee >= 0, fee, np.nan)
    table["satisfaction"] = np.where((asked >= 1) & (asked <= 10), asked, np.nan)

    return table


def engineer(table: Table) -> Table:
    """Add columns made from the row's own columns.

    Never use a mean or a maximum over the table: test rows would leak into training.
    """
    table = table.copy()

    # Does the use suit the fee? Their ratio shows it; neither column does alone.
    table["gb_per_eur"] = table["data_gb"] / (table["monthly_fee_eur"] + 1)  # + 1: a fee may be 0

    # Calls that left a customer unhappy: a product lets two columns work together.
    table["trouble"] = table["support_calls"] * (10 - table["satisfaction"])

    return table
