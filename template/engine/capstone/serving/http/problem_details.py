"""What the service refuses, and how it says so: problem details as RFC 9457 has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

PROBLEM_TYPE = b"application/problem+json"
SORRY = "Something is wrong in the service; its log says what."
MOST_ERRORS = 20  # told of one request
Header = tuple[bytes, bytes]


class Problem(Exception):
    """A request that gets no answer: the status, one sentence why, and where in the body."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: list[dict[str, Any]] | None = None,
        headers: tuple[Header, ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors or [], headers

    def body(self, request_id: str) -> bytes:
        """The problem as JSON. It never tells of the inside: no file, no line, no traceback."""
        told = {
            "type": "about:blank",  # the status says what kind of problem it is
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "request": request_id,
        }
        if self.errors:
            told["errors"] = self.errors
        return orjson.dumps(told)


def busy(detail: str) -> Problem:
    """Too much at once: the caller may try again in a second."""
    return Problem(503, detail, headers=((b"retry-after", b"1"),))


@dataclass
class Errors:
    """What is wrong with a body, collected so that the caller can mend it all at once."""

    found: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0

    def add(self, place: str, message: str) -> None:
        self.count += 1
        if len(self.found) < MOST_ERRORS:
            self.found.append({"place": place, "message": message})

    def check(self) -> None:
        """Raise what was found."""
        if self.count:
            more = f" The first {MOST_ERRORS} are named." if self.count > MOST_ERRORS else ""
            raise Problem(422, f"{self.count:,} value(s) can't be used.{more}", self.found)
