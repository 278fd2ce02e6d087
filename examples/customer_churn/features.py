"""Your two doors into the pipeline: clean() and engineer(). Change them; they are yours.

Both take a table and return a table. Both also run on new rows without the answer, for predictions.
Missing values, categories, dates and scaling are not your work here: the pipeline does them later,
with what it learned from the training part alone.
"""

import pandas as pd


def clean(table: pd.DataFrame) -> pd.DataFrame:
    """Mend what is wrong in the table. What can't be mended becomes a missing value."""
    # A copy: the table that came in stays as it was.
    table = table.copy()

    # " monthly", "Monthly" and "monthly" are one contract: no spaces around, small letters.
    # (The question with "if" is for new data in which the whole column is empty.)
    if pd.api.types.is_string_dtype(table["contract"]):
        table["contract"] = table["contract"].str.strip().str.lower()

    # A fee of -1, a satisfaction of 99 (asked from 1 to 10): someone's way to write "unknown".
    # where() keeps a value where the condition holds and makes it missing elsewhere.
    table["monthly_fee_eur"] = table["monthly_fee_eur"].where(table["monthly_fee_eur"] >= 0)
    table["satisfaction"] = table["satisfaction"].where(table["satisfaction"].between(1, 10))

    # The same customer exported twice would sit in training and in test. This comes last, because
    # two rows may differ only in a spelling. No reset_index: row numbers lead back to the file.
    return table.drop_duplicates()


def engineer(table: pd.DataFrame) -> pd.DataFrame:
    """Add columns made from the row's own columns.

    Never use a mean or a maximum over the table: test rows would leak into training.
    """
    table = table.copy()

    # Does the use suit the fee? A ratio says it; neither column does alone.
    table["gb_per_eur"] = table["data_gb"] / (table["monthly_fee_eur"] + 1)  # + 1: a fee may be 0

    # Calls that left a customer unhappy: a product lets two columns work together.
    table["trouble"] = table["support_calls"] * (10 - table["satisfaction"])

    return table
