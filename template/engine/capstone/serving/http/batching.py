"""Micro-batching: small requests that arrive at the same time are predicted together.

The weights of the networks are then fetched from memory once for all of them, which takes longer than computing a row.
Nobody waits for a batch to fill: it takes what arrived during the last one, and a single request is a batch of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from capstone.serving.http.endpoints import ModelEndpoints, ParsedRequest

MAX_BATCH_ROWS = 500


@dataclass
class PendingRequest:
    """A request that has been parsed, and the future that gets its answer."""

    endpoints: ModelEndpoints
    request: ParsedRequest
    answer: asyncio.Future[bytes]


class MicroBatcher:
    """Collects requests until the next turn of the event loop."""

    def __init__(self, current: Callable[[], ModelEndpoints]) -> None:
        self.current = current
        self.pending: list[PendingRequest] = []

    async def predict(self, body: bytes) -> bytes:
        """The answer of /v1/predict. Raises Problem."""
        loop, endpoints = asyncio.get_running_loop(), self.current()
        pending = PendingRequest(endpoints, endpoints.parse(body), loop.create_future())
        if not self.pending:
            loop.call_soon(self._answer_all)
        self.pending.append(pending)
        return await pending.answer

    def _answer_all(self) -> None:
        all_pending, self.pending = self.pending, []
        for batch in _batches(all_pending):
            try:
                answers = batch[0].endpoints.predict_batch([one.request for one in batch])
            except Exception as failure:  # every caller gets it; the middleware writes the log
                answers = [failure] * len(batch)
            for one, answer in zip(batch, answers, strict=True):
                if one.answer.done():  # the caller has gone away
                    continue
                if isinstance(answer, bytes):
                    one.answer.set_result(answer)
                else:
                    one.answer.set_exception(answer)


def _batches(all_pending: list[PendingRequest]) -> Iterator[list[PendingRequest]]:
    """Batches for the same model, with the same columns and not too many rows."""
    batches: dict[tuple[int, tuple[str, ...]], list[PendingRequest]] = {}
    for one in all_pending:
        key = id(one.endpoints), tuple(one.request.columns)
        batch = batches.setdefault(key, [])
        if batch and sum(other.request.rows for other in batch) + one.request.rows > MAX_BATCH_ROWS:
            yield batches.pop(key)
            batch = batches.setdefault(key, [])
        batch.append(one)
    yield from batches.values()
