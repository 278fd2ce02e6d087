"""What is wrong with a table: each finding is one sentence that says where and what to do."""

from __future__ import annotations

import pandas as pd

from capstone.core.errors import CapstoneError, did_you_mean, short_list
from capstone.core.settings import Data
from capstone.core.text import count, number, quoted
from capstone.data.kinds import DATE_FORMATS, column_kind, possible_formats, read_as_dates

MOST_CLASSES = 100
FEWEST_ROWS = 20
WHOLE = 2.0**53  # up to here, floats hold every whole number
FEWEST_PER_CLASS = 5
LARGEST = 1e100  # beyond it, squares overflow; infinite values are larger too
# A network computes with 32 bits: 7 digits, and nothing beyond 3e38. Its predictions must fit in.
LARGEST_TARGET, SMALLEST_TARGET = 1e30, 1e-30
FINEST_SPREAD = 1e-5  # of the mean


def check_named_columns(table: pd.DataFrame, named: dict[str, list[str]], path: str) -> None:
    """Every column that capstone.toml names must be in the table.

    Parameters
    ----------
    table : DataFrame
        As it was read.
    named : dict of lists of str
        The names by where they stand, such as {"[data] id": ["customer"]}.
    path : str
        The table's file, for the sentence.

    Raises
    ------
    CapstoneError
        For the first name that is no column.
    """
    for key, names in named.items():
        for name in names:
            if name in table:
                continue
            missing = f'{path} has no column "{name}" (capstone.toml, {key})'
            if len(table.columns) == 1 and name in table.columns[0]:
                raise CapstoneError(
                    f"{missing}; it was read as a single column {quoted(table.columns[0])}: set [data] delimiter "
                    "to the sign between its columns."
                )
            raise CapstoneError(f"{missing}{did_you_mean(name, table.columns)}")


def check_enough_rows(table: pd.DataFrame, loaded: int) -> None:
    """Refuse a table too small to be divided.

    Parameters
    ----------
    table : DataFrame
        After clean() and engineer().
    loaded : int
        How many rows the file had.

    Raises
    ------
    CapstoneError
        For fewer than 20 rows.
    """
    if len(table) < FEWEST_ROWS:
        raise CapstoneError(
            f"{len(table)} of the {loaded} rows loaded are left after clean() and engineer(), but "
            f"{FEWEST_ROWS} are needed to train, validate and test."
        )


def check_columns(table: pd.DataFrame, data: Data, place: str) -> None:
    """Refuse the features that no step could use rightly.

    Parameters
    ----------
    table : DataFrame
        The features alone.
    data : Data
        Section [data] of the settings.
    place : str
        Where clean() is, for the sentence.

    Raises
    ------
    CapstoneError
        For a column that mixes numbers or dates with text, or holds a number that no network can use.
    """
    for name in table:
        column = table[name]
        kind = column_kind(column, data.date_format)
        if kind == "number":
            _refuse_infinite(column, place)
        elif kind in ("category", "text"):
            _refuse_mixed(column, place)


def check_target(target: pd.Series, data: Data) -> pd.Series:
    """The target without its missing rows, as numbers (regression) or as classes.

    Parameters
    ----------
    target : Series
        The column, with its name.
    data : Data
        Section [data] of the settings: it names the problem and the positive class.

    Returns
    -------
    Series
        The rows whose target is known.

    Raises
    ------
    CapstoneError
        When the column doesn't suit the problem.
    """
    name, problem = target.name, data.problem
    target = target.dropna()
    if target.empty:
        raise CapstoneError(
            f'Target "{name}" is missing in every row: name another in [data] target.'
        )
    if problem == "regression":
        numbers = to_numbers(target)
        if target.nunique() == 1:
            raise CapstoneError(
                f'Target "{name}" is {numbers.iloc[0]:g} in every row: nothing to learn.'
            )
        check_spread(str(name), float(numbers.min()), float(numbers.max()))
        return numbers
    if pd.api.types.is_float_dtype(target) and ((target % 1 == 0) & (target.abs() < WHOLE)).all():
        target = target.astype("int64")  # 0.0 and 1.0 are the classes 0 and 1
    _refuse_mixed_classes(target)
    counts = target.value_counts()
    if len(counts) == 1:
        raise CapstoneError(
            f'Target "{name}" is {quoted(counts.index[0])} in every row: nothing to learn.'
        )
    if len(counts) > MOST_CLASSES:
        raise CapstoneError(
            f'Target "{name}" has {len(counts)} different values, too many for classes: '
            'set [data] problem = "regression", or name another target.'
        )
    if problem == "binary" and len(counts) > 2:
        raise CapstoneError(
            f'Target "{name}" has {len(counts)} classes, but a binary problem has two: '
            'set [data] problem = "multiclass".'
        )
    if counts.iloc[-1] < FEWEST_PER_CLASS:
        rows = count(int(counts.iloc[-1]), "row")
        raise CapstoneError(
            f'Target "{name}": class {quoted(counts.index[-1])} has {rows}, but each class '
            f"needs {FEWEST_PER_CLASS} or more: merge it with another or drop it in clean()."
        )
    if data.positive != "" and str(data.positive) not in map(str, counts.index):
        raise CapstoneError(
            f'[data] positive is "{data.positive}", but the classes of "{name}" are '
            f"{short_list([quoted(name) for name in counts.index])}."
        )
    return target


def check_spread(name: str, low: float, high: float) -> None:
    """Refuse a target from `low` to `high` whose values a network couldn't tell apart, or couldn't predict at all."""
    spread, middle = high - low, number(low / 2 + high / 2, ".6g")
    size = max(-low, high)
    if size >= SMALLEST_TARGET and spread < FINEST_SPREAD * size:
        reason = f"around {middle}, too little for numbers of 7 digits: take {middle} away from it"
    elif spread < SMALLEST_TARGET:
        reason = "in all, too little for 32-bit numbers: multiply it"
    else:
        return
    raise CapstoneError(f'Target "{name}" varies by only {spread:.3g} {reason} in clean().')


