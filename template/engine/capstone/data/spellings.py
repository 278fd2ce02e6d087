"""What texts in a column mean alike: numbers written in one way, words spelt in several."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from capstone.columns import number_pattern, parse_number
from capstone.data.words import NO, SHORT_NO, SHORT_YES, YES

FEW_OTHERS = 10  # different texts that may stand among numbers, such as "k.A." and "see note"
MOSTLY = 0.6  # share of the cells that has to be of one kind, for the others to be slips
CLOSE = 1e-6  # relative: between a number and the same one with fewer bits
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "æ": "ae", "å": "aa"})


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written.

    Parameters
    ----------
    decimal : {".", ","}
        The decimal sign.
    share : float
        How many of the cells are numbers.
    unclear : bool
        Whether the other sign would suit all of them as well, and make other numbers of them: "1,234".
    """

    decimal: str
    share: float
    unclear: bool = False


def number_format(texts: pd.Series) -> NumberFormat | None:
    """How most of these texts are written as numbers; None when most are none."""
    counts = texts.value_counts()
    shares: dict[str, float] = {}
    for decimal in (".", ","):
        matches = {text: number_pattern(decimal).fullmatch(text) for text in counts.index}
        found = {text: match for text, match in matches.items() if match}
        around = {
            match["before"].strip() + match["after"].strip().lower() for match in found.values()
        }
        if len(around - {""}) > 1:
            continue  # "5a" and "7b" are house numbers, not amounts
        if len(counts) - len(found) > max(FEW_OTHERS, len(found) // 4):
            continue  # some codes look like numbers ("0e00ff"); whoever types numbers has few words beside them
        shares[decimal] = float(counts[list(found)].sum()) / max(len(texts), 1)
    decimal = max(shares, key=lambda sign: shares[sign], default=".")
    if shares.get(decimal, 0.0) < MOSTLY:
        return None
    alike = shares.get(".") == shares.get(",")
    unclear = alike and any(
        parse_number(text, ".") != parse_number(text, ",") for text in counts.index
    )
    if unclear and not any("," in text for text in counts.index):
        decimal = ","  # three digits after every mark are thousands more often than not
    return NumberFormat(decimal, shares[decimal], unclear)


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


def _key(word: str) -> str:
    """What spellings of one word share: letters without accents and capitals, one space between."""
    umlauts = word.casefold().translate(UMLAUTS)
    plain = unicodedata.normalize("NFKD", umlauts)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.sub(r"(?<=[^\W\d])[\s_.\-]+(?=[^\W\d])", " ", plain).strip()


def changed_meaning(before: pd.Series, after: pd.Series) -> pd.Series:
    """Which values say something else than they did, and are not only written in another way or made missing.

    Parameters
    ----------
    before, after : Series
        The same rows, before someone mended them and after.

    Returns
    -------
    Series of bool
        By row.
    """
    if pd.api.types.is_numeric_dtype(before) and pd.api.types.is_numeric_dtype(after):
        old, new = (
            before.to_numpy("float64", na_value=np.nan),
            after.to_numpy("float64", na_value=np.nan),
        )
        return ~pd.Series(np.isclose(old, new, rtol=CLOSE, atol=0), before.index) & after.notna()
    pairs = pd.DataFrame({"before": before.astype(object), "after": after.astype(object)})
    different = pairs.drop_duplicates()
    found = number_format(before.dropna().astype(str))
    decimals = (found.decimal,) if found and not found.unclear else (".", ",")
    changed = [not _says_the_same(old, new, decimals) for old, new in different.to_numpy()]
    places = pairs.merge(different.assign(changed=changed), how="left", on=["before", "after"])
    return pd.Series(places["changed"].to_numpy(dtype=bool), index=before.index)


def _says_the_same(old: object, new: object, decimals: tuple[str, ...]) -> bool:
    if pd.isna(new):
        return True
    if pd.isna(old):
        return False
    words = [str(value).casefold().strip().removesuffix(".0") for value in (old, new)]
    if _key(words[0]) == _key(words[1]):
        return True
    for whole, short in ((YES, SHORT_YES), (NO, SHORT_NO)):
        if set(words) <= whole | short and set(words) & whole:
            return True
    if isinstance(new, str):
        return False
    texts = [old] if isinstance(old, str) else []
    numbers = [parse_number(text, decimal) for text in texts for decimal in decimals]
    try:
        numbers = numbers or [float(str(old))]
        return any(
            n is not None and math.isclose(n, float(str(new)), rel_tol=CLOSE) for n in numbers
        )
    except ValueError:  # a date, for example
        return False


def class_to_detect(target: pd.Series) -> tuple[str, str]:
    """Of two classes the one that someone looks for, and why.

    Parameters
    ----------
    target : Series
        With two different values; missing ones don't count.

    Returns
    -------
    tuple of str and str
        The class as text, and the reason: it means yes, or it is the rarer one.
    """
    counts = target.dropna().astype(str).value_counts()
    counts = counts.sort_index().sort_values(
        kind="stable"
    )  # the rarer first; of two alike the first in order
    words = [name.removesuffix(".0").casefold() for name in counts.index]
    for name, word, other in zip(counts.index, words, reversed(words), strict=True):
        if word in YES or (word in SHORT_YES and other in NO | SHORT_NO):
            return str(name), f'"{name}" means yes'
    rarer = str(counts.index[0])
    return rarer, f'"{rarer}" is the rarer one'
