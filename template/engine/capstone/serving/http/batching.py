"""Small requests that arrive at the same time are predicted in one go.

The weights of the networks are then fetched from memory once for all of them, which takes longer than to compute a row.
Nobody waits for it: what arrived while the last ones were answered is taken together; a single request is alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from capstone.serving.http.endpoints import Answering, Asked

MOST_ROWS = 500  # in one go


@dataclass
class Waiting:
    """A request that has been read, and who waits for its answer."""

    answering: Answering
    asked: Asked
    answer: asyncio.Future[bytes]


class Together:
    """Collects requests for the rest of a turn of the event loop."""

    def __init__(self, current: Callable[[], Answering]) -> None:
        self.current = current
        self.waiting: list[Waiting] = []

    async def predict(self, body: bytes) -> bytes:
        """The answer of /v1/predict. Raises Problem."""
        loop, answering = asyncio.get_running_loop(), self.current()
        one = Waiting(answering, answering.read(body), loop.create_future())
        if not self.waiting:
            loop.call_soon(self._answer_all)
        self.waiting.append(one)
        return await one.answer

    def _answer_all(self) -> None:
        waiting, self.waiting = self.waiting, []
        for group in _alike(waiting):
            try:
                answers = group[0].answering.answer([one.asked for one in group])
            except Exception as failure:  # each is told; the guard writes the log
                for one in group:
                    if not one.answer.done():
                        one.answer.set_exception(failure)
                continue
            for one, answer in zip(group, answers, strict=True):
                if one.answer.done():  # its caller is gone
                    continue
                if isinstance(answer, bytes):
                    one.answer.set_result(answer)
                else:
                    one.answer.set_exception(answer)


def _alike(waiting: list[Waiting]) -> Iterator[list[Waiting]]:
    """Groups for the same model, with the same columns and not too many rows."""
    groups: dict[tuple[int, tuple[str, ...]], list[Waiting]] = {}
    for one in waiting:
        key = id(one.answering), tuple(one.asked.columns)
        group = groups.setdefault(key, [])
        if group and sum(other.asked.rows for other in group) + one.asked.rows > MOST_ROWS:
            yield groups.pop(key)
            group = groups.setdefault(key, [])
        group.append(one)
    yield from groups.values()
