"""Bytes and bodies that a machine thinks of: no 5xx but 503 and 504, no hang, no traceback in the log.

A failure prints the number of the input; `connection(Random(number))` and `body(Random(number), row)` make it again.
"""

import contextlib
import json
import random
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.serving import Desk, Server, serving, statuses

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

# How many bodies and connections are tried; what Hypothesis and Schemathesis think of comes on top.
SUITE = 1_000
LONG = 84_000
CLIENTS = 8  # at the same time
WithRun = Callable[[str], Path]
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "missing_required_header",
    "negative_data_rejection",
)
# What is wrong may be refused by these. schemathesis's own list lacks 413, the answer to more rows than are taken.
REFUSALS = {"checks": {"negative_data_rejection": {"expected-statuses": ["400", "413", "422"]}}}
# A machine's JSON: nested, with names and texts of any letters, and numbers of any size.
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ANY_JSON = st.recursive(
    LEAF, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@pytest.fixture(scope="module")
def server(with_run: WithRun) -> Iterator[Server]:
    """A running service of the customers."""
    with serving(with_run("binary"), "--max-rows", "20") as started:
        yield started


@pytest.fixture(scope="module")
def desk(with_run: WithRun) -> Desk:
    """The same in this process."""
    return Desk(with_run("binary"), rows=20)


def try_all(server: Server, examples: int) -> None:
    """Send what fits the description, and what does not, to each of its addresses."""
    described = json.loads(server.ask("openapi.json").body)
    config = schemathesis.config.SchemathesisConfig.from_dict(REFUSALS)
    schema = schemathesis.openapi.from_dict(described, config=config)
    checks = [schemathesis.checks.CHECKS.get_one(name) for name in CHECKS]
    for path, methods in described["paths"].items():
        for method in methods:
            for mode in schemathesis.GenerationMode:
                operation = schema[path][method.upper()]
                if mode.is_negative and method == "get":
                    continue  # nothing in it can be wrong

                @settings(
                    max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck)
                )
                @given(case=operation.as_strategy(generation_mode=mode))
                def send(case: Any) -> None:
                    case.call_and_validate(base_url=server.address.rstrip("/"), checks=checks)

                send()
    assert server.ask("readyz").status == 200


def test_what_fits_the_description_or_does_not_breaks_nothing(server: Server) -> None:
    try_all(server, examples=10)


def outcome(desk: Desk, body: bytes) -> int:
    status = 0
    for path in ("/v1/predict", "/v1/explain"):
        answer = desk.ask("POST", path, body)
        status = answer.status
        assert status == 200 or 400 <= status < 500, answer.body
        json.loads(answer.body)
    return status


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(content=ANY_JSON)
def test_any_json_is_answered_or_refused(desk: Desk, content: Any) -> None:
    outcome(desk, json.dumps(content).encode())
    outcome(desk, json.dumps({"rows": [content]}).encode())
    outcome(desk, json.dumps({"columns": content}).encode())


# Bodies

TEXTS = (
    *("", " ", "NaN", "null", "1_000", "1e400", "٣", "\0", "\x1b[31m", "\u202e", "🙂", "é" * 300),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-02-30", "2026-W01-1"),
    *(
        "20260101",
        "2026-01-01T24:00",
        "1" * 5000,
        "a" * 1001,
        "=1+1",
        "<b>",
        "../..",
        "yes",
        "true",
    ),
)
NUMBERS = (
    *(0, -1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63), 10**30, 3e38, 3.5e38, 1e308, -1e308),
    *(1e-308, 5e-324, -0.0, 0.1, float("nan"), float("inf"), 10**40, 10**4000),
)
RAW = (
    *(
        b"1e400",
        b"-",
        b"01",
        b"+1",
        b"1.",
        b".5",
        b"0x10",
        b"1_0",
        b"tru",
        b"NaN",
        b"nulll",
        b"'a'",
    ),
    *(b'"\\ud800"', b'"\\u0000"', b'"\x00"', b'"\xff"', b"[" * 2000, b'{"a":' * 500, b"/**/", b""),
)


