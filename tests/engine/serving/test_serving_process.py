"""`capstone serve` as a student starts it: one address, one sentence when it can't, no request lost."""

import concurrent.futures
import contextlib
import gc
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from capstone.core.errors import CapstoneError
from capstone.serving.http import server as server_module
from tests.support.helpers import (
    Capstone,
    python_path,
    run,
)
from tests.support.serving import Answer, Server, serving

WithRun = Callable[[str], Path]
POST = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
KEY = "a-key-of-more-than-16-letters"


@pytest.fixture
def project(with_run: WithRun, tmp_path: Path) -> Path:
    """A project with a run, of the test's own."""
    return Path(shutil.copytree(with_run("regression"), tmp_path / "my-capstone"))


@pytest.fixture(scope="module")
def server(with_run: WithRun) -> Iterator[Server]:
    """A running service, shared."""
    with serving(with_run("regression"), "--time-limit", "3") as started:
        yield started


def example(server: Server) -> dict[str, Any]:
    form = server.ask("v1/model").json["form"]
    return {field["name"]: field["example"] for field in form}


def another_run(project: Path, name: str = "20990101T000000Z-0badcafe") -> str:
    """The same run under another name, as if it were new."""
    runs = project / "runs"
    shutil.copytree(runs / (runs / "LATEST").read_text().strip(), runs / name)
    (runs / "LATEST").write_text(name + "\n")
    return name


def test_it_answers_at_the_address_it_prints_and_ends_when_told(server: Server) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", server.address)
    assert server.ask("v1/predict", {"rows": [example(server)]}).status == 200
    page = server.ask("").body.decode()
    assert "<title>" in page


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_it_in_order(with_run: WithRun) -> None:
    with serving(with_run("regression")) as server:
        assert server.ask("healthz").status == 200
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=20) == 0
    assert "Traceback" not in "".join(server.said)
    assert "No run was saved" not in "".join(server.said)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_ends_with_the_terminal_that_it_was_started_in(with_run: WithRun, workers: str) -> None:
    project = with_run("regression")
    command = [sys.executable, "-m", "capstone", "serve", "--port", "0", "--workers", workers]
    # By a process of its own, for a fork of one that has threads is unsafe.
    code = f"""
import os, pty, re, sys, time
child, terminal = pty.fork()
if child == 0:
    os.execv({command[0]!r}, {command!r})
said = b""
while b"/  (Ctrl-C" not in said:
    said += os.read(terminal, 1000)
time.sleep(3)
os.close(terminal)
end = time.monotonic() + 30
while time.monotonic() < end and os.waitpid(child, os.WNOHANG) == (0, 0):
    time.sleep(0.1)
print(time.monotonic() < end)
"""
    paths = {"PYTHONPATH": python_path(project), "PYTHONDONTWRITEBYTECODE": "1"}
    done = run(sys.executable, "-c", code, cwd=project, **paths)
    assert done.stdout.strip() == "True", done.stdout + done.stderr


@pytest.mark.parametrize(
    ("options", "env", "sentence"),
    [
        (["--host", "0.0.0.0"], {}, "other machines could ask, too: set an API key"),
        (["--host", "::"], {}, "other machines could ask, too"),
        ([], {"CAPSTONE_API_KEY": "short"}, "CAPSTONE_API_KEY is too short"),
        (["--run", "20200101T000000Z-00000000"], {}, 'has no run "20200101T000000Z-00000000"'),
        (["--run", "x", "--reload-model"], {}, "give one of the two"),
        (["--host", "256.0.0.1"], {"CAPSTONE_API_KEY": KEY}, "can't be used"),
    ],
)
def test_what_is_unsafe_or_impossible_is_one_sentence(
    project: Path,
    capstone: Capstone,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    env: dict[str, str],
    sentence: str,
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    code, _, said = capstone(project, "serve", "--port", "0", *options)
    assert code == 2
    assert sentence in said
    assert said.startswith("Error: ") and said.count("\n") == 1


def test_a_port_in_use_is_one_sentence(project: Path, capstone: Capstone) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, said = capstone(project, "serve", "--port", str(port))
    assert code == 2
    assert f"port {port} can't be used" in said


@pytest.mark.parametrize("name", ["model.onnx", "serving.json", "schema.json"])
def test_a_file_that_was_tampered_with_is_not_served(
    project: Path, capstone: Capstone, name: str
) -> None:
    path = project / "runs" / (project / "runs" / "LATEST").read_text().strip() / name
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    code, _, said = capstone(project, "serve", "--port", "0")
    assert code == 2
    assert f"{name} is not the file that the run wrote" in said


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
@pytest.mark.parametrize("how", ["SIGHUP", "--reload-model", "two workers"])
def test_a_new_run_takes_over_and_no_request_is_lost(project: Path, how: str) -> None:
    options = {
        "SIGHUP": [],
        "--reload-model": ["--reload-model"],
        "two workers": ["--workers", "2"],
    }
    with serving(project, *options[how]) as server:
        row = example(server)
        ended = threading.Event()
        answers: list[Answer] = []

        def ask_on() -> None:
            while not ended.is_set():
                answers.append(server.ask("v1/predict", {"rows": [row]}))

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask_on) for _ in range(4)]
            new = another_run(project)
            if how != "--reload-model":
                os.kill(server.process.pid, signal.SIGHUP)
            end = time.monotonic() + 60
            # Of two workers one may answer for a while; at last both have the new run.
            while time.monotonic() < end and not answered_by(new, answers[-100:]):
                time.sleep(0.05)
            ended.set()
            for one in asking:
                one.result()
    assert {answer.status for answer in answers} == {200}
    runs = {answer.json["run"] for answer in answers}
    assert len(runs) == 2 and new in runs


