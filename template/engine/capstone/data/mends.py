"""What `clean()` should mend in a table as it came: for each, a reason in words and the line of code that does it.

The functions that the lines call are those of columns.py, so a mend shows what the line will do.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from capstone.columns import number_pattern, parse_number, tidy_text, to_date, to_number, unify_text
from capstone.core.errors import short_list
from capstone.data.kinds import DATE_FORMATS, read_as_dates
from capstone.data.words import NO, PLACEHOLDERS, SHORT_NO, SHORT_YES, YES

MOSTLY = 0.6  # share of the cells that has to be of one kind, for the others to be slips
LONGEST_LINE = 100
INDENT = "    "
# Numbers that stand for "unknown" where they lie far from all others.
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
        What is assigned to the column in `clean()`.
    result : Series
        The column after it.
    """

    column: str
    kind: str
    reason: str
    code: str
    result: pd.Series

    @property
    def line(self) -> str:
        """The line of `clean()`, broken as ruff would break it."""
        return f"table[{quoted(self.column)}] = {self.code}"


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
    decimal, share = found
    readable = known.map(lambda text: parse_number(text, decimal) is not None)
    example = _most_telling(known[readable])
    form = "" if decimal == "." else ', decimal=","'
    rest = texts[~texts.isin(known[readable])]
    lost = f"; the rest becomes missing: {_counted(rest)}" if len(rest) else ""
    return Mend(
        str(column.name),
        "numbers",
        f"{share_in_words(share * len(known) / len(texts))} are numbers written as {quoted(example)}{lost}",
        f"to_number(table[{quoted(column.name)}]{form})",
        to_number(column, decimal),
    )


def number_format(texts: pd.Series) -> tuple[str, float] | None:
    """The decimal sign with which most of these texts are numbers, and their share; None when most are none."""
    best: tuple[float, str] = (0.0, ".")
    counts = texts.value_counts()
    for decimal in (".", ","):
        matches = {text: number_pattern(decimal).fullmatch(text) for text in counts.index}
        found = {text: match for text, match in matches.items() if match}
        around = {
            match["before"].strip() + match["after"].strip().lower() for match in found.values()
        }
        if len(around - {""}) > 1:
            continue  # "5a" and "7b" are house numbers, not amounts
        best = max(best, (float(counts[list(found)].sum()) / max(len(texts), 1), decimal))
    share, decimal = best
    if share < MOSTLY:
        return None
    # "1,234" may be read either way: three digits after every comma are thousands.
    if decimal == "." and not any(re.search(r",(?!\d{3}(\D|$))", text) for text in counts.index):
        return ".", share
    return decimal, share


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
        reasons.append(f"{_counted(texts[texts.isin(missing)])} stands for a missing value")
    return Mend(
        str(column.name),
        "words",
        "; ".join(reasons),
        _unify_code(str(column.name), spellings, missing),
        unify_text(column, spellings, missing),
    )


def same_words(counts: pd.Series) -> list[list[str]]:
    """Words that mean the same, in groups, each with its most frequent spelling first.

    Parameters
    ----------
    counts : Series of int
        How often each word occurs, the most frequent first.
    """
    answers = yes_or_no(counts.index)
    groups: dict[str, list[str]] = {}
    for word in counts.index:
        groups.setdefault(answers.get(word) or _key(word), []).append(word)
    if (
        answers
    ):  # a whole word is a better name than "j" or "1"; "nein" goes with "ja", "Nein" with "Ja"
        short = SHORT_YES | SHORT_NO
        small = next(word for word in counts.index if word.casefold() not in short).islower()
        for words in groups.values():
            words.sort(key=lambda word: (word.casefold() in short, word.islower() != small))
    return list(groups.values())


def yes_or_no(words: Iterable[str]) -> dict[str, str]:
    """Each word as "yes" or "no", in whichever language it is written; nothing when some word is neither."""
    names = list(words)
    whole = {name: name.casefold() for name in names}
    answers = {}
    for name, word in whole.items():
        if word in YES or word in SHORT_YES:
            answers[name] = "yes"
        elif word in NO or word in SHORT_NO:
            answers[name] = "no"
    complete = len(answers) == len(names) and set(answers.values()) == {"yes", "no"}
    return answers if complete and set(whole.values()) & (YES | NO) else {}


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


UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "æ": "ae", "å": "aa"})
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
    times = int(values.isin(found).sum())
    test = f"{table} != {found[0]:g}" if len(found) == 1 else f"~np.isin({table}, [{numbers}])"
    return Mend(
        str(column.name),
        "unknown",
        f'{numbers} ({times} times) stands for "unknown": the others lie between {rest.min():g} and {rest.max():g}',
        f"np.where({test}, {table}, np.nan)",
        column.where(~column.isin(found)).astype("float64"),
    )


def stand_for_unknown(values: pd.Series) -> list[float]:
    """The numbers of a column that stand for "unknown", if there are any."""
    different = np.unique(values.to_numpy(dtype="float64"))
    found = []
    negative = different[different < 0]
    if len(negative) == 1 and negative[0] in BELOW and len(different) > 2:
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


DETECTORS: tuple[Callable[[pd.Series], Mend | None], ...] = (
    *(numbers_in_text, dates_in_several_ways, spellings_and_placeholders, numbers_for_unknown),
)


def quoted(value: object) -> str:
    """A text as Python code writes it, in double quotes."""
    return json.dumps(str(value), ensure_ascii=False)


def share_in_words(share: float) -> str:
    """ "all cells", or the share of them in per cent, never rounded to all."""
    return "all cells" if share == 1 else f"{min(int(share * 100 + 0.5), 99)} % of the cells"


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
    return short_list([f"{quoted(word)} ({count} times)" for word, count in counts.items()], most=3)


def _key(word: str) -> str:
    """What spellings of one word share: letters without accents and capitals, one space between."""
    umlauts = word.casefold().translate(UMLAUTS)
    plain = unicodedata.normalize("NFKD", umlauts)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.sub(r"(?<=[^\W\d])[\s_.\-]+(?=[^\W\d])", " ", plain).strip()


def _unify_code(name: str, spellings: dict[str, list[str]], missing: list[str]) -> str:
    """The call of `unify_text`, one word a line where it would be too long."""
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
        return code
    deeper = INDENT * 2
    inner = "".join(f"{deeper}{INDENT}{line},\n" for line in lines)
    arguments[1] = "{\n" + inner + deeper + "}" if lines else "{}"
    return (
        "unify_text(\n" + "".join(f"{deeper}{argument},\n" for argument in arguments) + INDENT + ")"
    )
