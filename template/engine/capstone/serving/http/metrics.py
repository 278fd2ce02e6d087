"""What operators see of the service: a log line of JSON for each request, and metrics for Prometheus.

Neither holds a value that was sent, nor who sent it.
"""

from __future__ import annotations

import os
import time
from typing import IO, Any

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROCESS_FOLDER = (
    "PROMETHEUS_MULTIPROC_DIR"  # the environment variable that prometheus_client reads
)
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # s


class Metrics:
    """Counts requests, rows and seconds, and writes the log."""

    def __init__(self, log_file: IO[bytes] | None) -> None:
        self.log_file = log_file
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "capstone_requests", "Requests answered.", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "capstone_request_seconds",
            "Seconds from a request's first byte to the end of its answer.",
            ["path"],
            buckets=BUCKETS,
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
        # Kept, because finding a counter by its labels takes longer than counting.
        self._labelled: dict[tuple[str, int], tuple[Any, Any]] = {}

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that has ended."""
        labelled = self._labelled.get((path, status))
        if labelled is None:
            labelled = self.requests.labels(path, str(status)), self.seconds.labels(path)
            self._labelled[path, status] = labelled
        labelled[0].inc()
        labelled[1].observe(seconds)

    def log(self, event: str, content: dict[str, Any]) -> None:
        """Write one line of the log."""
        if self.log_file is not None:
            line = {"time": round(time.time(), 3), "event": event, **content}
            self.log_file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            self.log_file.flush()

    def render(self) -> bytes:
        """The metrics in the format of Prometheus, those of all workers added up."""
        if os.environ.get(MULTIPROCESS_FOLDER):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
            return generate_latest(registry)
        return generate_latest(self.registry)
