"""What `clean()` should mend in a table as it came: for each, a reason in words and the line of code that does it.

The functions that the lines call are those of columns.py, so a mend shows what the line will do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from capstone.columns import parse_number, tidy_text, to_date, to_number, unify_text
from capstone.core.errors import short_list
from capstone.data.kinds import DATE_FORMATS, read_as_dates
from capstone.data.spellings import MOSTLY, number_format, same_words
from capstone.data.words import PLACEHOLDERS

LONGEST_LINE = 100
LONGEST_IN_SENTENCE = 300  # characters of code
INDENT = "    "
IMPORTS = ("to_date", "to_number", "unify_text")  # of what the lines call
# Numbers that stand for "unknown" where they lie far from all others.
YEARS = (1800, 2100)
SCALE = 5  # -1 to 4 may be a scale
BELOW, ABOVE = (-1, -9, -99, -999, -9999), (99, 999, 9999, 99999, 999999)


@dataclass(frozen=True)
class Mend:
    """One thing to mend in one column.

    Parameters
    ----------
    column : str
        Its name.
    kind : str
        What is mended: "numbers", "dates", "words" or "unknown".
    reason : str
        What is wrong, as a sentence without the column's name.
    code : str
        What is assigned to the column in `clean()`, in one line.
    result : Series
        The column after it.
    broken : str
        The code as ruff would break it, where it is too long for a line.
    """

    column: str
    kind: str
    reason: str
    code: str
    result: pd.Series
    broken: str = ""

    @property
    def line(self) -> str:
        """The line of `clean()`, broken as ruff would break it."""
        return f"table[{quoted(self.column)}] = {self.broken or self.code}"

    def at_the_margin(self, is_target: bool) -> str:
        """The line as it is shown, outside of a function; that of a target asks for it, for new rows have none."""
        if is_target:
            return f"if {quoted(self.column)} in table:\n{INDENT}{self.line}"
        return self.line.replace(f"\n{INDENT}", "\n")


def in_a_sentence(mends: list[Mend], is_target: bool = False, place: str = "") -> str:
    """What is wrong with a column and the line for `clean()`, to end a sentence with; "" without mends.

    place  the file that clean() is in
    """
    if not mends:
        return ""
    name = quoted(mends[0].column)
    reasons = "; ".join(mend.reason for mend in mends)
    lines = "; ".join(f"table[{name}] = {mend.code}" for mend in mends)
    lines = f"if {name} in table: {lines}" if is_target else lines
    where = f"clean() ({place})" if place else "clean()"
    if len(lines) > LONGEST_IN_SENTENCE:
        return f"{reasons}; `capstone data` prints the line for {where}"
    return f"{reasons}; write in {where}: {lines} ({needed_imports(lines)})"


def needed_imports(code: str) -> str:
    """What features.py has to import for lines of `clean()`."""
    names = ", ".join(name for name in IMPORTS if f"{name}(" in code)
    lines = [f"from capstone import {names}"] * bool(names) + ["import numpy as np"] * (
        "np." in code
    )
    return " and ".join(f"with `{line}`" for line in lines)


def find_mends(table: pd.DataFrame) -> tuple[pd.DataFrame, list[Mend]]:
    """What to mend in a table.

    Parameters
    ----------
    table : DataFrame
        As it was read.

    Returns
    -------
    tuple of DataFrame and list of Mend
        The table as `clean()` leaves it with all the lines, and each mend in the order of the columns.
    """
    mends: list[Mend] = []
    columns: dict[str, pd.Series] = {}
    for name in table:
        column = tidy_text(table[name])
        for detect in DETECTORS:
            if mend := detect(column):
                mends.append(mend)
                column = mend.result
        columns[str(name)] = column
    return pd.DataFrame(columns, index=table.index), mends


def column_mends(column: pd.Series) -> list[Mend]:
    """What to mend in one column of a table as it was read."""
    return find_mends(column.to_frame())[1]


def numbers_in_text(column: pd.Series) -> Mend | None:
    """Numbers with a decimal comma, thousands marks, a currency, a unit or a percent sign, and words between them."""
    texts = _texts(column)
    if texts.empty:
        return None
    known = texts[~texts.str.casefold().isin(PLACEHOLDERS)]
    found = number_format(known)
    if found is None:
        return None
    decimal = found.decimal
    readable = known.map(lambda text: parse_number(text, decimal) is not None)
    example = _most_telling(known[readable])
    form = "" if decimal == "." else ', decimal=","'
    read = ""
    if found.unclear:
        example = next(text for text in known[readable] if re.search(r"\d[.,]\d", text))
        read = f", read as {parse_number(example, decimal):g} (change decimal if the mark is a decimal sign)"
    rest = texts[~texts.isin(known[readable])]
    lost = f"; the rest becomes missing: {_counted(rest)}" if len(rest) else ""
    return Mend(
        str(column.name),
        "numbers",
        f"{share_in_words(found.share * len(known) / len(texts))} are numbers written as {quoted(example)}{read}{lost}",
        f"to_number(table[{quoted(column.name)}]{form})",
        to_number(column, decimal),
    )


def spellings_and_placeholders(column: pd.Series) -> Mend | None:
    """Categories that are spelt in several ways, and words that mean "unknown"."""
    texts = _texts(column)
    if texts.empty:
        return None
    counts = texts.value_counts()
    missing = [text for text in counts.index if text.casefold() in PLACEHOLDERS]
    words = counts.drop(missing)
    groups = same_words(words)
    spellings = {names[0]: names[1:] for names in groups if len(names) > 1}
    if words.empty or not (spellings or missing):
        return None
    reasons = [
        f"{' and '.join(map(quoted, names[:2]))} mean the same"
        for names in groups
        if len(names) > 1
    ][:1]
    if len(spellings) > 1:
        reasons = [f"{len(spellings)} words are spelt in several ways: {reasons[0]}"]
    if missing:
        stand = "stands" if len(missing) == 1 else "stand"
        reasons.append(f"{_counted(texts[texts.isin(missing)])} {stand} for a missing value")
    code, broken = _unify_code(str(column.name), spellings, missing)
    result = unify_text(column, spellings, missing)
    return Mend(str(column.name), "words", "; ".join(reasons), code, result, broken)


def dates_in_several_ways(column: pd.Series) -> Mend | None:
    """Dates of which some are written in another way than the others."""
    texts = _texts(column)
    different = pd.Series(texts.unique())
    if different.empty or not different.head(50).str.contains(r"\d").mean() > MOSTLY:
        return None
    shapes = {
        shape: read_as_dates(different, shape).to_numpy() for shape in DATE_FORMATS[1:] + ISO_DATES
    }
    chosen: list[str] = []
    left = np.ones(len(different), dtype=bool)
    while left.any():
        shape = max(shapes, key=lambda name: int((shapes[name] & left).sum()))
        if not (shapes[shape] & left).any():
            break
        chosen.append(shape)
        left &= ~shapes[shape]
    if left.mean() > 0.1 or len(chosen) + left.any() < 2:
        return None
    odd = (
        f"; the rest becomes missing: {_counted(texts[texts.isin(different[left])])}"
        if left.any()
        else ""
    )
    ways = f"[{', '.join(map(quoted, chosen))}]"
    return Mend(
        str(column.name),
        "dates",
        f"dates written in {len(chosen)} ways, such as {quoted(texts.iloc[0])}{odd}"
        if len(chosen) > 1
        else f"dates, most of them written as {quoted(texts.iloc[0])}{odd}",
        f"to_date(table[{quoted(column.name)}], {ways})",
        to_date(column, chosen),
    )


ISO_DATES = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y%m%d")


def numbers_for_unknown(column: pd.Series) -> Mend | None:
    """A number such as -1 or 999 that lies so far from all others that it stands for "unknown"."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return None
    values = column.dropna()
    values = values[np.isfinite(values.astype("float64"))]
    found = stand_for_unknown(values)
    if not found:
        return None
    table = f"table[{quoted(column.name)}]"
    numbers = ", ".join(f"{value:g}" for value in found)
    rest = values[~values.isin(found)]
    times, means = int(values.isin(found).sum()), "means" if len(found) == 1 else "mean"
    test = f"{table} != {found[0]:g}" if len(found) == 1 else f"~np.isin({table}, [{numbers}])"
    return Mend(
        str(column.name),
        "unknown",
        f'{numbers} ({times_in_words(times)}) probably {means} "unknown": '
        f"the others lie between {rest.min():g} and {rest.max():g}",
        f"np.where({test}, {table}, np.nan)",
        column.where(~column.isin(found)).astype("float64"),
    )


