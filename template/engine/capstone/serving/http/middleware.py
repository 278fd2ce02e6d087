"""The middleware: one layer between the network and the app, which every request passes through.

It is plain ASGI, the interface that uvicorn calls, because a stack of ready-made layers would take longer than the
model. It refuses early what is too large, too slow, too much or lacks the key; reveals nothing of internal errors; and
adds the security headers to every answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import re
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from capstone.serving.http.metrics import Metrics
from capstone.serving.http.problem_details import (
    INTERNAL_ERROR,
    PROBLEM_TYPE,
    Header,
    Problem,
    too_busy,
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handlers = Mapping[str, Callable[[bytes], Awaitable[bytes]]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

PUBLIC_PATHS = {
    "/",
    "/page.js",
    "/page.css",
    "/tokens.css",
    "/healthz",
    "/readyz",
}  # the rest needs the key
PATHS = PUBLIC_PATHS | {"/v1/predict", "/v1/explain", "/v1/model", "/metrics", "/openapi.json"}
HOST = re.compile(rb"(?:\[([\da-f:.]{2,45})\]|([\w.-]{1,253}))(?::\d{1,5})?", re.IGNORECASE)
# Headers that decide something here. Two of one would mean one thing to a proxy and another to us.
SINGLE_HEADERS = (b"host", b"authorization", b"x-api-key", b"content-type", b"content-encoding")
SAFE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
JSON_TYPE = (b"content-type", b"application/json")
JSON_CONTENT_TYPE = re.compile(rb'application/json(\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)
CLOSE = ((b"connection", b"close"),)  # nothing more is answered on this connection
LARGE_BODY = 20_000  # bytes from which on a thread answers, so that others need not wait
UNREAD_BYTES = 4096  # of an answer that a connection holds before its client has to read on
DRAIN_SECONDS = 2.0  # for which what such a client still sends is read and thrown away
SECURITY_HEADERS = [
    # Only files of this service, none from another host, no script or style inside the page.
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


END: Message = {"type": "http.response.body", "body": b""}  # of an answer


@dataclass(frozen=True)
class Limits:
    """How much of everything the service takes."""

    rows: int = 10_000  # in one request
    body: int = 16 * 2**20  # bytes of one request
    bodies: int = 64 * 2**20  # bytes of all requests that are being read, and answers being sent
    connections: int = 900  # open at once, in a process: most systems allow it 1,024 files
    requests: int = 512  # that wait for their turn: a tenth of a second, at 0.2 ms each
    waiting: int = 8  # large requests and explanations that wait for a thread
    seconds: float = 10.0  # for a client to send headers, or a body, and for the service to answer


class Middleware:
    """Admits or refuses each request, and writes the log and the metrics of it.

    app       answers GET requests
    handlers  for each address that takes rows, the function from the body of a request to that of the answer
    key       the API key; without one, only callers on this machine are answered
    """

    def __init__(
        self, app: App, handlers: Handlers, limits: Limits, metrics: Metrics, key: str = ""
    ) -> None:
        self.app, self.handlers, self.limits, self.metrics = app, handlers, limits, metrics
        self.key = key.encode()
        self.waiting = 0  # requests
        self.buffered = 0  # bytes of bodies that are being read, and of answers

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":  # the start and the end of the server
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        path = scope["path"] if scope["path"] in PATHS else "other"
        headers = dict(scope["headers"])
        request_id = scope["capstone.request"] = _request_id(headers)
        status, error = 0, ""

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                id_header = (b"x-request-id", request_id.encode())
                message["headers"] = [*message["headers"], *SECURITY_HEADERS, id_header]
            await send(message)

        try:
            self._admit(path, headers, scope["headers"])
            handler = self.handlers.get(path)
            if handler is None:
                await self.app(scope, receive, send_with_headers)
            elif scope["method"] != "POST":
                raise Problem(405, "Send rows here, by POST.", headers=((b"allow", b"POST"),))
            else:
                await self._answer(handler, headers, receive, send_with_headers)
        except Problem as problem:
            if not status:
                await self._refuse(problem, request_id, receive, send_with_headers)
        except ConnectionError:
            status = 499  # the client is gone
        except Exception as failure:
            error = _error_location(failure)
            if not status:
                internal = Problem(500, INTERNAL_ERROR)
                await self._refuse(internal, request_id, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - start
            self.metrics.count_request(path, status, seconds)
            line = {"request": request_id, "method": scope["method"], "path": path}
            line |= {"status": status, "ms": round(seconds * 1000, 2)}
            self.metrics.log("request", line | ({"error": error} if error else {}))

    def refusal(self, problem: Problem) -> bytes:
        """The whole answer to what is no request that __call__() could be given, counted and logged like one."""
        request_id, status = secrets.token_hex(8), problem.status
        self.metrics.count_request("other", status, 0.0)
        self.metrics.log("request", {"request": request_id, "path": "other", "status": status})
        body = problem.body(request_id)
        length = (b"content-length", str(len(body)).encode())
        headers = [(b"content-type", PROBLEM_TYPE), length, *problem.headers, *SECURITY_HEADERS]
        head = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())]
        head += [name + b": " + value for name, value in headers]
        return b"\r\n".join([*head, b"", body])

    def _admit(self, path: str, headers: dict[bytes, bytes], sent: Sequence[Header]) -> None:
        """Refuse callers who may not ask."""
        if len(headers) < len(sent):
            names = [name for name, _ in sent]
            if twice := [name for name in SINGLE_HEADERS if names.count(name) > 1]:
                detail = f'The header "{twice[0].decode()}" is there twice: send it once.'
                raise Problem(400, detail, headers=CLOSE)
        if self.key:
            if path not in PUBLIC_PATHS:
                token = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
                # compare_digest takes as long for a wrong first letter as for a wrong last one.
                if not hmac.compare_digest(headers.get(b"x-api-key", token), self.key):
                    challenge = ((b"www-authenticate", b"Bearer"), *CLOSE)
                    raise Problem(401, 'Send the API key as header "X-API-Key".', headers=challenge)
        elif not _names_loopback(headers.get(b"host", b"localhost")):
            # DNS rebinding: a page elsewhere may make its name resolve to 127.0.0.1.
            raise Problem(421, "Without an API key only this machine's own names are answered.")

    async def _answer(
        self,
        handler: Callable[[bytes], Awaitable[bytes]],
        headers: dict[bytes, bytes],
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer a request with a body."""
        body, buffered = await self._read(headers, receive)
        try:
            answer = await self._in_turn(handler, body)
            self.buffered += len(answer)
            buffered += len(answer)
            whole = len(answer) < UNREAD_BYTES
            await _send(200, [JSON_TYPE], answer, send, end=whole)
            if not whole:  # uvicorn takes the end when the client has read nearly all before it
                await send(END)
        finally:
            self.buffered -= buffered

    async def _in_turn(self, handler: Callable[[bytes], Awaitable[bytes]], body: bytes) -> bytes:
        """The answer, or a refusal where too many requests are waiting already."""
        if len(body) > LARGE_BODY and self.buffered > self.limits.bodies:
            raise too_busy("Too much is being sent at once: try again in a second.")
        if self.waiting >= self.limits.requests:
            raise too_busy("Too many requests are waiting: try again in a second.")
        self.waiting += 1
        try:
            return await handler(body)
        finally:
            self.waiting -= 1

    async def _read(self, headers: dict[bytes, bytes], receive: Receive) -> tuple[bytes, int]:
        """The complete body, and how many bytes of it count as buffered."""
        if not JSON_CONTENT_TYPE.fullmatch(headers.get(b"content-type", b"")):
            detail = 'The body must be JSON: say "Content-Type: application/json".'
            raise Problem(415, detail, headers=CLOSE)
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            accepted = ((b"accept-encoding", b"identity"), *CLOSE)
            raise Problem(415, "The body must not be compressed.", headers=accepted)
        length = headers.get(b"content-length", b"")
        if length.isdigit() and len(length) < 20:
            self._check_size(int(length))
        try:
            async with asyncio.timeout(self.limits.seconds):
                message = await receive()
                if message["type"] == "http.request" and not message.get("more_body"):
                    self._check_size(len(message["body"]))
                    return message["body"], 0
                return await self._read_parts(message, receive)
        except TimeoutError:
            detail = f"The body did not arrive within {self.limits.seconds:g} seconds."
            raise Problem(408, detail, headers=CLOSE) from None

    async def _read_parts(self, message: Message, receive: Receive) -> tuple[bytes, int]:
        """The parts of a body that comes in several."""
        parts, size = [], 0
        try:
            while True:
                if message["type"] == "http.disconnect":
                    raise ConnectionError
                part = message.get("body", b"")
                parts.append(part)
                size += len(part)
                self.buffered += len(part)
                self._check_size(size)
                if self.buffered > self.limits.bodies:
                    raise too_busy("Too much is being sent at once: try again in a second.")
                if not message.get("more_body"):
                    return b"".join(parts), size
                message = await receive()
        except BaseException:
            self.buffered -= size
            raise

    async def _refuse(
        self, problem: Problem, request_id: str, receive: Receive, send: Send
    ) -> None:
        """Send a problem. Closing a connection with bytes unread would reset it and lose the answer: so read on."""
        body, closes = problem.body(request_id), CLOSE[0] in problem.headers
        headers = [(b"content-type", PROBLEM_TYPE), *problem.headers]
        await _send(problem.status, headers, body, send, end=not closes)
        if closes:
            left = self.limits.bodies
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    while left > 0 and (message := await receive()).get("more_body"):
                        left -= len(message["body"])
            await send(END)

    def _check_size(self, size: int) -> None:
        if size > self.limits.body:
            megabytes = self.limits.body / 2**20
            detail = f"The body is over {megabytes:g} MB: send fewer rows."
            raise Problem(413, detail, headers=CLOSE)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


@lru_cache(maxsize=64)
def _names_loopback(header: bytes) -> bool:
    """Whether a Host header names this machine."""
    match = HOST.fullmatch(header)
    return match is not None and is_loopback((match[1] or match[2]).decode())


def _request_id(headers: dict[bytes, bytes]) -> str:
    """The caller's id of the request, if it is safe to repeat, or a new one."""
    request_id = headers.get(b"x-request-id", b"")
    return request_id.decode() if SAFE_ID.fullmatch(request_id) else secrets.token_hex(8)


def _error_location(failure: Exception) -> str:
    """Type and place of an error, for the log. Its text is left out, as it may hold values that were sent."""
    frame = traceback.extract_tb(failure.__traceback__)[-1]
    return f"{type(failure).__name__} in {frame.filename}, line {frame.lineno}"


async def _send(
    status: int, headers: Sequence[Header], body: bytes, send: Send, end: bool = True
) -> None:
    all_headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body, "more_body": not end})