def any_value(rng: random.Random, depth: int = 0) -> Any:
    """A value of JSON, such as a slip or an attack would send."""
    kind = rng.randrange(9 if depth < 3 else 6)
    if kind <= 1:
        return rng.choice(TEXTS)
    if kind <= 3:
        return rng.choice(NUMBERS)
    if kind == 4:
        return rng.choice((None, True, False))
    if kind == 5:
        return "".join(chr(rng.randrange(0x20, 0xD800)) for _ in range(rng.randrange(8)))
    count = rng.randrange(4)
    if kind == 6:
        return {str(any_value(rng, 3)): any_value(rng, depth + 1) for _ in range(count)}
    return [any_value(rng, depth + 1) for _ in range(count)]


def body(rng: random.Random, row: dict[str, Any]) -> bytes:
    """Rows or columns in which something is odd: values, names, forms, or the text of the JSON itself."""
    rows = [dict(row) for _ in range(rng.choice((1, 1, 1, 2, 5)))]
    for _ in range(rng.randrange(4)):
        one, name = rng.choice(rows), rng.choice(list(row))
        change = rng.randrange(5)
        if change <= 2:
            one[name] = any_value(rng)
        elif change == 3:
            one.pop(name, None)
        else:
            one[rng.choice((name.upper(), name + " ", "", str(any_value(rng, 3))))] = 1
    content: Any = {"rows": rows}
    if rng.random() < 0.3:
        content = {"columns": {name: [one.get(name) for one in rows] for name in rows[0]}}
    if rng.random() < 0.1:
        content = rng.choice(([content], {**content, "x": 1}, {"rows": content}, {}))
    text = json.dumps(content).encode()
    if rng.random() < 0.3:  # a value written as no JSON would be
        values = [match.span() for match in re.finditer(rb"(?<=: )[^,{}\[\]]+", text)]
        if values:
            start, end = rng.choice(values)
            text = text[:start] + rng.choice(RAW) + text[end:]
    return mangled(rng, text) if rng.random() < 0.3 else text


def mangled(rng: random.Random, raw: bytes) -> bytes:
    """The bytes with some of them lost, doubled, changed or made up."""
    content = bytearray(raw)
    for _ in range(rng.randrange(1, 4)):
        start = rng.randrange(len(content) + 1)
        end = start + rng.choice((0, 1, 1, 2, 10, 100))
        piece = bytes(content[start:end])
        content[start:end] = rng.choice(
            (b"", piece * 2, rng.randbytes(3), b"\r\n", b":", b'"', b"\0")
        )
    return bytes(content)


def try_bodies(desk: Desk, numbers: range) -> None:
    for number in numbers:
        raw = body(random.Random(number), desk.example)
        path = "/v1/explain" if number % 10 == 0 else "/v1/predict"
        answer = desk.ask("POST", path, raw)
        assert answer.status == 200 or 400 <= answer.status < 500, (number, answer.body)
        json.loads(answer.body)


