"""The API against its own description, with values that a machine thinks of: no 5xx, no hang."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.serving import Desk, Server, serving

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

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


def test_what_schemathesis_thinks_of_breaks_nothing(server: Server) -> None:
    try_all(server, examples=15)


@pytest.mark.long
def test_what_schemathesis_thinks_of_in_minutes_breaks_nothing(server: Server) -> None:
    try_all(server, examples=1_000)


def outcome(desk: Desk, body: bytes) -> int:
    status = 0
    for path in ("/v1/predict", "/v1/explain"):
        answer = desk.ask("POST", path, body)
        status = answer.status
        assert status == 200 or 400 <= status < 500, answer.body
        json.loads(answer.body)
    return status


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=ANY_JSON)
def test_any_json_is_answered_or_refused(desk: Desk, content: Any) -> None:
    outcome(desk, json.dumps(content).encode())
    outcome(desk, json.dumps({"rows": [content]}).encode())
    outcome(desk, json.dumps({"columns": content}).encode())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_row_with_any_value_in_a_column_is_answered_or_refused(desk: Desk, data: Any) -> None:
    name = data.draw(st.sampled_from(list(desk.example)))
    outcome(desk, json.dumps({"rows": [desk.example | {name: data.draw(ANY_JSON)}]}).encode())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_body_with_broken_bytes_is_answered_or_refused(desk: Desk, data: Any) -> None:
    body = bytearray(json.dumps({"rows": [desk.example]}).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    outcome(desk, bytes(body))
