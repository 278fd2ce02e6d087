"""Your two doors into the pipeline: clean() and engineer(). Change them; they are yours.

Both take a table and return a table. Both also run on new rows without a price, for predictions.
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

    # " gas", "Gas" and "gas" are one heating: no spaces around, small letters.
    table["heating"] = tidy_text(table["heating"], lower=True)

    # No house has -1 square metres, none was built in 9999: someone's way to write "unknown".
    # np.where keeps a value where the condition holds and makes it missing (nan) elsewhere.
    area, year = table["living_area_m2"], table["year_built"]
    table["living_area_m2"] = np.where(area > 0, area, np.nan)
    table["year_built"] = np.where((year >= 1700) & (year <= 2100), year, np.nan)

    return table


def engineer(table: Table) -> Table:
    """Add columns made from the row's own columns.

    Never use a mean or a maximum over the table: test rows would leak into training.
    """
    table = table.copy()

    # Large rooms or cramped ones? Buyers feel the ratio more than either number.
    table["area_per_room_m2"] = table["living_area_m2"] / table["rooms"]

    # The price falls fast from 0 to 1 kilometre, and hardly at all from 10 to 11: a curve fits better.
    table["closeness"] = 1 / (1 + table["distance_km"])

    # The same closeness is worth more to a large house: a product lets two columns work together.
    table["area_times_closeness"] = table["living_area_m2"] * table["closeness"]

    return table
