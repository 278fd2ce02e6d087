"""What the service refuses, as problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from capstone.core.text import count

PROBLEM_TYPE = b"application/problem+json"
INTERNAL_ERROR = "Something is wrong in the service; its log says what."
MAX_ERRORS = 20  # listed in one answer
MAX_COUNTED = 1000  # after which a body is read no further
Header = tuple[bytes, bytes]
Error = dict[str, Any]  # the place in the body, and a message


class Problem(Exception):
    """A request that is refused: the status, one sentence why, and where in the body."""

    def __init__(
        self, status: int, detail: str, errors: Sequence[Error] = (), headers: Sequence[Header] = ()
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, headers

    def body(self, request_id: str) -> bytes:
        """The problem as JSON. It reveals nothing of the inside: no file, no line, no traceback."""
        content = {
            "type": "about:blank",  # the status says what kind of problem it is
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "request": request_id,
        }
        if self.errors:
            content["errors"] = self.errors
        return orjson.dumps(content)


def too_busy(detail: str) -> Problem:
    """Too much at once: the caller may try again in a second."""
    return Problem(503, detail, headers=((b"retry-after", b"1"),))


@dataclass
class ErrorList:
    """What is wrong with a body, collected so that the caller can correct all of it at once."""

    errors: list[Error] = field(default_factory=list)
    count: int = 0

    @property
    def keeps(self) -> bool:
        """Whether the next error will be listed."""
        return len(self.errors) < MAX_ERRORS

    def add(self, place: str, message: str) -> None:
        """Add an error; only the first MAX_ERRORS are kept. Raises Problem when there are far too many."""
        self.count += 1
        if self.keeps:
            self.errors.append({"place": place, "message": message})
        if self.count == MAX_COUNTED:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raise Problem if there is an error."""
        if self.count:
            more = f" The first {MAX_ERRORS} are named." if self.count > MAX_ERRORS else ""
            least = "At least " if self.count == MAX_COUNTED else ""
            detail = f"{least}{count(self.count, 'value')} can't be used.{more}"
            raise Problem(422, detail, self.errors)
