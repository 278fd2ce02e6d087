"""What the service tells of itself: a log line of JSON for each request, and figures for Prometheus.

Neither holds a value that was sent, nor who sent it.
"""

from __future__ import annotations

import os
import time
from typing import IO, Any

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

MANY_PROCESSES = "PROMETHEUS_MULTIPROC_DIR"  # where several workers add up their figures
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Meter:
    """Counts requests, rows and seconds, and writes the log."""

    def __init__(self, log: IO[bytes] | None) -> None:
        self.log = log
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "capstone_requests",
            "Requests answered.",
            ["path", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "capstone_request_seconds",
            "Seconds from a request's first byte to the end of its answer.",
            ["path"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.rows = Counter("capstone_rows", "Rows predicted.", registry=self.registry)
        self.unseen = Counter(
            "capstone_unseen_values",
            "Values outside what training saw, by column: many of them are a reason to train again.",
            ["column"],
            registry=self.registry,
        )
        self.loaded = Gauge(
            "capstone_model_loaded_timestamp_seconds",
            "When the model that answers was loaded.",
            multiprocess_mode="max",
            registry=self.registry,
        )
        # Looked up once: finding a counter by its labels takes longer than counting.
        self._counters: dict[tuple[str, int], tuple[Any, Any]] = {}

    def count(
        self, method: str, path: str, status: int, seconds: float, request_id: str, error: str
    ) -> None:
        """A request that has ended."""
        found = self._counters.get((path, status))
        if found is None:
            found = self.requests.labels(path, str(status)), self.seconds.labels(path)
            self._counters[path, status] = found
        found[0].inc()
        found[1].observe(seconds)
        told = {"request": request_id, "method": method, "path": path, "status": status}
        told["ms"] = round(seconds * 1000, 2)
        if error:
            told["error"] = error
        self.say("request", told)

    def say(self, event: str, told: dict[str, Any]) -> None:
        """One line of the log."""
        if self.log is not None:
            line = {"time": round(time.time(), 3), "event": event, **told}
            self.log.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            self.log.flush()

    def page(self) -> bytes:
        """The figures as Prometheus reads them, of all workers together."""
        if os.environ.get(MANY_PROCESSES):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
            return generate_latest(registry)
        return generate_latest(self.registry)