def stand_for_unknown(values: pd.Series) -> list[float]:
    """The numbers of a column that stand for "unknown", if there are any."""
    if values.empty or not (values.min() in (*BELOW, 0) or values.max() in ABOVE):
        return []
    different = np.unique(values.to_numpy(dtype="float64"))
    found = [0.0] if different[0] == 0 and _are_years(different[1:]) else []
    negative = different[different < 0]
    # -1, 0 and 1 are a scale: only where the others go far beyond does -1 stand out.
    stands_out = different[-1:] >= (SCALE if len(negative) and negative[0] == -1 else 1)
    if len(negative) == 1 and negative[0] in BELOW and len(different) > 2 and stands_out.all():
        found.append(float(negative[0]))
    others = different[~np.isin(different, found)]
    if (
        len(others) > 2
        and others[-1] in ABOVE
        and others[-1] >= 2 * max(others[-2], 1)
        and others[0] >= 0
    ):
        found.append(float(others[-1]))
    return found


def _are_years(different: np.ndarray) -> bool:
    first, last = YEARS
    return len(different) > 2 and bool(((different >= first) & (different <= last)).all())


DETECTORS: tuple[Callable[[pd.Series], Mend | None], ...] = (
    *(numbers_in_text, dates_in_several_ways, spellings_and_placeholders, numbers_for_unknown),
)


