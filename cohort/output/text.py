"""Texts as people read them. What a stranger wrote is shown; nothing in it steers a terminal or a page."""

from __future__ import annotations


def plain_text(text: str, keep: str = "") -> str:
    """A text in which each control or invisible character is replaced by one that can be seen.

    So a name can neither move a terminal's cursor nor turn the direction of what follows it.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else _visible(one) for one in text)


def _visible(character: str) -> str:
    return " " if character.isspace() else f"⟨U+{ord(character):04X}⟩"


def count_of(number: int, noun: str) -> str:
    """A number with its noun: "1 student", "3,000 students", "2 branches", "4 repositories"."""
    if number != 1:
        if noun.endswith("y"):
            noun = noun[:-1] + "ies"
        else:
            noun += "es" if noun.endswith(("ch", "s")) else "s"
    return f"{number:,} {noun}"
