"""Those who ask: wrk where it is installed, a client in Python otherwise, and single requests."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

WRK = shutil.which("wrk")
LONGEST = 60  # seconds over the time of a load, after which its service counts as hanging
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
SCRIPT = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [====[{body}]====]
"""


@dataclass(frozen=True)
class Rate:
    """What a service managed: requests a second, and milliseconds that half and 99 % of them stayed below.

    by_cpu  requests for each second of processor time that the service used
    """

    rate: float
    half: float
    most: float
    failed: int
    by_cpu: float = 0.0


def post(port: int, path: str, body: bytes, timeout: float = 60) -> tuple[int, bytes, float]:
    """One request: status, answer, seconds."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, content, time.perf_counter() - start
    finally:
        connection.close()


def wait_until_ready(port: int, path: str, body: bytes, alive: subprocess.Popen[bytes]) -> None:
    """Until the service answers as it should."""
    end = time.monotonic() + 60
    while time.monotonic() < end and alive.poll() is None:
        try:
            if post(port, path, body)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.01)
    raise SystemExit(f"{' '.join(map(str, alive.args))} did not start.")  # type: ignore[arg-type]


def load(port: int, path: str, body: bytes, clients: int, seconds: float) -> Rate:
    """As many requests as so many clients can make, each waiting for its answer before the next."""
    if WRK is None or seconds < 1:  # wrk counts in whole seconds
        return asyncio.run(_by_python(port, path, body, clients, seconds))
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(SCRIPT.format(body=body.decode()), encoding="utf-8")
        words = [WRK, "-t1", f"-c{clients}", f"-d{seconds:.0f}s", "--latency"]
        done = subprocess.run(
            [*words, "-s", str(script), f"http://127.0.0.1:{port}{path}"],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + LONGEST,
        ).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", done)
    broken = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", done)))
    found = re.search(r"Requests/sec:\s+([\d.]+)", done)
    assert found, done
    return Rate(
        float(found[1]),
        _milliseconds(done, "50%"),
        _milliseconds(done, "99%"),
        broken + (int(failed[1]) if failed else 0),
    )


def _milliseconds(text: str, share: str) -> float:
    found = re.search(rf"{re.escape(share)}\s+([\d.]+)(us|ms|s|m)\b", text)
    assert found, text
    return float(found[1]) * UNITS[found[2]]


async def _by_python(port: int, path: str, body: bytes, clients: int, seconds: float) -> Rate:
    """The same in Python: slower than wrk, so that quick services look slower than they are."""
    times: list[float] = []
    failed = 0
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    end = time.perf_counter() + seconds

    async def ask() -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end:
            start = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            times.append(time.perf_counter() - start)
            failed += b" 200 " not in head[:16]
            if b"connection: close" in head or head.startswith(b"http/1.0"):
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    async with asyncio.timeout(
        seconds + LONGEST
    ):  # a service that no longer answers ends the benchmark
        await asyncio.gather(*(ask() for _ in range(clients)))
    cuts = statistics.quantiles(times, n=100)
    return Rate(len(times) / seconds, cuts[49] * 1e3, cuts[98] * 1e3, failed)


def as_body(rows: object, form: str = "rows") -> bytes:
    """Rows, or columns, as /v1/predict takes them."""
    return json.dumps({form: rows}).encode()