def test_odd_bodies_are_answered_or_refused(desk: Desk) -> None:
    try_bodies(desk, range(SUITE // 2))


# Connections

METHODS = (
    b"GET",
    b"POST",
    b"POST",
    b"POST",
    b"HEAD",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"PRI",
    b"get",
)
ADDRESSES = (
    *(b"/", b"/v1/predict", b"/v1/predict", b"/v1/explain", b"/v1/model", b"/healthz", b"/metrics"),
    *(
        b"*",
        b"//evil.example",
        b"/%2e%2e/x",
        b"/%00",
        b"/%",
        b"/\xff",
        b"http://evil.example/",
        b"",
    ),
    *(b"/v1/model/", b"/?" + b"q" * 9000, b"localhost:80", b"/v1/predict?x=1#y"),
)
VERSIONS = (*[b"HTTP/1.1"] * 8, b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.11", b"")
HEADERS = (
    *(
        b"Host: localhost",
        b"Host: evil.example",
        b"Host:",
        b"Host: [::1]:99999",
        b"Connection: close",
    ),
    *(b"Connection: Upgrade", b"Upgrade: websocket", b"Upgrade: h2c", b"Expect: 100-continue"),
    *(b"Expect: x", b"Range: bytes=0-1", b"Content-Encoding: gzip", b"Accept-Encoding: br"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Content-Length: 5"),
    *(b"Content-Length: 99999999999", b"Content-Length: -1", b"Content-Length: 0x5", b" folded"),
    *(
        b"X: " + b"a" * 70_000,
        b"X-Request-ID: " + b"\x7f",
        b"Cookie: a=b; c",
        b"X-API-Key: \xff",
        b":",
    ),
    *(
        b"Content-Type: text/plain",
        b"Content-Type: application/json; charset=utf-16",
        b"Te: trailers",
    ),
)
OTHERS = (
    *(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    *(b"GET /\r\n", b"\0" * 64, b"\r\n" * 10, b"SSH-2.0-x\r\n", b"\x05\x01\x00", b"{}\r\n\r\n"),
)


def chunks(rng: random.Random, content: bytes) -> bytes:
    """A body in chunks, well or badly made."""
    made, start = b"", 0
    while start < len(content):
        part = content[start : start + rng.choice((1, 7, 100, 1000))]
        start += len(part)
        made += b"%x%b\r\n%b\r\n" % (len(part), rng.choice((b"", b"", b";x=y")), part)
    return made + rng.choice((b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nHost: x\r\n\r\n", b"", b"-1\r\n"))


def one_request(rng: random.Random, row: dict[str, Any]) -> bytes:
    """A request that is right for the most part."""
    method, address, version = b"POST", rng.choice((b"/v1/predict", b"/v1/explain")), b"HTTP/1.1"
    if rng.random() < 0.4:
        method, address, version = map(rng.choice, (METHODS, ADDRESSES, VERSIONS))
    lines = [b" ".join((method, address, version)), b"Host: localhost"]
    lines += rng.sample(HEADERS, rng.choice((0, 0, 0, 1, 1, 3)))
    content = b""
    if method == b"POST":
        lines.append(b"Content-Type: application/json")
        content = body(rng, row)
        if rng.random() < 0.4:
            lines.append(b"Transfer-Encoding: chunked")
            content = chunks(rng, content)
        else:
            lines.append(b"Content-Length: %d" % (len(content) + rng.choice((0,) * 18 + (1, -1))))
    end = rng.choice((b"\r\n",) * 9 + (b"\n",))
    return end.join([*lines, b"", content])


def connection(rng: random.Random, row: dict[str, Any]) -> list[bytes]:
    """The packets that one client sends."""
    if rng.random() < 0.1:
        sent = rng.choice((*OTHERS, rng.randbytes(50)))
    else:
        sent = b"".join(one_request(rng, row) for _ in range(rng.choice((1, 1, 1, 2, 5))))
        sent = mangled(rng, sent) if rng.random() < 0.25 else sent
    cuts = sorted(rng.randrange(len(sent) + 1) for _ in range(rng.choice((0, 0, 1, 3))))
    return [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]


def sent_back(server: Server, packets: list[bytes]) -> bytes:
    """All that comes back until the service closes the connection, which it does when the client ends it."""
    got = b""
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=0.05) as client,
        contextlib.suppress(ConnectionError),
    ):
        for packet in packets:
            client.sendall(packet)
        with contextlib.suppress(TimeoutError):
            while part := client.recv(2**16):
                got += part
        client.settimeout(30)
        with contextlib.suppress(OSError):  # closed already
            client.shutdown(socket.SHUT_WR)
        while part := client.recv(2**16):
            got += part
    return got


def try_connections(server: Server, row: dict[str, Any], numbers: range) -> None:
    def try_one(number: int) -> None:
        packets = connection(random.Random(number), row)
        for status in statuses(sent_back(server, packets)):
            assert status < 500 or status in (503, 504), (number, packets)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(try_one, numbers))
    assert server.ask("readyz").status == 200
    assert server.unexpected() == []


def test_odd_connections_are_answered_or_closed(server: Server, desk: Desk) -> None:
    try_connections(server, desk.example, range(SUITE // 2))


@pytest.mark.long
def test_requests_of_any_kind_in_minutes(server: Server, desk: Desk) -> None:
    try_bodies(desk, range(LONG // 2))
    try_connections(server, desk.example, range(LONG // 2))
    try_all(server, examples=1_000)
    print(f"requests: {LONG:,} tried")
