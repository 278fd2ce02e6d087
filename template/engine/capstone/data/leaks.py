"""Columns that give the target away: known only afterwards, or another word for it."""

from __future__ import annotations

import pandas as pd
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from capstone.core.settings import Data
from capstone.data.kinds import column_kind, column_role, looks_like_id

LEAK = 0.98  # a single column that scores this much nearly determines the target
FEWEST_ROWS, MOST_ROWS, MOST_COLUMNS = 20, 2000, 300  # looked at
LARGEST_FLOAT32 = 1e30  # what a tree can hold and add up


def suspected_leaks(table: pd.DataFrame, target: pd.Series, data: Data) -> dict[str, float]:
    """Columns that predict the target nearly alone.

    At most 2,000 rows and 300 columns are looked at, so that wide tables take seconds.

    Parameters
    ----------
    table : DataFrame
        All columns, as they were read.
    target : Series
        The target of some rows of the table, without missing values.
    data : Data
        Section [data] of the settings: only features are suspected.

    Returns
    -------
    dict of str to float
        Each column's cross-validated score of a small tree: R² for regression, balanced accuracy for classes.
    """
    if len(target) > MOST_ROWS:
        target = target.sample(MOST_ROWS, random_state=0)
    if len(target) < FEWEST_ROWS or target.nunique() < 2:
        return {}
    regression = data.problem == "regression"
    tree = (DecisionTreeRegressor if regression else DecisionTreeClassifier)(
        max_depth=6, random_state=0
    )
    truth = target.astype("float64") if regression else target.astype(str)
    if not regression and truth.value_counts().min() < 3:
        return {}
    scoring = "r2" if regression else "balanced_accuracy"
    leaks = {}
    features = [name for name in table if column_role(str(name), data) == "feature"]
    for name in features[:MOST_COLUMNS]:
        column = table.loc[target.index, name]
        kind = column_kind(column, data.date_format)
        if kind in ("empty", "text") or looks_like_id(column, kind):
            continue
        numbers = (
            column.astype("float64") if kind == "number" else pd.Series(pd.factorize(column)[0])
        )
        inputs = numbers.where(numbers.abs() < LARGEST_FLOAT32).to_numpy().reshape(-1, 1)
        score = float(cross_val_score(tree, inputs, truth, cv=3, scoring=scoring).mean())
        if score >= LEAK:
            leaks[str(name)] = score
    return leaks
