"""What the tests of the service share: a project with a small run, and ways to ask a service."""

import asyncio
import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from capstone.serving.http.app import create_app
from capstone.serving.http.endpoints import ModelEndpoints
from capstone.serving.http.hot_reload import ModelReloader, forget_package
from capstone.serving.http.metrics import Metrics
from capstone.serving.http.middleware import Limits, Middleware
from tests.support.helpers import python_path


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Desk:
    """A service in this process, asked without a network."""

    def __init__(self, project: Path, key: str = "", **limits: Any) -> None:
        self.log = io.BytesIO()
        metrics, bounds = Metrics(self.log), Limits(**limits)

        def load(folder: Path) -> ModelEndpoints:
            return ModelEndpoints(folder, project, bounds, metrics, bool(key))

        with in_reach(project):
            self.reloader = ModelReloader(project, "LATEST", False, metrics, load)
            self.app: Middleware = create_app(self.reloader, bounds, metrics, key)

    def ask(self, method: str, path: str, body: Any = b"", **headers: str) -> Answer:
        """One request. A body that is no bytes is sent as JSON."""
        return asyncio.run(self.asking(method, path, body, **headers))

    async def asking(self, method: str, path: str, body: Any = b"", **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"host": "127.0.0.1:8000"}
        sent |= {"content-type": "application/json"} if method == "POST" else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        }
        got: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            got.append(message)

        await self.app(scope, receive, send)
        sent_back = {name.decode(): value.decode() for name, value in got[0]["headers"]}
        return Answer(got[0]["status"], sent_back, b"".join(m.get("body", b"") for m in got[1:]))

    def predict(self, *rows: dict[str, Any]) -> Answer:
        return self.ask("POST", "/v1/predict", {"rows": list(rows)})

    @property
    def example(self) -> dict[str, Any]:
        """A row as the service describes it."""
        paths = json.loads(self.reloader.endpoints.openapi)["paths"]
        content = paths["/v1/predict"]["post"]["requestBody"]["content"]["application/json"]
        row: dict[str, Any] = content["examples"]["one row"]["value"]["rows"][0]
        return row


@contextlib.contextmanager
def in_reach(project: Path) -> Iterator[None]:
    """While the project's own package can be imported."""
    forget_package(project)
    sys.path.insert(0, str(project / "src"))
    try:
        yield
    finally:
        sys.path.remove(str(project / "src"))
        forget_package(project)


@contextlib.contextmanager
def serving(project: Path, *options: str, **env: str) -> Iterator["Server"]:
    """`capstone serve` in a process of its own, at a free port."""
    command = [sys.executable, "-m", "capstone", "serve", "--port", "0", *options]
    paths = {"PYTHONPATH": python_path(project), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        command, cwd=project, env={**os.environ, **paths, **env}, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Server(process)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


class Server:
    """A running service."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said: list[str] = []
        assert process.stderr
        for line in process.stderr:
            self.said.append(line)
            if line.startswith("The page and the API are at "):
                self.address = line.split()[7]
                break
        else:
            raise AssertionError("".join(self.said))
        self.port = int(self.address.rstrip("/").rpartition(":")[2])
        # A log that nobody reads would soon stop the service.
        threading.Thread(target=self.said.extend, args=(process.stderr,), daemon=True).start()

    def ask(self, path: str, body: Any = None, **headers: str) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        request = urllib.request.Request(self.address + path, data, sent)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def memory(self) -> int:
        """Megabytes that the service holds."""
        return psutil.Process(self.process.pid).memory_info().rss // 2**20

    def unexpected(self) -> list[str]:
        """Lines of the log that say of an error, or that are no JSON."""
        return [
            line
            for line in self.said
            if not line.startswith(("{", "The page and the API are at "))
            or ('"event":"request"' in line and '"error"' in line)
        ]

    def wait_for_run(self, run: str, seconds: float = 30) -> None:
        """Until that run's model answers."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.ask("readyz").json["run"] == run:
                return
            time.sleep(0.1)
        raise AssertionError(f"{run} does not answer")


def talk(
    server: Server, *parts: bytes, until: int = 1000, pause: float = 0, seconds: float = 20
) -> bytes:
    """Send bytes as they are; all that comes back, until the service closes or has answered so many requests."""
    got = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
        with contextlib.suppress(ConnectionError):
            while not _whole(got, until):
                part = connection.recv(2**16)
                if not part:
                    break
                got += part
    return got


def statuses(answer: bytes) -> list[int]:
    """The status of each answer on a connection."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def _whole(answer: bytes, count: int) -> bool:
    """Whether so many answers are there, and the last one ends with its last byte."""
    if len(statuses(answer)) < count:
        return False
    head, _, body = answer[answer.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return not length or len(body) >= int(length[1])
