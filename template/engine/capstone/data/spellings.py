"""What texts in a column mean alike: numbers written in one way, words spelt in several."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import pandas as pd

from capstone.columns import number_pattern
from capstone.data.words import NO, SHORT_NO, SHORT_YES, YES

MOSTLY = 0.6  # share of the cells that has to be of one kind, for the others to be slips
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "æ": "ae", "å": "aa"})


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
