"""The outline of a JSON body: its brackets, colons and commas without its texts.

Parsing holds up every other thread: a body of 16 MB with a million names takes a second. Counting takes a hundredth.
"""

from __future__ import annotations

from capstone.serving.http.problem_details import Problem

BLOCK = 2**16  # bytes that are taken apart at once: every piece is an object of Python's
ALL_BUT_BRACES = bytes(set(range(256)) - set(b"{}:"))


def outline(body: bytes) -> bytes:
    """The body without what stands between quotes. Of a body that is no JSON it is anything."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")  # first the pairs: \\\\" ends a text
    parts, in_text = [], 0
    for start in range(0, len(body), BLOCK):
        pieces = body[start : start + BLOCK].split(b'"')
        parts.append(b"".join(pieces[in_text::2]))
        in_text = (in_text + len(pieces) - 1) % 2
    return b"".join(parts)


def count_names(body: bytes) -> int:
    """How many names the objects of a body hold, repeated ones too: each has one colon."""
    return outline(body).count(b":")


def refuse_excess(body: bytes, rows: int, names: int) -> None:
    """Refuse a body that can't hold so many rows of so many names, before it is parsed. Raises Problem."""
    found = outline(body)
    if found.count(b"{") + found.count(b"[") > rows + names + 2:
        message = f"The body holds more objects and lists than {rows:,} rows need: send fewer rows."
        raise Problem(413, message)
    braces = found.translate(None, ALL_BUT_BRACES)
    if braces.count(b":{") > 1:  # the one may be {"columns": {
        message = (
            "An object stands inside of a row: a value is a number, a text, true, false or null."
        )
        raise Problem(422, message)
    if max(map(len, braces.replace(b"}", b"{").split(b"{"))) > names:
        message = f"An object of the body holds more than {names:,} names: send the model's columns alone."
        raise Problem(422, message)