def test_what_is_loaded_is_spared_until_another_takes_its_place() -> None:
    """Python's search for unused objects goes through libraries and model once at each load, not again and again."""

    class Model:
        def __init__(self) -> None:
            self.itself = self  # only the search finds out that it is not used

    thresholds = gc.get_threshold()
    try:
        model = Model()
        still_there = weakref.ref(model)
        server_module.freeze_loaded_objects()
        del model
        gc.collect()
        assert still_there()
        server_module.freeze_loaded_objects()
        assert not still_there()
        assert gc.get_threshold()[0] > 10_000
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)


def answered_by(run: str, answers: list[Answer]) -> bool:
    return len(answers) == 100 and all(answer.json["run"] == run for answer in answers)


def test_a_new_run_that_is_broken_leaves_the_old_one_answering(project: Path) -> None:
    with serving(project, "--reload-model") as server:
        old = server.ask("readyz").json["run"]
        new = project / "runs" / another_run(project)
        (new / "model.onnx").write_bytes(b"broken")
        (project / "runs" / "LATEST").write_text(new.name + " \n")
        time.sleep(2.5)
        assert server.ask("readyz").json["run"] == old
        third = another_run_of(project, old)
        server.wait_for_run(third)


def another_run_of(project: Path, old: str) -> str:
    runs, name = project / "runs", "20990102T000000Z-0badcafe"
    shutil.copytree(runs / old, runs / name)
    (runs / "LATEST").write_text(name + "\n")
    return name


def test_changed_steps_come_with_the_new_run(project: Path) -> None:
    """features.py belongs to the model: a service must not mix the new graph with the old steps."""
    with serving(project, "--reload-model") as server:
        row = example(server) | {"living_area_m2": -5}
        before = server.ask("v1/predict", {"rows": [row]}).json["predictions"][0]["value"]
        features = project / "src" / "my_capstone" / "features.py"
        text = features.read_text(encoding="utf-8")
        assert "> 0" in text
        features.write_text(text.replace("> 0", "> -10"), encoding="utf-8")
        assert server.ask("v1/predict", {"rows": [row]}).json["predictions"][0]["value"] == before
        server.wait_for_run(another_run(project))
        after = server.ask("v1/predict", {"rows": [row]}).json["predictions"][0]["value"]
        assert after != before


def port_of(server: Server) -> int:
    return int(server.address.rstrip("/").rpartition(":")[2])


def test_who_sends_too_much_is_told_so(server: Server) -> None:
    """A client that sends all before it reads: closed with bytes unread, the connection would be reset."""
    chunk = b"%x\r\n" % 2**20 + b" " * 2**20 + b"\r\n"
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port_of(server)), timeout=20) as connection:
            connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + 30 * chunk)
            time.sleep(0.1)
            assert b" 413 " in connection.recv(100)
    assert server.ask("readyz").status == 200


def test_who_never_ends_the_headers_is_sent_away(server: Server) -> None:
    """uvicorn alone would wait for ever, and each such connection holds a place."""

    def seconds_until_closed(*parts: bytes, more: bytes = b"x: y\r\n") -> float:
        with socket.create_connection(("127.0.0.1", port_of(server)), timeout=1) as connection:
            begin = time.monotonic()
            for part in itertools.chain(parts, itertools.repeat(more)):
                try:
                    connection.sendall(part)
                    while connection.recv(1000):
                        pass
                    break
                except TimeoutError:
                    assert time.monotonic() < begin + 30
                except ConnectionError:
                    break
            return time.monotonic() - begin

    healthy = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        slow = pool.submit(seconds_until_closed, POST)
        after_an_answer = pool.submit(seconds_until_closed, healthy, POST)
        silent = pool.submit(seconds_until_closed, more=b"")
        assert 2 < slow.result() < 20
        assert 2 < after_an_answer.result() < 20
        assert 2 < silent.result() < 20
    # A connection that has asked before is kept much longer than that.
    kept = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=10)
    with contextlib.closing(kept):
        for pause in (4, 0):
            kept.request("GET", "/healthz")
            assert kept.getresponse().read() == b'{"status":"ok"}'
            time.sleep(pause)
            assert kept.sock  # not connected anew


