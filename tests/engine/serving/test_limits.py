"""What the service refuses or ends before it costs much: heads, answers that nobody reads, values, work for nobody."""

import asyncio
import contextlib
import json
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capstone.serving.http import validation
from capstone.serving.http.app import WorkerThreads
from capstone.serving.http.middleware import Limits, is_loopback
from capstone.serving.http.problem_details import Problem
from capstone.serving.inference.deadline import check_deadline
from tests.support.helpers import CopyWithRun, run_of
from tests.support.runs import reseal
from tests.support.serving import Desk, Server, serving, statuses, talk

WithRun = Callable[[str], Path]
SECONDS = 1.5  # the time limit of the running service
HOST = b"Host: localhost\r\n"
CLOSE = b"Connection: close\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
POST = b"POST /v1/predict HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"


@pytest.fixture(scope="module")
def server(with_run: WithRun) -> Iterator[Server]:
    """A running service, shared. Its log must not hold what nobody expected."""
    options = ("--time-limit", str(SECONDS), "--max-rows", "100000")
    with serving(with_run("regression"), *options) as started:
        yield started
        assert started.ask("readyz").status == 200
        assert started.unexpected() == []


@pytest.fixture(scope="module")
def desk(with_run: WithRun) -> Desk:
    """The service of the house prices, in this process."""
    return Desk(with_run("regression"))


# Heads, and what is no request

ENDLESS = [  # how it begins, what is repeated for megabytes, and the answer
    pytest.param(b"GET / HTTP/1.1\r\nX: ", b"a", 431, id="header"),
    pytest.param(b"GET / HTTP/1.1\r\n", b"a", 431, id="name of a header"),
    pytest.param(b"GET / HTTP/1.1\r\n", b"a: b\r\n", 431, id="headers"),
    pytest.param(b"GET /", b"a", 414, id="address"),
    pytest.param(b"", b"\r\n", 431, id="empty lines"),
    pytest.param(b"", b"G", 400, id="method"),
    pytest.param(GET + b"\r\n", b"\r\n", 200, id="empty lines after an answer"),
    pytest.param(CHUNKED + b"1;", b"a", 413, id="extension of a chunk"),
    pytest.param(CHUNKED + b"0\r\n", b"a: b\r\n", 413, id="trailers"),
    pytest.param(CHUNKED + b"0\r\nX: ", b"a", 413, id="trailer"),
    pytest.param(CHUNKED, b"1\r\n \r\n", 413, id="chunks of one byte"),
]


