"""What is wrong with a table: each finding is one sentence that says where and what to do."""

from __future__ import annotations

import pandas as pd

from capstone.columns import tidy_text
from capstone.core.errors import CapstoneError, did_you_mean, short_list
from capstone.core.settings import Data
from capstone.core.text import count, number, quoted, short
from capstone.data.kinds import DATE_FORMATS, column_kind, possible_formats, read_as_dates
from capstone.data.mends import column_mends, find_mends, in_a_sentence, numbers_in_text
from capstone.data.spellings import number_format

MOST_CLASSES = 100
FEW_CLASSES = 20  # so many different numbers may still be classes
LOOKED_AT = 5000  # rows that tell what is to be mended
GLANCE = 1000  # cells that tell whether a column may hold numbers
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
            _refuse_mixed(column, kind, place)


def notes_on_columns(table: pd.DataFrame) -> list[str]:
    """Which of the features hold something that `clean()` should mend: a run can use them, but takes it literally."""
    some = table.head(LOOKED_AT)
    names = list(dict.fromkeys(f'"{mend.column}"' for mend in find_mends(some)[1]))
    if not names:
        return []
    them = "it" if len(names) == 1 else "them"
    return [
        f"not mended yet: {short_list(names, 5)}; `capstone data` says why, and has a line of clean() for {them}"
    ]


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
    if len(counts) > (2 if problem == "binary" else FEW_CLASSES):
        _refuse_many_classes(target, problem)
    if counts.iloc[-1] < FEWEST_PER_CLASS:
        rare, rows = counts.index[-1], count(int(counts.iloc[-1]), "row")
        remedy = "merge it with another or drop it in clean()"
        mends = [mend for mend in column_mends(target) if rare not in set(mend.result)]
        raise CapstoneError(
            f'Target "{name}": class {quoted(rare)} has {rows}, '
            f"but each class needs {FEWEST_PER_CLASS} or more: {in_a_sentence(mends, True) or remedy}."
        )
    if data.positive != "" and str(data.positive) not in map(str, counts.index):
        raise CapstoneError(
            f'[data] positive is "{data.positive}", but the classes of "{name}" are '
            f"{short_list([quoted(name) for name in counts.index])}."
        )
    return target


def _refuse_many_classes(target: pd.Series, problem: str) -> None:
    """Refuse more classes than the problem has. Numbers are no classes, and spellings of a word are one."""
    begins, found = f'Target "{target.name}" has', target.nunique()
    table, mends = find_mends(target.to_frame())
    mended = table[str(target.name)].dropna()
    left = mended.nunique()
    if problem == "binary" and left == 2:
        raise CapstoneError(
            f"{begins} {found} different values, but they mean two: {in_a_sentence(mends, True)}."
        )
    advice = f", and mend it: {in_a_sentence(mends, True)}" if mends else ""
    if is_amount(mended):
        low, high = short(float(mended.min())), short(float(mended.max()))
        no_classes, otherwise = "which are no classes", ""
        if left <= FEW_CLASSES:
            no_classes = "but a binary problem has two classes"
            otherwise = ', or "multiclass" if each is a class of its own'
        raise CapstoneError(
            f"{begins} {left} different numbers, from {low} to {high}, {no_classes}: "
            f'set [data] problem = "regression"{otherwise}{advice}.'
        )
    if found > MOST_CLASSES:
        raise CapstoneError(
            f"{begins} {found} different values, too many for classes: merge the rare ones in clean(), or name "
            f"another target{advice}."
        )
    if problem == "binary":
        spelt = f" (in {found} spellings)" if left < found else ""
        raise CapstoneError(
            f"{begins} {left} classes{spelt}, but a binary problem has two: "
            f'set [data] problem = "multiclass"{advice}.'
        )


def is_amount(values: pd.Series) -> bool:
    """Whether numbers are amounts and not the codes of classes, which begin with 0 or 1 and leave none out."""
    types, different = pd.api.types, values.nunique()
    if not types.is_numeric_dtype(values) or types.is_bool_dtype(values) or different <= 2:
        return False
    codes = (values % 1 == 0).all() and values.min() in (0, 1)
    return not (codes and values.max() - values.min() == different - 1)


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


def _refuse_mixed(column: pd.Series, kind: str, place: str) -> None:
    """A text column that is mostly numbers, or mostly dates, has values that someone should mend."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return  # somebody has said that these are categories
    present = column.dropna().astype(str)
    numbers = pd.to_numeric(present, errors="coerce").notna()
    if numbers.all() and present.str.fullmatch(r"\s*[+-]?\d{1,15}(\.\d*)?\s*").all():
        raise CapstoneError(
            f'Column "{column.name}" holds numbers as text, such as {quoted(present.iloc[0])}: set [data] decimal, '
            f"or turn them into numbers in clean() ({place}) with to_number; where they name categories, use "
            '.astype("category").'
        )
    if numbers.all():
        raise CapstoneError(
            f'Column "{column.name}" holds whole numbers too long to keep every digit, such as '
            f"{quoted(present.iloc[0])}: if it is an id, add it to [data] leave_out."
        )
    mend = numbers_in_text(tidy_text(column)) if number_format(present.head(GLANCE)) else None
    if numbers.mean() >= 0.5:
        odd = numbers.idxmin()
        remedy = (
            in_a_sentence([mend], place=place)
            if mend
            else f"make them numbers in clean() ({place}), e.g. with to_number"
        )
        raise CapstoneError(
            f'Column "{column.name}" mixes numbers with text such as {quoted(present[odd])} (row {odd}): '
            f"{remedy}."
        )
    if mend and kind == "text":
        raise CapstoneError(
            f'Column "{column.name}" holds numbers as text: {in_a_sentence([mend], place=place)}. '
            "If it is an id, add it to [data] leave_out."
        )
    may_be_dates = {value: bool(possible_formats(value)) for value in present.unique()}
    if present.map(may_be_dates).mean() < 0.9:
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


def _how_to_get_numbers(target: pd.Series) -> str:
    """What to do about a target that is no column of numbers: read them from text, or call it classes."""
    table, mends = find_mends(target.to_frame())
    mended = table[str(target.name)].dropna()
    if any(mend.kind == "numbers" for mend in mends):
        return in_a_sentence(mends, True)
    problem = "binary" if mended.nunique() == 2 else "multiclass"
    return f'mend it in clean(), or set [data] problem = "{problem}"'


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
            f"{_how_to_get_numbers(target)}."
        )
    numbers = numbers.astype("float64")
    if (numbers.abs() > LARGEST_TARGET).any():
        row = numbers.abs().idxmax()
        raise CapstoneError(
            f'Target "{target.name}" is {numbers[row]:g} in row {row}, too large for a network: divide it or take '
            "logarithms in clean(), or drop the row."
        )
    return numbers
