"""Columns that give the target away: known only afterwards, or another word for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from capstone.core.settings import Data
from capstone.data.kinds import column_kind, column_role, find_date_format, looks_like_id, to_dates

LEAK = 0.98  # a single column that scores this much nearly determines the target
FEWEST_ROWS, MOST_ROWS, MOST_COLUMNS = 20, 2000, 300  # looked at
FEWEST_PER_CLASS = 3
LARGEST_FLOAT32 = 1e30  # what a tree can hold and add up
FOLDS = 3
DEPTH, LEAF = 6, 3  # of a tree, and rows in each of its leaves


def suspected_leaks(table: pd.DataFrame, target: pd.Series, data: Data) -> dict[str, float]:
    """Columns that predict the target nearly alone.

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
        Their scores, as `one_column_scores` gives them.
    """
    features = [name for name in table if column_role(str(name), data) == "feature"]
    scores = one_column_scores(table[features], target, data)
    return {name: score for name, score in scores.items() if score >= LEAK}


def one_column_scores(table: pd.DataFrame, target: pd.Series, data: Data) -> dict[str, float]:
    """How well each column predicts the target by itself.

    At most 2,000 rows and 300 columns are looked at, so that wide tables take seconds.

    Parameters
    ----------
    table : DataFrame
        The columns in question.
    target : Series
        The target of some rows of the table, without missing values: numbers, or the class of each row.
    data : Data
        Section [data] of the settings: the problem, and how dates are written.

    Returns
    -------
    dict of str to float
        Cross-validated: R² for regression, balanced accuracy for classes. Ids have none.
    """
    if len(target) > MOST_ROWS:
        target = target.sample(MOST_ROWS, random_state=0)
    if len(target) < FEWEST_ROWS or target.nunique() < 2:
        return {}
    truth = _truth(target, data.problem)
    if truth.shape[1] > 1 and truth.sum(axis=0).min() < FEWEST_PER_CLASS:
        return {}
    folds = _folds(truth)
    scores = {}
    for name in list(table)[:MOST_COLUMNS]:
        column = table.loc[target.index, name]
        kind = column_kind(column, data.date_format)
        if kind == "empty" or (looks_like_id(column, kind) and column.notna().all()):
            continue
        if kind in ("number", "date", "boolean"):
            numbers = _numbers(column, kind, data.date_format)
            predicted = [_by_tree(numbers, truth, folds)]
            if truth.shape[1] == 1:
                predicted.append(_by_line(numbers, truth, folds))
        else:
            # Free text is not used as it is; that there is one, such as a reason for leaving, may say it all.
            words = column.notna() if kind == "text" else column.astype(str)
            predicted = [_by_category(pd.factorize(words, use_na_sentinel=False)[0], truth, folds)]
        scores[str(name)] = max(_score(truth, each) for each in predicted)
    return scores


def _truth(target: pd.Series, problem: str) -> np.ndarray:
    """The numbers as one column, or a column of 0 and 1 for each class."""
    if problem == "regression":
        return target.to_numpy(dtype="float64").reshape(-1, 1)
    codes, classes = pd.factorize(target.astype(str))
    return np.asarray(np.eye(len(classes))[codes])


def _folds(truth: np.ndarray) -> np.ndarray:
    """The fold of each row, drawn at random; each class is spread over all of them."""
    rows = np.random.default_rng(0).permutation(len(truth))
    if truth.shape[1] > 1:
        rows = rows[np.argsort(truth[rows].argmax(axis=1), kind="stable")]
    folds = np.empty(len(truth), dtype=int)
    folds[rows] = np.arange(len(truth)) % FOLDS
    return folds


def _numbers(column: pd.Series, kind: str, date_format: str) -> np.ndarray:
    """A column of numbers, dates or booleans: its values, and whether each is missing; shape (rows, 2)."""
    if kind == "date":
        dates = to_dates(column, find_date_format(column, date_format))
        values = dates.astype("datetime64[s]").astype("int64").where(dates.notna(), np.nan)
    else:
        values = pd.to_numeric(column.astype(object), errors="coerce")
    numbers = values.astype("float64").where(values.abs() < LARGEST_FLOAT32)
    missing = numbers.isna()
    middle = numbers.median() if not missing.all() else 0.0
    return np.column_stack([numbers.fillna(middle), missing])


def _by_tree(numbers: np.ndarray, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
    regression = truth.shape[1] == 1
    options = {"max_depth": DEPTH, "min_samples_leaf": LEAF, "random_state": 0}
    labels = truth[:, 0] if regression else truth.argmax(axis=1)
    predicted = np.zeros_like(truth)
    for fold in range(FOLDS):
        known = folds != fold
        if regression:
            tree = DecisionTreeRegressor(**options).fit(numbers[known], labels[known])
            predicted[~known, 0] = tree.predict(numbers[~known])
        else:
            tree = DecisionTreeClassifier(**options, class_weight="balanced")
            shares = tree.fit(numbers[known], labels[known]).predict_proba(numbers[~known])
            predicted[np.ix_(~known, tree.classes_)] = shares
    return predicted


def _by_line(numbers: np.ndarray, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
    center, spread = numbers.mean(axis=0), numbers.std(axis=0)
    inputs = np.column_stack([(numbers - center) / np.where(spread > 0, spread, 1), truth * 0 + 1])
    predicted = np.zeros_like(truth)
    for fold in range(FOLDS):
        known = folds != fold
        weights = np.linalg.lstsq(inputs[known], truth[known], rcond=None)[0]
        predicted[~known] = inputs[~known] @ weights
    return predicted


def _by_category(codes: np.ndarray, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """The mean of each category in the other folds; of a class, beside its share among all rows."""
    predicted = np.zeros_like(truth)
    for fold in range(FOLDS):
        known = folds != fold
        overall = truth[known].mean(axis=0)
        sums = np.zeros((codes.max() + 1, truth.shape[1]))
        np.add.at(sums, codes[known], truth[known])
        counts = np.bincount(codes[known], minlength=len(sums))[:, None]
        means = (sums + overall) / (counts + 1)
        predicted[~known] = means[codes[~known]] / (overall if truth.shape[1] > 1 else 1)
    return predicted


def _score(truth: np.ndarray, predicted: np.ndarray) -> float:
    """R², or the mean over the classes of how many of their rows are recognised."""
    if truth.shape[1] == 1:
        variance = float(((truth - truth.mean()) ** 2).sum())
        return 1 - float(((truth - predicted) ** 2).sum()) / variance if variance else 0.0
    right = truth.argmax(axis=1) == predicted.argmax(axis=1)
    return float(np.mean((truth * right[:, None]).sum(axis=0) / truth.sum(axis=0)))