@pytest.mark.parametrize(("begin", "more", "status"), ENDLESS)
def test_what_has_no_end_is_refused_when_it_is_large(
    server: Server, begin: bytes, more: bytes, status: int
) -> None:
    answer = talk(server, begin, more * (3_000_000 // len(more)))
    assert statuses(answer)[-1] == status, answer[-500:]


@pytest.mark.parametrize(
    ("begin", "more"),
    [(GET + b"X: ", b"a"), (GET, b"a: b\r\n"), (b"GET /", b"a"), (CHUNKED + b"0\r\nX: ", b"a")],
    ids=["header", "headers", "address", "trailer"],
)
def test_others_are_answered_while_heads_have_no_end(
    server: Server, begin: bytes, more: bytes
) -> None:
    """One such client kept the service busy for seconds: its whole head was copied with each packet."""
    end = time.monotonic() + 1
    piece = more * (2**18 // len(more))

    def send_on() -> None:
        while time.monotonic() < end:
            talk(server, begin, *[piece] * 40)

    others = [threading.Thread(target=send_on) for _ in range(4)]
    for one in others:
        one.start()
    waits = []
    while time.monotonic() < end:
        start = time.monotonic()
        assert server.ask("healthz").status == 200
        waits.append(time.monotonic() - start)
    for one in others:
        one.join()
    assert statistics.median(waits) < 0.3, waits


REQUESTS = [
    pytest.param(b"GET / HTTP/1.1\r\nX: " + b"a" * 65_000 + b"\r\n\r\n", 200, id="64 KB"),
    pytest.param(b"GET / HTTP/1.1\r\nX: " + b"a" * 66_000 + b"\r\n\r\n", 431, id="over 64 KB"),
    pytest.param(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100 + b"\r\n", 200, id="100 headers"),
    pytest.param(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n", 431, id="101 headers"),
    pytest.param(b"GET /?" + b"a" * 8_000 + b" HTTP/1.1\r\n\r\n", 200, id="address of 8,000"),
    pytest.param(b"GET /?" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", 414, id="address of 9,000"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="TLS"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="HTTP/2"),
    pytest.param(b"GET / HTTP/9.9\r\n\r\n", 400, id="HTTP/9.9"),
    pytest.param(b"GET /\r\n\r\n", 200, id="HTTP/0.9"),
    pytest.param(b"\0" * 100, 400, id="NUL"),
    pytest.param(POST + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, id="both"),
    pytest.param(POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", 400, id="2 lengths"),
    pytest.param(POST + b"Content-Length: -1\r\n\r\n", 400, id="length -1"),
    pytest.param(POST + b"Content-Length: 1_0\r\n\r\n", 400, id="length 1_0"),
    pytest.param(POST + b"Content-Length: %d\r\n\r\n" % 10**30, 400, id="length of 30 digits"),
    pytest.param(POST + b"Content-Length : 2\r\n\r\n{}", 400, id="space before colon"),
    pytest.param(POST + b" folded: 2\r\n\r\n{}", 400, id="folded header"),
    pytest.param(POST + b"X: \x01\r\n\r\n", 400, id="control character"),
    pytest.param(CHUNKED + b"Z\r\n", 400, id="size of a chunk"),
    pytest.param(CHUNKED + b"f" * 20 + b"\r\n", 400, id="size of 20 digits"),
    pytest.param(CHUNKED[:-2] + b"Expect: 100-continue\r\n\r\nZ\r\n", 400, id="expects"),
    pytest.param(GET + HOST + b"\r\n", 400, id="two hosts"),
    pytest.param(GET + WEBSOCKET + b"\r\n", 200, id="websocket"),
    pytest.param(POST + WEBSOCKET + b"Content-Length: 2\r\n\r\n{}", 400, id="upgrade with a body"),
    pytest.param(GET + b"Range: bytes=0-0\r\n\r\n", 200, id="range"),
    pytest.param(b"HEAD /v1/model HTTP/1.1\r\n" + CLOSE + b"\r\n", 405, id="HEAD"),
    pytest.param(b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n", 405, id="TRACE"),
    pytest.param(b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 404, id="OPTIONS *"),
    pytest.param(b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="CONNECT"),
    pytest.param(b"GET http://evil.example HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="no path"),
    pytest.param(b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="byte in the address"),
    pytest.param(b"GET /%ff%00 HTTP/1.1\r\n" + HOST + b"\r\n", 404, id="escaped bytes"),
    pytest.param(b"GET //evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n", 404, id="//"),
    pytest.param(b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", 404, id="%2e%2e"),
]


@pytest.mark.parametrize(("request_bytes", "status"), REQUESTS)
def test_a_request_of_any_form_is_answered_or_refused(
    server: Server, request_bytes: bytes, status: int
) -> None:
    answer = talk(server, request_bytes, until=1)
    assert statuses(answer) == [status], answer[:500]
    assert b"nosniff" in answer
    if status >= 400 and not request_bytes.startswith(b"HEAD"):
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == status


def test_earlier_requests_are_answered_before_a_connection_ends(server: Server) -> None:
    answer = talk(server, (GET + b"\r\n") * 3 + b"no request\r\n\r\n")
    assert statuses(answer) == [200] * 3
    answer = talk(server, (GET + b"\r\n") * 300)
    assert 100 <= len(statuses(answer)) < 110
    answer = talk(
        server, POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", b"{}", until=2
    )
    assert statuses(answer) == [100, 422]


def test_trailers_do_not_join_the_headers(server: Server) -> None:
    body = CHUNKED.replace(HOST, b"") + b"2\r\n{}\r\n0\r\nHost: evil.example\r\n\r\n"
    assert statuses(talk(server, body, until=1)) == [422]


def test_an_upload_in_small_chunks_is_taken(server: Server) -> None:
    """As a program makes them that sends each part that json.JSONEncoder().iterencode() gives."""
    row = {field["name"]: field["example"] for field in server.ask("v1/model").json["form"]}
    parts = [part.encode() for part in json.JSONEncoder().iterencode({"rows": [row] * 500})]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    assert statuses(talk(server, CHUNKED + chunks + b"0\r\n\r\n", until=1)) == [200]


def test_a_client_that_sends_a_byte_at_a_time_is_sent_away(server: Server) -> None:
    start = time.monotonic()
    answer = talk(server, *[bytes([byte]) for byte in GET + b"X: " + b"a" * 100], pause=0.1)
    assert statuses(answer) == []
    assert SECONDS - 0.1 < time.monotonic() - start < 5 * SECONDS
    slow = talk(server, POST + b"Content-Length: 100\r\n\r\n", *[b" "] * 50, pause=0.1)
    assert statuses(slow) == [408]


# Answers that nobody reads


@contextlib.contextmanager
def deaf_client(server: Server) -> Iterator[socket.socket]:
    """A connection whose client takes as little as the system allows."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20 * SECONDS)
        connection.connect(("127.0.0.1", server.port))
        yield connection


def test_an_answer_that_nobody_reads_is_thrown_away(server: Server) -> None:
    form = server.ask("v1/model").json["form"]
    columns = {field["name"]: [field["example"]] * 60_000 for field in form}
    body = json.dumps({"columns": columns}).encode()
    with deaf_client(server) as connection:
        connection.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        time.sleep(4 * SECONDS)
        got = b""
        with contextlib.suppress(ConnectionError):
            while b" 504 " not in got and (part := connection.recv(2**20)):
                got += part
                assert len(got) < 9_000_000  # of 11 million
    if b" 504 " in got:
        pytest.skip("this machine is too busy to predict so many rows in time")


def test_requests_whose_answers_nobody_reads_are_no_longer_taken(server: Server) -> None:
    before, taken = server.memory(), 0
    with deaf_client(server) as connection, pytest.raises((ConnectionError, TimeoutError)):
        while taken < 300_000_000:
            connection.sendall(b"GET /v1/model HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
            taken += 45_000
    assert taken < 30_000_000
    assert server.memory() < before + 50


# Values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("listed_on", "0001-01-01T00:00:00+23:59"),
        ("listed_on", "9999-12-31T23:59:59-23:59"),
        ("listed_on", "1" * 10_000_000),
        ("listed_on", "2024-05-16" + " " * 10_000_000),
        ("listed_on", "2024-05-16T24:00:01"),
        ("listed_on", "\u0662\u0660\u0662\u0664-05-16"),
        ("listed_on", "NaT"),
        ("listed_on", 20240516),
        ("rooms", 1e300),
        ("rooms", "4"),
        ("rooms", "1_000"),
        ("rooms", "NaN"),
        ("rooms", True),
        ("rooms", [4]),
        ("has_garden", 1),
        ("has_garden", "true"),
        ("heating", 0),
        ("heating", "x" * 1001),
    ],
)
@pytest.mark.parametrize("form", ["rows", "columns"])
def test_a_value_that_cannot_be_used_is_refused_by_name(
    desk: Desk, form: str, name: str, value: Any
) -> None:
    row = desk.example | {name: value}
    content = [row] if form == "rows" else {key: [cell] for key, cell in row.items()}
    answer = desk.ask("POST", "/v1/predict", {form: content})
    assert answer.status == 422
    assert [error["place"] for error in answer.json["errors"]] == [f"rows[0].{name}"]
    assert len(answer.body) < 1000


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (b"1e400", 400),
        (b"-1e400", 400),
        (b"NaN", 400),
        (b"-Infinity", 400),
        (b"9" * 5000, 400),
        (b"1_000", 400),
        (b"0x10", 400),
        (b"01", 400),
        (b'"\\ud800"', 400),
        (b"[" * 100_000, 413),
        (b"[" * 1000 + b"]" * 1000, 422),
        (b'{"a":' * 900 + b"1" + b"}" * 900, 422),
        (b"9" * 39, 422),
        (b"-0", 200),
        (b"1e-400", 200),
        (b"18446744073709551616", 200),
    ],
)
def test_a_number_of_any_form_is_taken_or_refused(desk: Desk, number: bytes, status: int) -> None:
    row = json.dumps(desk.example | {"distance_km": "here"}).encode()
    answer = desk.ask("POST", "/v1/predict", b'{"rows":[%b]}' % row.replace(b'"here"', number))
    assert answer.status == status, answer.body


@pytest.mark.parametrize("name", ["\0\x1b[31m\u202e", "x" * 1_000_000, "", "ROOMS ", "rows"])
def test_a_column_of_any_name_is_refused_by_name(desk: Desk, name: str) -> None:
    answer = desk.predict(desk.example | {name: 1})
    assert answer.status == 422
    assert answer.json["errors"][0]["place"] == f"rows[0].{name[:100]}"
    assert len(answer.body) < 1000


def test_a_suggestion_is_looked_for_a_few_times_at_most(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look takes 0.1 ms: a body of 16 MB kept a thread for a minute."""
    looks = []

    def look(name: str, known: Any) -> str:
        looks.append(name)
        return "; did you mean that?"

    monkeypatch.setattr(validation, "did_you_mean", look)
    unknown = {f"column {number}": 1 for number in range(50)}
    for body in ({"rows": [unknown] * 100}, {"rows": [{"x": 1}] * 9_000}):
        answer = desk.ask("POST", "/v1/predict", body)
        assert answer.status == 422
        assert len(answer.json["errors"]) == 20
        assert answer.json["detail"].startswith("At least 1,000 values can't be used.")
    assert 1 <= len(looks) <= 60
    assert max(map(len, looks)) <= 100


# Bodies that take long to parse, in which nobody else is answered

DISTINCT = b",".join(b'"%x":1' % number for number in range(400_000))
NAMES = 300_000


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        pytest.param(b'{"rows":[{%b}]}' % DISTINCT, 422, "more than", id="names in a row"),
        pytest.param(b'{"columns":{%b}}' % DISTINCT, 422, "more than", id="names of columns"),
        pytest.param(b'{"rows" : [ { %b } ] }' % DISTINCT, 422, "more than", id="with spaces"),
        pytest.param(b'{"rows":[{"a\\\\":1,%b}]}' % DISTINCT, 422, "more than", id="escaped"),
        pytest.param(
            b'{"rows":[{"a":"%b","b":"x\\"{",%b}]}' % (b"{}" * 9_000, DISTINCT),
            422,
            "more than",
            id="beside braces in a text",
        ),
        pytest.param(
            b'{"rows":[{%b}]}' % b",".join(b'"%x":{},"y%x":1' % (n, n) for n in range(5_000)),
            422,
            "inside of a row",
            id="objects in a row",
        ),
        pytest.param(
            b'{"rows":[%b]}' % b",".join([b"[]"] * NAMES), 413, "than 10,000 rows", id="lists"
        ),
        pytest.param(
            b'{"rows":[%b]}' % b",".join([b"{}"] * NAMES), 413, "than 10,000 rows", id="empty rows"
        ),
        pytest.param(
            b'{"columns":{"rooms":[%b]}}' % b",".join([b"[]"] * NAMES),
            413,
            "than 10,000 rows",
            id="lists in a column",
        ),
    ],
)
def test_a_body_of_too_many_parts_is_refused_before_it_is_parsed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, body: bytes, status: int, says: str
) -> None:
    """Parsing 16 MB of names or lists took a second, in which no other request was answered."""
    parsed: list[int] = []
    monkeypatch.setattr(validation.orjson, "loads", lambda text: parsed.append(len(text)))
    answer = desk.ask("POST", "/v1/predict", body)
    assert answer.status == status, answer.body
    assert says in answer.json["detail"]
    assert parsed == []


def test_a_large_body_of_rows_is_parsed_whatever_its_texts_hold(desk: Desk) -> None:
    texts = ['{"a": [1, {"b": 2}]}' * 40, "\\", '\\"', '":{', "::" * 400, "[{" * 400]
    for text in texts:
        row = desk.example | {"heating": text}
        for pad in (" ", "\n\t"):
            body = json.dumps({"rows": [row] * 300}, separators=("," + pad, pad + ":" + pad))
            assert desk.ask("POST", "/v1/predict", body.encode()).status == 200, text[:20]
        columns = {name: [value] * 300 for name, value in row.items()}
        assert desk.ask("POST", "/v1/predict", {"columns": columns}).status == 200, text[:20]


# Connections


def test_connections_beyond_the_limit_are_refused_and_the_others_answered(
    with_run: WithRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.ExitStack() as kept, serving(with_run("regression")) as server:
        first = [kept.enter_context(connect(server)) for _ in range(Limits().connections)]
        refused = [kept.enter_context(connect(server)) for _ in range(3)]
        for connection in refused:
            answer = read_all(connection)
            assert statuses(answer) == [503]
            assert b"Too many connections" in answer and b"retry-after: 1" in answer
        first[0].sendall(GET + CLOSE + b"\r\n")
        assert statuses(read_all(first[0])) == [200]
        flood = [kept.enter_context(connect(server)) for _ in range(200)]
        assert {tuple(statuses(read_all(one))) for one in flood} >= {(), (503,)}
        for connection in (*first, *refused, *flood):
            connection.close()
        wait_until_answered(server)
        assert server.unexpected() == []


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def read_all(connection: socket.socket) -> bytes:
    """What comes until the service closes the connection."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(2**16):
            got += part
    return got


def wait_until_answered(server: Server) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if server.ask("readyz").status == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the service answers no more")


# A range without an end


@pytest.mark.parametrize(("low", "high"), [(None, 9), (1, None), (None, None)])
def test_a_column_whose_range_had_no_end_is_served(
    copy_with_run: CopyWithRun, low: float | None, high: float | None
) -> None:
    """clean() may have mended an infinite number; JSON has null for it."""
    project = copy_with_run("regression")
    path = run_of(project) / "schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    schema["rooms"] |= {"low": low, "high": high}
    path.write_text(json.dumps(schema), encoding="utf-8")
    reseal(path.parent)
    desk = Desk(project)
    for rooms, warned in ((-1e9, low is not None), (1e9, high is not None), (None, False)):
        row = desk.example | {"rooms": rooms}
        for rows in (1, 600):  # lists, and arrays
            answer = desk.predict(*[row] * rows)
            assert answer.status == 200, answer.body[:300]
            assert [w["column"] for w in answer.json["warnings"]] == ["rooms"] * warned
    described = json.dumps(desk.ask("GET", "/openapi.json").json)
    assert "None" not in described


# Work that nobody waits for any more


def test_work_stops_when_its_caller_has_been_refused() -> None:
    ended = threading.Event()

    def work(body: bytes) -> bytes:
        try:
            while True:
                time.sleep(0.01)
                check_deadline()
        finally:
            ended.set()

    with pytest.raises(Problem) as refused:
        asyncio.run(WorkerThreads(Limits(seconds=0.2)).run(work, b""))
    assert refused.value.status == 504
    assert ended.wait(10)


@pytest.mark.parametrize("step", ["answers", "row by row"])
def test_many_rows_are_not_computed_for_nobody(
    with_run: WithRun, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    desk = Desk(with_run("regression"), seconds=0.5)
    model, calls = desk.reloader.endpoints.model, []
    rows: list[dict[str, Any]] = [desk.example] * 5_000

    def answers(prediction: np.ndarray) -> list[dict[str, Any]]:
        calls.append(1)
        time.sleep(0.3)
        return [{}] * len(prediction)

    def one(raw: Any) -> Any:
        calls.append(1)
        time.sleep(0.3)
        return {}

    if step == "answers":
        monkeypatch.setattr(model, "answers", answers)
    else:
        monkeypatch.setattr(model.steps, "apply", lambda raw: model.steps._row_by_row(raw, 5_000))
        monkeypatch.setattr(model.steps, "_on_frame", one)
    assert desk.predict(*rows).status == 504
    time.sleep(1)
    assert len(calls) <= 3


# Addresses


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:80", 200),
        ("127.0.0.1:8000", 200),
        ("127.255.255.254", 200),
        ("[::1]:8000", 200),
        ("[::ffff:127.0.0.1]", 200),
        ("127.999.999.999", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.1", 421),
        ("2130706433", 421),
        ("0.0.0.0", 421),
        ("::1", 421),
        ("[::1", 421),
        ("[::2]", 421),
        ("127.0.0.1@evil.example", 421),
        ("evil.example", 421),
        ("", 421),
    ],
)
def test_without_a_key_only_names_of_this_machine_are_answered(
    desk: Desk, host: str, status: int
) -> None:
    assert desk.ask("GET", "/v1/model", host=host).status == status
    asked = desk.ask("POST", "/v1/predict", {"rows": [desk.example]}, host=host)
    assert asked.status == status


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *[(host, True) for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1")],
        ("::ffff:127.0.0.1", True),
        *[(host, False) for host in ("127.999.999.999", "0.0.0.0", "::", "", "127.1", "a.example")],
        ("::ffff:10.0.0.1", False),
    ],
)
def test_which_addresses_need_a_key(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("path", ["/v1/model/", "/v1/predict/", "//v1/model", "/healthz/"])
def test_nobody_is_sent_elsewhere(with_run: WithRun, path: str) -> None:
    key = "a-key-of-more-than-16-letters"
    desk = Desk(with_run("regression"), key=key)
    answer = desk.ask("GET", path, host="evil.example", x_api_key=key)
    assert answer.status == 404
    assert "location" not in answer.headers
    assert b"evil" not in answer.body
