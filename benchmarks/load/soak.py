"""Mixed load for some minutes: good, wrong, too large, slow and broken requests side by side.

Each kind has the statuses that it may get. Anything else counts as an error of the service: another status, no answer,
an answer that is not what the same row gave at the start.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import psutil

PATIENCE = 30  # seconds that a client waits for an answer
BUSY = 503  # says "try again": an answer to overload, not an error
SAME = 1e-5  # as a share: rows computed together with others are rounded otherwise (float32)
Client = Callable[[], Awaitable[None]]


def apart(one: Any, other: Any) -> float:
    """How far apart two answers are: the largest share of any number in them; infinite where anything else differs."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return max((apart(one[name], other[name]) for name in one), default=0.0)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return max(map(apart, one, other), default=0.0)
    if isinstance(one, float) and isinstance(other, float) and one != other:
        return abs(one - other) / max(abs(one), abs(other))
    return 0.0 if one == other else math.inf


class Callers:
    """All clients of one service, and what they got."""

    def __init__(self, port: int, rows: list[dict[str, Any]]) -> None:
        self.port, self.rows = port, rows
        self.chance = random.Random(1)
        self.got: Counter[tuple[str, int]] = Counter()
        self.wrong: Counter[str] = Counter()
        self.times: list[float] = []
        self.expected: dict[int, Any] = {}
        self.gap = 0.0

    async def send(self, kind: str, raw: bytes, allowed: set[int]) -> bytes:
        """One request on a connection of its own; counts what came of it."""
        start = time.perf_counter()
        try:
            async with asyncio.timeout(PATIENCE):
                status, body = await self._exchange(raw)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, ValueError) as error:
            self.wrong[f"{kind}: {type(error).__name__}"] += 1
            return b""
        self.got[kind, status] += 1
        if status not in allowed | {BUSY}:
            self.wrong[f"{kind}: {status}"] += 1
        if kind == "one row" and status == 200:
            self.times.append(time.perf_counter() - start)
        return body if status == 200 else b""

    async def _exchange(self, raw: bytes) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            try:
                writer.write(raw)
                await writer.drain()
            except ConnectionError:
                pass  # it may refuse, and close, before all has been sent; its answer is there to be read
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").lower().split("\r\n")
            lengths = [line.split(":")[1] for line in lines if line.startswith("content-length:")]
            body = await reader.readexactly(int(lengths[0])) if lengths else b""
            return int(head.split()[1]), body
        finally:
            writer.close()

    def request(self, body: bytes, path: str = "/v1/predict", length: int | None = None) -> bytes:
        size = len(body) if length is None else length
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {size}\r\n\r\n"
        )
        return head.encode() + body

    async def one_row(self) -> None:
        number = self.chance.randrange(20)
        body = json.dumps({"rows": [self.rows[number]]}).encode()
        answer = await self.send("one row", self.request(body), {200})
        if answer:
            found = json.loads(answer)
            gap = apart(self.expected.setdefault(number, found), found)
            self.gap = max(self.gap, gap)
            if gap > SAME:
                self.wrong["one row: another answer than before"] += 1

    async def many_rows(self) -> None:
        body = json.dumps({"rows": self.rows}).encode()
        await self.send("1,000 rows", self.request(body), {200})
        await asyncio.sleep(0.2)

    async def explained(self) -> None:
        body = json.dumps({"rows": [self.chance.choice(self.rows)]}).encode()
        await self.send("explain", self.request(body, "/v1/explain"), {200})
        await asyncio.sleep(0.5)

    async def invalid(self) -> None:
        row = dict(self.chance.choice(self.rows))
        name = self.chance.choice(list(row))
        change = self.chance.choice(("type", "missing", "unknown", "broken", "nested"))
        changes: dict[str, dict[str, Any]] = {
            "type": {name: [1]},
            "unknown": {"no such column": 1},
        }
        row |= changes.get(change, {})
        if change == "missing":
            del row[name]
        body = json.dumps({"rows": [row]}).encode()
        if change == "broken":
            body = body[: self.chance.randrange(1, len(body))]
        if change == "nested":
            body = b"[" * 5000 + b"]" * 5000
        await self.send("invalid", self.request(body), {400, 422})

    async def oversized(self) -> None:
        """Too many bytes: by what is announced, or by what comes."""
        if self.chance.random() < 0.5:
            await self.send("oversized", self.request(b"{", length=10**9), {413})
        else:
            head = self.request(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
            part = b"100000\r\n" + b" " * 2**20 + b"\r\n"
            await self.send("oversized", head + part * 17, {413})
        await asyncio.sleep(0.3)

    async def slow(self) -> None:
        """A body that never ends: the service has to give up, not to wait."""
        await self.send("slow", self.request(b'{"rows"', length=1000), {408})

    async def broken_off(self) -> None:
        """Gone before the answer, or in the middle of the request."""
        raw = self.request(json.dumps({"rows": self.rows}).encode())
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(raw[: self.chance.randrange(10, len(raw))])
        await asyncio.sleep(self.chance.random() / 10)
        writer.transport.abort()
        self.got["broken off", 0] += 1

    async def repeat(self, ask: Client, end: float) -> None:
        while time.monotonic() < end:
            try:
                await ask()
            except OSError as error:
                self.wrong[f"{ask.__name__}: {type(error).__name__}"] += 1


async def _all(callers: Callers, process: psutil.Process, seconds: float) -> list[float]:
    """Everyone at once; returns the service's MB, once a second."""
    end = time.monotonic() + seconds
    several: list[tuple[Client, int]] = [
        (callers.one_row, 6),
        (callers.many_rows, 1),
        (callers.explained, 1),
        (callers.invalid, 2),
        (callers.oversized, 1),
        (callers.slow, 4),
        (callers.broken_off, 2),
    ]
    tasks = [
        asyncio.create_task(callers.repeat(ask, end))
        for ask, count in several
        for _ in range(count)
    ]
    held = []
    while time.monotonic() < end:
        held.append(process.memory_info().rss / 2**20)
        await asyncio.sleep(min(1, max(seconds / 20, 0.05)))
    await asyncio.gather(*tasks)
    return held


def soak(
    port: int, rows: list[dict[str, Any]], process: psutil.Process, seconds: float
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Ask for so long; prints what came of it. Returns the figures, and whether the goals were met."""
    callers = Callers(port, rows)
    held = asyncio.run(_all(callers, process, seconds))
    print("\n| kind of request | status | answers |\n|---|---:|---:|")
    for (kind, status), count in sorted(callers.got.items()):
        print(f"| {kind} | {status or '-'} | {count:,} |")
    tenth = max(len(held) // 10, 1)
    # The first tenth fills caches and pools, so the second is compared with the last.
    early, late = (statistics.median(part) for part in (held[tenth : 2 * tenth], held[-tenth:]))
    cuts = statistics.quantiles(callers.times, n=100)
    print(
        f"\nOne row, ms: half {cuts[49] * 1e3:.1f}, 99 % {cuts[98] * 1e3:.1f}, all {max(callers.times) * 1e3:.0f}"
    )
    print(f"The same row's answers differ by a share of {callers.gap:.1g} at most")
    print(f"MB: {early:.0f} at the start, {late:.0f} at the end, {max(held):.0f} at most")
    for what, count in callers.wrong.items():
        print(f"ERROR {what}: {count:,}")
    figures = {
        "answers": {f"{kind}: {status}": n for (kind, status), n in sorted(callers.got.items())},
        "errors": dict(callers.wrong),
        "memory": {"start": early, "end": late, "most": max(held)},
        "largest_gap": callers.gap,
        "seconds": seconds,
    }
    errors, total = sum(callers.wrong.values()), sum(callers.got.values())
    flat = late < 1.05 * early + 2
    goals = [
        (
            f"{seconds / 60:g} minutes, {total:,} requests: no error of the service ({errors})",
            not errors,
        ),
        (f"memory flat (from {early:.0f} to {late:.0f} MB)", flat),
        ("the service still runs", process.is_running()),
    ]
    return figures, [{"goal": goal, "met": "met" if met else "MISSED"} for goal, met in goals]