def quoted(value: object) -> str:
    """A text as Python code writes it, in double quotes."""
    return json.dumps(str(value), ensure_ascii=False)


def share_in_words(share: float) -> str:
    """ "all cells", or the share of them in per cent, never rounded to all."""
    return "all cells" if share == 1 else f"{min(int(share * 100 + 0.5), 99)}% of the cells"


def times_in_words(count: int) -> str:
    """ "once", or how many times."""
    return "once" if count == 1 else f"{count:,} times"


def _texts(column: pd.Series) -> pd.Series:
    """The texts of a column that holds nothing else; else none."""
    present = column.dropna()
    return (present if pd.api.types.is_string_dtype(column) else present.iloc[:0]).astype(str)


def _most_telling(texts: pd.Series) -> str:
    """The number that shows best how the others are written: the one with the most marks."""
    return max(texts.unique()[:1000], key=lambda text: (len(re.findall(r"\D", text)), len(text)))


def _counted(texts: pd.Series) -> str:
    """ "k.A." (12 times), "-" (3 times)."""
    counts = texts.value_counts()
    return short_list(
        [f"{quoted(word)} ({times_in_words(count)})" for word, count in counts.items()], most=3
    )


def _unify_code(name: str, spellings: dict[str, list[str]], missing: list[str]) -> tuple[str, str]:
    """The call of `unify_text` in one line, and one word a line where that is too long."""
    lines = [
        f"{quoted(word)}: [{', '.join(map(quoted, others))}]" for word, others in spellings.items()
    ]
    unknown = f"missing=[{', '.join(map(quoted, missing))}]" if missing else ""
    arguments = [
        f"table[{quoted(name)}]",
        "{" + ", ".join(lines) + "}",
        *([unknown] if unknown else []),
    ]
    code = f"unify_text({', '.join(arguments)})"
    if len(code) + len(f"{INDENT}table[{quoted(name)}] = ") <= LONGEST_LINE:
        return code, ""
    deeper = INDENT * 2
    inner = "".join(f"{deeper}{INDENT}{line},\n" for line in lines)
    arguments[1] = "{\n" + inner + deeper + "}" if lines else "{}"
    broken = "".join(f"{deeper}{argument},\n" for argument in arguments)
    return code, f"unify_text(\n{broken}{INDENT})"
