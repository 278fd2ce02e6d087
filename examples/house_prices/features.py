"""Your two doors into the pipeline: clean() and engineer(). Change them; they are yours.

Both take a table and return a table. Both also run on new rows without a price, for predictions.
Missing values, categories, dates and scaling are not your work here: the pipeline does them later,
with what it learned from the training part alone.
"""

import pandas as pd


def clean(table: pd.DataFrame) -> pd.DataFrame:
    """Mend what is wrong in the table. What can't be mended becomes a missing value."""
    # A copy: the table that came in stays as it was.
    table = table.copy()

    # " gas", "Gas" and "gas" are one heating: no spaces around, small letters.
    # (The question with "if" is for new data in which the whole column is empty.)
    if pd.api.types.is_string_dtype(table["heating"]):
        table["heating"] = table["heating"].str.strip().str.lower()

    # No house has -1 square metres, none was built in 9999: someone's way to write "unknown".
    # where() keeps a value where the condition holds and makes it missing elsewhere.
    table["living_area_m2"] = table["living_area_m2"].where(table["living_area_m2"] > 0)
    table["year_built"] = table["year_built"].where(table["year_built"].between(1700, 2100))

    # The same house typed in twice would sit in training and in test. This comes last, because
    # two rows may differ only in a spelling. No reset_index: row numbers lead back to the file.
    return table.drop_duplicates()


def engineer(table: pd.DataFrame) -> pd.DataFrame:
    """Add columns made from the row's own columns.

    Never use a mean or a maximum over the table: test rows would leak into training.
    """
    table = table.copy()

    # Large rooms or cramped ones? Buyers feel the ratio more than either number.
    table["area_per_room_m2"] = table["living_area_m2"] / table["rooms"]

    # From 0 to 1 kilometre the price falls fast, from 10 to 11 hardly: a curve says it better.
    table["closeness"] = 1 / (1 + table["distance_km"])

    # The same closeness is worth more to a large house: a product lets two columns work together.
    table["area_times_closeness"] = table["living_area_m2"] * table["closeness"]

    return table
