"""LitServe with one worker: a file of its own, for its processes import the class by name.

Types are no text here (no `from __future__ import annotations`): LitServe reads those of decode_request.
"""

from typing import Any

import litserve

from benchmarks.load.chapter import network


class Service(litserve.LitAPI):
    """The chapter's network."""

    def setup(self, device: str) -> None:
        self.answer = network()

    def decode_request(self, request: dict[str, Any]) -> list[float]:
        features: list[float] = request["features"]
        return features

    def predict(self, features: list[float]) -> float:
        number: float = self.answer(features)
        return number

    def encode_response(self, output: float) -> dict[str, float]:
        return {"prediction": output}


def serve(port: int) -> None:
    """Serve until ended."""
    server = litserve.LitServer(Service(), accelerator="cpu", workers_per_device=1)
    server.run(port=port, num_api_servers=1, log_level="warning", generate_client_file=False)
