"""Your two doors into the pipeline: clean() and engineer(). Change them; they are yours.

Both take a table and return a table. Both also run on new rows without the target, for predictions.
Missing values, categories, dates and scaling are not your job here: the pipeline handles them later,
with what it learned from the training part only. Copies of a row are dropped after clean().

A table is a pandas table in `capstone run`, and plain arrays when the model is served, which is faster. Both support
arithmetic, comparisons and np.where(condition, this, else that); `capstone run` reports when a step needs pandas.
"""

from capstone import Table, tidy_text


def clean(table: Table) -> Table:
    """Fix what is wrong in the table. What can't be fixed becomes a missing value."""
    # A copy: the original table stays unchanged.
    table = table.copy()

    # "north " and "north" are one word, and a cell of nothing but spaces is a missing value.
    for name in table:
        table[name] = tidy_text(table[name])

    # Your turn: look at the table (`capstone data`), then fix what is wrong in it, for example
    #   unify spellings:            table["region"] = tidy_text(table["region"], lower=True)
    #   impossible becomes missing: table["area"] = np.where(table["area"] > 0, table["area"], np.nan)
    # (np is NumPy: write `import numpy as np` at the top.)

    return table


def engineer(table: Table) -> Table:
    """Add columns made from the row's own columns.

    Never use a mean or a maximum over the table: test rows would leak into training.
    """
    table = table.copy()

    # Your turn: what would an expert look at first? Often a ratio or a product, for example
    #   table["area_per_room"] = table["area"] / table["rooms"]

    return table
