"""One connection: limits for what uvicorn's protocol takes without one, before any key is asked for.

uvicorn would keep a head without an end, copying all of it with each packet; wait for it for ever; take requests on one
connection as fast as they come; and keep answers that nobody reads.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sized
from itertools import chain

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from capstone.serving.http.middleware import CLOSE, DRAIN_SECONDS, UNREAD_BYTES, Middleware
from capstone.serving.http.problem_details import Problem

MAX_HEAD = 64 * 2**10  # bytes of the request line and the headers
MAX_ADDRESS = 8 * 2**10  # bytes of the address in the request line
MAX_HEADERS = 100
DRAIN_BYTES = 4 * 2**20  # that are read and thrown away after a refusal, so that the client sees it
MAX_REFUSED = 50  # connections beyond the limit that are told so, before others are closed at once
MAX_PIPELINED = 100  # requests that wait on one connection for the answer to an earlier one
# Of a body in chunks: bytes of sizes, extensions and trailers for each byte of content, beyond those of a head.
CHUNK_OVERHEAD = 2


class LimitedProtocol(HttpToolsProtocol):
    """Refuses heads that are too large, and closes a connection whose client neither sends nor reads in time."""

    app: Middleware
    head_timer: asyncio.TimerHandle | None = None
    unread_timer: asyncio.TimerHandle | None = None
    overhead = 0  # bytes of the request that are not its body
    packet = 0  # bytes that are being parsed
    head = 0  # bytes of the request so far, and of what else was in its first packet
    in_head = True
    problem: Problem | None = None
    refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self.flow = PipelineFlow(self.transport, self.pipeline)
        self.transport.set_write_buffer_limits(high=UNREAD_BYTES)
        self.url = b""
        too_many = len(self.connections) - self.app.limits.connections
        if too_many > MAX_REFUSED:
            self.transport.abort()
        elif too_many > 0:
            self.problem = TOO_MANY_CONNECTIONS
            self.send_400_response("")
        else:
            self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.packet = len(data)
        self.head += self.packet
        self.overhead += self.packet
        if self.refused:
            if self.overhead > DRAIN_BYTES:
                self.transport.abort()
            return
        super().data_received(data)  # calls the methods on_...
        if self.overhead > MAX_HEAD and not self.refused:
            # The parser tells of a header when it has all of it.
            self.problem = HEAD_TOO_LARGE if self.in_head else CHUNKS_TOO_SMALL
            self.send_400_response("")
        elif self.cycle is None or self.cycle.response_complete:  # the headers are not complete
            self._start_head_timer()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.head, self.overhead, self.in_head = self.packet, 0, True

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_ADDRESS:
            self._stop_parsing(ADDRESS_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS:
            self._stop_parsing(HEAD_TOO_LARGE if self.in_head else CHUNKS_TOO_SMALL)

    def on_headers_complete(self) -> None:
        self._stop_head_timer()
        self.in_head = False
        # Most heads are so small that they need not be measured.
        if self.head > MAX_HEAD and sum(map(len, chain.from_iterable(self.headers))) > MAX_HEAD:
            self._stop_parsing(HEAD_TOO_LARGE)
        if self.parser.should_upgrade() and self.parser.get_method() == b"POST":
            self._stop_parsing(NO_UPGRADE)  # the parser takes a body for the other protocol's bytes
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("the rest is not read")  # send_400_response() has the others answered
        super().on_headers_complete()
        self.headers = []  # what comes now are trailers, which must not join the headers

    def on_body(self, body: bytes) -> None:
        content = (1 + CHUNK_OVERHEAD) * len(body)
        self.overhead = max(
            self.overhead - content, -MAX_HEAD
        )  # a long body buys no endless trailer
        super().on_body(body)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():  # but it stays open until all is read
            self._check_unread()

    def send_400_response(self, msg: str) -> None:
        """Refuse what can't be parsed, and read no more. Earlier requests are answered first."""
        self.refused = True
        cycle = self.cycle
        if (
            cycle and cycle.response_complete and not self.in_head
        ):  # of a body that nobody asked for
            self.transport.close()
            return
        if cycle and not cycle.response_complete:
            if self.pipeline or not cycle.more_body:
                cycle.keep_alive = False
                return
            # The refusal answers this request, whose body is wrong: its handler must write nothing more.
            cycle.disconnected, cycle.waiting_for_100_continue = True, False
            cycle.message_event.set()
        self.transport.write(self.app.refusal(self.problem or NO_HTTP))
        # Closing a connection with bytes unread would reset it and lose the answer.
        self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(DRAIN_SECONDS, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._check_unread()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.unread_timer is not None:
            self.unread_timer.cancel()

    def _stop_parsing(self, problem: Problem) -> None:
        self.problem = problem
        raise ValueError(problem.detail)  # the parser stops, and uvicorn calls send_400_response()

    def _check_unread(self, before: float = math.inf) -> None:
        """Close the connection where the client has read nothing since the last look."""
        unread = self.transport.get_write_buffer_size()
        if unread >= before:
            self.transport.abort()
        elif unread:
            seconds = self.app.limits.seconds
            self.unread_timer = self.loop.call_later(seconds, self._check_unread, unread)

    def _start_head_timer(self) -> None:
        if self.head_timer is None and not self.transport.is_closing():
            seconds = self.app.limits.seconds
            self.head_timer = self.loop.call_later(seconds, self.transport.close)

    def _stop_head_timer(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None


class PipelineFlow(FlowControl):
    """Reads no further requests while some are waiting."""

    def __init__(self, transport: asyncio.Transport, pipeline: Sized) -> None:
        super().__init__(transport)
        self.pipeline = pipeline

    def resume_reading(self) -> None:
        """Read on, if nothing waits."""
        if not self.pipeline:
            super().resume_reading()


NO_HTTP = Problem(400, "This is no HTTP/1.1 request that can be read.", headers=CLOSE)
NO_UPGRADE = Problem(
    400, "This service speaks HTTP/1.1 alone: leave the header Upgrade away.", headers=CLOSE
)
ADDRESS_TOO_LONG = Problem(
    414, f"The address is over {MAX_ADDRESS:,} bytes: send rows in the body.", headers=CLOSE
)
HEAD_TOO_LARGE = Problem(
    431,
    f"The headers are over {MAX_HEAD:,} bytes, or more than {MAX_HEADERS}: send fewer.",
    headers=CLOSE,
)
TOO_MANY_CONNECTIONS = Problem(
    503,
    "Too many connections are open: close one, or try again in a second.",
    headers=((b"retry-after", b"1"), *CLOSE),
)
CHUNKS_TOO_SMALL = Problem(
    413, "The body comes in too small chunks, or with too much beside them.", headers=CLOSE
)
