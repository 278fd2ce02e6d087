"""What stands between the network and the model: one layer that every request passes through.

It is plain ASGI, the interface that uvicorn calls, because a stack of ready-made layers would take longer than the
model. It refuses early what is too large, too slow, too much or has no key; hides what goes wrong inside; and adds to
every answer the headers that tell a browser to trust nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import re
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from capstone.serving.http.metrics import Meter
from capstone.serving.http.problem_details import PROBLEM_TYPE, SORRY, Header, Problem, busy

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OPEN_TO_ALL = {"/", "/page.js", "/page.css", "/healthz", "/readyz"}  # the rest needs the key
KNOWN = OPEN_TO_ALL | {"/v1/predict", "/v1/explain", "/v1/model", "/metrics", "/openapi.json"}
LOOPBACK = re.compile(rb"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE)
SAFE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
JSON_TYPE = b"application/json"
JSON = re.compile(rb'application/json(\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)
CLOSE = ((b"connection", b"close"),)  # nothing more is answered on this connection
LINGER = 2.0  # seconds for which what such a client still sends is read and thrown away
HEADERS = [
    # Only this service's own files, none from another host, no script or style inside the page.
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),  # answers are about people
]


@dataclass(frozen=True)
class Limits:
    """How much of everything the service takes."""

    rows: int = 10_000  # in one request
    body: int = 16 * 2**20  # bytes of one request
    bodies: int = 64 * 2**20  # bytes of all requests that are being read
    requests: int = 512  # that wait for their turn: a tenth of a second, at 0.2 ms each
    waiting: int = 8  # large requests and explanations that wait for a thread
    seconds: float = 10.0  # for a client to send headers, or a body, and for the service to answer


class Guard:
    """The layer.

    app      answers what is asked by GET
    answers  for each address that takes rows, the function from the body of a request to that of its answer
    key      the API key; without one, only callers on this machine are answered
    """

    def __init__(
        self,
        app: App,
        answers: Mapping[str, Callable[[bytes], Awaitable[bytes]]],
        limits: Limits,
        meter: Meter,
        key: str = "",
    ) -> None:
        self.app, self.answers, self.limits, self.meter = app, answers, limits, meter
        self.key = key.encode()
        self.waiting, self.held = 0, 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":  # the start and the end of the server
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        path = scope["path"] if scope["path"] in KNOWN else "other"
        headers = dict(scope["headers"])
        request_id = _request_id(headers)
        scope["capstone.request"] = request_id
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    *HEADERS,
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        error = ""
        held = 0
        try:
            self._admit(path, headers)
            answer = self.answers.get(path)
            if answer is None:
                await self.app(scope, receive, send_on)
            elif scope["method"] != "POST":
                raise Problem(405, "Send rows here, by POST.", headers=((b"allow", b"POST"),))
            else:
                body, held = await self._read(headers, receive)
                await _send(200, JSON_TYPE, await self._in_turn(answer, body), send_on)
        except Problem as problem:
            if not status:
                await self._refuse(problem, request_id, receive, send_on)
        except ConnectionError:
            status = 499  # nobody is there to be answered
        except Exception as failure:
            error = _where(failure)
            if not status:
                await self._refuse(Problem(500, SORRY), request_id, receive, send_on)
        finally:
            self.held -= held
            seconds = time.perf_counter() - began
            self.meter.count(scope["method"], path, status, seconds, request_id, error)

    def _admit(self, path: str, headers: dict[bytes, bytes]) -> None:
        """Refuse who may not ask."""
        if self.key:
            if path not in OPEN_TO_ALL:
                given = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
                # compare_digest takes as long for a wrong first letter as for a wrong last one.
                if not hmac.compare_digest(headers.get(b"x-api-key", given), self.key):
                    wanted = ((b"www-authenticate", b"Bearer"), *CLOSE)
                    raise Problem(401, 'Send the API key as header "X-API-Key".', headers=wanted)
        elif not LOOPBACK.fullmatch(headers.get(b"host", b"localhost")):
            # A page elsewhere may have its name lead to 127.0.0.1, and would then be let in.
            raise Problem(421, "Without an API key only this machine's own names are answered.")

    async def _in_turn(self, answer: Callable[[bytes], Awaitable[bytes]], body: bytes) -> bytes:
        """The answer, after those who came before; a queue that is too long takes nobody more."""
        if self.waiting >= self.limits.requests:
            raise busy("Too many requests are waiting: try again in a second.")
        self.waiting += 1
        try:
            return await answer(body)
        finally:
            self.waiting -= 1

    async def _read(self, headers: dict[bytes, bytes], receive: Receive) -> tuple[bytes, int]:
        """The whole body, and how many bytes of it count as held."""
        if not JSON.fullmatch(headers.get(b"content-type", b"")):
            raise Problem(
                415, 'The body must be JSON: say "Content-Type: application/json".', headers=CLOSE
            )
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Problem(
                415,
                "The body must not be compressed.",
                headers=((b"accept-encoding", b"identity"), *CLOSE),
            )
        length = headers.get(b"content-length", b"")
        if length.isdigit() and len(length) < 20:
            self._check_size(int(length))
        try:
            async with asyncio.timeout(self.limits.seconds):
                message = await receive()
                if message["type"] == "http.request" and not message.get("more_body"):
                    self._check_size(len(message["body"]))
                    return message["body"], 0
                return await self._read_on(message, receive)
        except TimeoutError:
            detail = f"The body did not arrive within {self.limits.seconds:g} seconds."
            raise Problem(408, detail, headers=CLOSE) from None

    async def _read_on(self, message: Message, receive: Receive) -> tuple[bytes, int]:
        """The parts of a body that comes in several."""
        parts, size = [], 0
        try:
            while True:
                if message["type"] == "http.disconnect":
                    raise ConnectionError
                part = message.get("body", b"")
                parts.append(part)
                size += len(part)
                self.held += len(part)
                self._check_size(size)
                if self.held > self.limits.bodies:
                    raise busy("Too much is being sent at once: try again in a second.")
                if not message.get("more_body"):
                    return b"".join(parts), size
                message = await receive()
        except BaseException:
            self.held -= size
            raise

    async def _refuse(
        self, problem: Problem, request_id: str, receive: Receive, send: Send
    ) -> None:
        """Tell the problem. A connection that is closed with bytes unread is reset, and the answer lost: so read on."""
        body, closes = problem.body(request_id), CLOSE[0] in problem.headers
        await _send(problem.status, PROBLEM_TYPE, body, send, problem.headers, not closes)
        if closes:
            left = self.limits.bodies
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER):
                    while left > 0 and (message := await receive()).get("more_body"):
                        left -= len(message["body"])
            await send({"type": "http.response.body", "body": b""})

    def _check_size(self, size: int) -> None:
        if size > self.limits.body:
            most = self.limits.body / 2**20
            raise Problem(413, f"The body is over {most:g} MB: send fewer rows.", headers=CLOSE)


def _request_id(headers: dict[bytes, bytes]) -> str:
    """The caller's own id of the request, where it is a plain one, or a new one."""
    given = headers.get(b"x-request-id", b"")
    return given.decode() if SAFE_ID.fullmatch(given) else secrets.token_hex(8)


def _where(failure: Exception) -> str:
    """Kind and place of an error, for the log. Its text may hold values that were sent, so it is left out."""
    frame = traceback.extract_tb(failure.__traceback__)[-1]
    return f"{type(failure).__name__} in {frame.filename}, line {frame.lineno}"


async def _send(
    status: int,
    kind: bytes,
    body: bytes,
    send: Send,
    more: tuple[Header, ...] = (),
    end: bool = True,
) -> None:
    length = str(len(body)).encode()
    headers = [(b"content-type", kind), (b"content-length", length), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": not end})