def test_clients_that_send_slowly_or_for_ever_are_sent_away(server: Server) -> None:
    port, start = port_of(server), POST

    def first_line(begin: bytes, more: bytes, pause: float) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(start + begin)
            for _ in range(200_000):
                connection.settimeout(pause)
                try:
                    if got := connection.recv(1000):
                        return got.split(b"\r\n")[0]
                    return b"closed"
                except TimeoutError:
                    pass
                except ConnectionError:
                    return b"closed"
                connection.settimeout(30)
                try:
                    connection.sendall(more)
                except ConnectionError:
                    return b"closed"
        return b"never"

    # Some bytes at a time, and never all that were promised: the time limit of three seconds.
    assert b" 408 " in first_line(b"Content-Length: 1000\r\n\r\n", b"{", 0.2)
    # Chunks without an end: the limit of bytes, then of patience with what comes after the answer.
    chunk = b"%x\r\n" % 2**20 + b" " * 2**20 + b"\r\n"
    assert first_line(b"Transfer-Encoding: chunked\r\n\r\n", chunk, 0.001) in (
        b"HTTP/1.1 413 Request Entity Too Large",
        b"HTTP/1.1 413 Content Too Large",
        b"closed",
    )
    assert first_line(b"Content-Length: 99999999999\r\n\r\n", b"", 5).startswith(b"HTTP/1.1 413")
    # What is no HTTP at all.
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n")
        assert b" 400 " in connection.recv(100)
    assert server.ask("v1/predict", {"rows": [example(server)]}).status == 200


def test_large_requests_do_not_keep_small_ones_waiting(server: Server) -> None:
    row = example(server)
    large = {"rows": [row] * 10_000}
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(server.ask, "v1/predict", large) for _ in range(3)]
        small = server.ask("v1/predict", {"rows": [row]})
        statuses = {one.result().status for one in asked}
    assert small.status == 200
    assert statuses == {200}


def test_with_a_key_it_may_be_seen_from_elsewhere(with_run: WithRun) -> None:
    key = {"CAPSTONE_API_KEY": KEY}
    with serving(with_run("regression"), "--host", "0.0.0.0", **key) as server:
        assert server.address.startswith("http://0.0.0.0:")
        assert server.ask("v1/model").status == 401
        assert server.ask("v1/model", X_API_Key=KEY).status == 200
        assert server.ask("healthz").status == 200


def test_workers_add_up_their_figures(with_run: WithRun) -> None:
    with serving(with_run("regression"), "--workers", "2") as server:
        for _ in range(20):
            assert server.ask("healthz").status == 200
        figures = server.ask("metrics").body.decode()
    counts = re.findall(r'capstone_requests_total\{path="/healthz",status="200"\} (\S+)', figures)
    assert sum(map(float, counts)) == 20


def test_workers_say_so_when_there_is_no_place_for_their_figures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nowhere = str(tmp_path / "not there")
    monkeypatch.setattr(tempfile, "tempdir", nowhere)
    monkeypatch.setattr(server_module, "MEMORY_FOLDER", str(tmp_path))
    with server_module.metrics_folder() as folder:
        assert Path(folder).parent == tmp_path
    monkeypatch.setattr(server_module, "MEMORY_FOLDER", nowhere)
    with pytest.raises(CapstoneError, match="TMPDIR"):
        server_module.metrics_folder()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory from /proc")
def test_memory_does_not_grow_with_what_is_refused(server: Server) -> None:
    def resident() -> int:
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0])  # in kB

    bad: list[Any] = [
        {"rows": [{"x" * 1000: "y" * 100_000}]},
        {"rows": [None] * 10_000},
        {"columns": {"rooms": ["a"] * 10_000}},
        [[[[]]]] * 1000,
        {"rows": [{}] * 10_001},
    ]

    def ask_all(times: int) -> None:
        for _ in range(times):
            for body in bad:
                assert 400 <= server.ask("v1/predict", body).status < 500

    ask_all(10)
    before = resident()
    ask_all(40)
    assert resident() < before + 10_000
    assert before < 250_000


def test_the_description_is_valid_json_with_a_real_example(server: Server) -> None:
    told = json.loads(server.ask("openapi.json").body)
    assert told["openapi"].startswith("3.1")
    content = told["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["application/json"]
    for given in content["examples"].values():
        assert server.ask("v1/predict", given["value"]).status == 200
