"""Columns that may hold personal data, by their names or by what is in them. A suspicion, no proof."""

from __future__ import annotations

import re

import pandas as pd

MOST_VALUES = 2000  # different values looked at in each column
LONGEST = 300  # characters of a value
ENOUGH = 0.05  # share of the values that must look so
NAMES = {
    "a person's name": "name|full ?name|first ?name|last ?name|given ?name|sur ?name|family ?name|middle ?name|"
    "maiden ?name|vorname|nachname|nom|prenom|apellido|nombre",
    "an e-mail address": "e ?mail|e ?mail address|mail|correo",
    "a phone number": "phone|telephone|mobile|cell ?phone|fax|(tele)?phone ?(number|no)|telefon|telefono|handy",
    "where a person lives": "address|home ?address|street|street ?address|adresse|strasse|direccion",
    "a date of birth": "dob|birth ?(date|day)|date ?of ?birth|born ?on|geburtsdatum",
    "an official number": "ssn|social ?security( ?(number|no))?|passport( ?(number|no))?|tax ?id|national ?id|iban|"
    "credit ?card( ?(number|no))?|driver s? ?licen[cs]e( ?(number|no))?",
    "a computer's address": "ip|ip ?address|mac ?address",
    "where a person was": "gps|lat|lon|lng|latitude|longitude",
}
EDGES = r"(?:^|[\s<:;,])(?:%s)(?:$|[\s>;,.])"  # a pattern stands by itself, or inside a sentence
PATTERNS = {
    meaning: re.compile(EDGES % pattern)
    for meaning, pattern in {
        "e-mail addresses": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
        # With a plus, or in groups: a bare row of digits may be anything.
        "phone numbers": r"\+\d[\d ()/.-]{6,17}\d|\(?0\d{1,5}\)?[ /-]\d[\d -]{4,12}"
        r"|\(?\d{3}\)?[ .-]\d{3}[.-]\d{4}",
        "bank accounts (IBAN)": r"[A-Z]{2}\d{2} ?(?:[A-Z\d]{4} ?){2,7}[A-Z\d]{1,4}",
        "computers' addresses": r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)",
        "social security numbers": r"\d{3}-\d{2}-\d{4}",
        "card numbers": r"\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{1,7}",
    }.items()
}


def suspected_columns(table: pd.DataFrame) -> dict[str, str]:
    """Columns that may hold personal data, each with what it looks like."""
    suspicions = {str(name): _by_name(str(name)) or _by_values(table[name]) for name in table}
    return {name: suspicion for name, suspicion in suspicions.items() if suspicion}


def _by_name(name: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # firstName
    words = re.sub(r"[\W_]+", " ", words).strip().lower()
    for meaning, pattern in NAMES.items():
        if re.fullmatch(pattern, words):
            return f"is called like {meaning}"
    return ""


def _by_values(column: pd.Series) -> str:
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return ""
    values = [str(value).strip()[:LONGEST] for value in column.dropna().unique()[:MOST_VALUES]]
    for meaning, pattern in PATTERNS.items():
        # Searched, not matched: an address inside a sentence is an address.
        hits = sum(pattern.search(value) is not None for value in values)
        if hits > ENOUGH * len(values):
            return f"holds what looks like {meaning}"
    return ""
