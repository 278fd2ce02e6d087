"""Make text from untrusted sources safe to show, send and store."""

from __future__ import annotations

import json

JOINERS = "\u200c\u200d"  # honest Persian, Hindi and emoji have them


def visible_text(text: str, keep: str = "") -> str:
    """Replace each control or invisible character by a visible one.

    So a name can neither move a terminal's cursor nor turn the direction of what follows it, and what was no
    UTF-8 (a file named in Latin-1, say) can be encoded, printed and kept like anything else.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else _visible(one) for one in text)


def visible_lines(text: str) -> str:
    """Do the same for a text of several lines."""
    return visible_text(text, keep="\n" + JOINERS)


def _visible(character: str) -> str:
    number = ord(character)
    if character.isspace() and (number >= 0x80 or character in "\t\n\r\v\f"):
        return " "
    if number < 0x20:
        return chr(0x2400 + number)  # the control pictures of Unicode
    if 0xDC80 <= number <= 0xDCFF:  # how Python keeps a byte that is no UTF-8
        return f"⟨{number - 0xDC00:02X}⟩"
    return f"⟨U+{number:04X}⟩"


def to_json(value: object, indent: int | None = None) -> str:
    """Return JSON that every program can read: no lone surrogates, no terminal control characters."""
    return json.dumps(_visible_value(value), indent=indent)


def _visible_value(value: object) -> object:
    if isinstance(value, str):
        return visible_lines(value)
    if isinstance(value, dict):
        return {visible_lines(str(key)): _visible_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_visible_value(one) for one in value]
    return value


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun: "1 student", "3,000 students", "2 branches", "4 repositories"."""
    if number != 1:
        if noun.endswith("y"):
            noun = noun[:-1] + "ies"
        else:
            noun += "es" if noun.endswith(("ch", "s")) else "s"
    return f"{number:,} {noun}"