def check_parts(parts: dict[str, pd.Index], target: pd.Series, problem: str) -> None:
    """Every part has rows; in classification every class, in regression more than one value.

    Parameters
    ----------
    parts : dict of Index
        The row numbers of each part by its name.
    target : Series
        As `check_target` returns it.
    problem : str
        "regression", "binary" or "multiclass".

    Raises
    ------
    CapstoneError
        For a part that is empty, lacks a class or holds one value alone.
    """
    for part, rows in parts.items():
        if len(rows) == 0:
            raise CapstoneError(
                f"The {part} part is empty: give it a larger share in [split], or use another method."
            )
        if problem == "regression":
            _check_values(target[rows], part)
        if problem != "regression" and (absent := set(target) - set(target[rows])):
            raise CapstoneError(
                f"The {part} part has no row of class {quoted(min(absent, key=str))}: give it a larger share in "
                '[split], use method "stratified", or merge rare classes in clean().'
            )


def _check_values(target: pd.Series, part: str) -> None:
    """Refuse a part in which the target has one value: no R² can be computed from it, and nothing learnt."""
    low, high = float(target.min()), float(target.max())
    if low == high:
        raise CapstoneError(
            f'Target "{target.name}" is {low:g} in all rows of the {part} part ({len(target):,}): give the part a '
            "larger share in [split], or predict whether the target has that value."
        )
    if high - low < SMALLEST_TARGET:
        check_spread(str(target.name), low, high)


def _refuse_infinite(column: pd.Series, place: str) -> None:
    too_large = column.astype("float64").abs() > LARGEST
    if too_large.any():
        row = too_large.idxmax()
        raise CapstoneError(
            f'Column "{column.name}" is {column[row]:g} in row {row}, which no network can use: make it '
            f"smaller or missing in clean() ({place})."
        )


def _refuse_mixed(column: pd.Series, place: str) -> None:
    """A text column that is mostly numbers, or mostly dates, has values that someone should mend."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return  # somebody has said that these are categories
    present = column.dropna().astype(str)
    numbers = pd.to_numeric(present, errors="coerce").notna()
    if numbers.all() and present.str.fullmatch(r"\s*[+-]?\d{1,15}(\.\d*)?\s*").all():
        raise CapstoneError(
            f'Column "{column.name}" holds numbers as text, such as {quoted(present.iloc[0])}: set [data] decimal, '
            f"or turn them into numbers in clean() ({place}) with pd.to_numeric; where they name categories, use "
            '.astype("category").'
        )
    if numbers.all():
        raise CapstoneError(
            f'Column "{column.name}" holds whole numbers too long to keep every digit, such as '
            f"{quoted(present.iloc[0])}: if it is an id, add it to [data] leave_out."
        )
    if numbers.mean() >= 0.5:
        odd = numbers.idxmin()
        raise CapstoneError(
            f'Column "{column.name}" mixes numbers with text such as {quoted(present[odd])} (row {odd}): '
            f"mend it in clean() ({place}), e.g. with pd.to_numeric(..., errors='coerce')."
        )
    if present.map(lambda value: bool(possible_formats(value))).mean() < 0.9:
        return  # no dates: spare the time of trying
    shapes = pd.DataFrame({shape: read_as_dates(present, shape) for shape in DATE_FORMATS})
    if shapes.any(axis=1).mean() >= 0.9:
        main = shapes.mean().idxmax()
        odd = shapes[main].idxmin()
        raise CapstoneError(
            f'Column "{column.name}" holds dates in several shapes, such as '
            f"{quoted(present[shapes[main].idxmax()])} and {quoted(present[odd])} (row {odd}): "
            f"bring them to one in clean() ({place})."
        )


def _refuse_mixed_classes(target: pd.Series) -> None:
    """Classes of which some are text and some are not can't be put in order, and are most often a slip."""
    if not pd.api.types.is_object_dtype(target):
        return
    is_text = target.map(lambda value: isinstance(value, str)).to_numpy(dtype=bool)
    if is_text.any() and not is_text.all():
        row, other = target.index[is_text][0], target.index[~is_text][0]
        raise CapstoneError(
            f'Target "{target.name}" is the text "{target[row]}" in row {row} but no text in row {other} '
            f"({target[other]}): make all of its classes text, or all numbers, in clean()."
        )


def to_numbers(target: pd.Series) -> pd.Series:
    """A target of which none is missing, as numbers.

    Parameters
    ----------
    target : Series
        The column, with its name.

    Returns
    -------
    Series
        As float64.

    Raises
    ------
    CapstoneError
        When a value is no number, or one so large that its square overflows.
    """
    numbers = pd.to_numeric(target, errors="coerce")
    types, held = pd.api.types, target.infer_objects()
    if numbers.isna().any() or types.is_bool_dtype(held) or types.is_datetime64_any_dtype(held):
        odd = numbers.isna().idxmax()
        raise CapstoneError(
            f'Target "{target.name}" is {quoted(target[odd])} in row {odd}, but regression needs numbers: '
            'mend it in clean(), or set [data] problem = "multiclass".'
        )
    numbers = numbers.astype("float64")
    if (numbers.abs() > LARGEST_TARGET).any():
        row = numbers.abs().idxmax()
        raise CapstoneError(
            f'Target "{target.name}" is {numbers[row]:g} in row {row}, too large for a network: divide it or take '
            "logarithms in clean(), or drop the row."
        )
    return numbers
