"""The service's API: it answers with the model that was measured, and refuses what it never learnt."""

import asyncio
import csv
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capstone.core.errors import CapstoneError
from capstone.serving.http import explaining
from capstone.serving.http.problem_details import Problem
from capstone.serving.http.validation import InputSchema
from tests.support.helpers import (
    PROBLEMS,
    CopyWithRun,
    python_path,
    run,
)
from tests.support.runs import reseal
from tests.support.serving import Answer, Desk

WithRun = Callable[[str], Path]


@pytest.fixture(scope="module", params=PROBLEMS)
def any_desk(request: pytest.FixtureRequest, with_run: WithRun) -> Iterator[tuple[Path, Desk]]:
    """A service of each problem."""
    project = with_run(request.param)
    yield project, Desk(project)


@pytest.fixture(scope="module")
def desk(with_run: WithRun) -> Desk:
    """The service of the house prices."""
    return Desk(with_run("regression"))


def test_the_whole_test_part_is_predicted_as_it_was_measured(any_desk: tuple[Path, Desk]) -> None:
    project, desk = any_desk
    run_folder = project / "runs" / (project / "runs" / "LATEST").read_text().strip()
    with (run_folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        measured = list(csv.DictReader(file))
    inputs = desk.reloader.endpoints.inputs
    table = next((project / "data" / "raw").glob("*.csv"))
    with table.open(encoding="utf-8", newline="") as file:
        raw = dict(enumerate(csv.DictReader(file), start=1))
    rows = [
        {
            name: as_sent(raw[int(line["row"])][name], inputs.schema[name])
            for name in inputs.required
        }
        for line in measured
    ]
    answer = desk.predict(*rows)
    assert answer.status == 200, answer.body
    given = answer.json["predictions"]
    if "value" in given[0]:
        expected = np.array([float(line["prediction"]) for line in measured])
        got = np.array([row["value"] for row in given])
        assert np.abs(got - expected).max() < 1e-5 * expected.std()
    else:
        for name in given[0]["probabilities"]:
            expected = np.array([float(line[f"probability_{name}"]) for line in measured])
            got = np.array([row["probabilities"][name] for row in given])
            assert np.abs(got - expected).max() < 1e-5
    assert [row["recommendation"]["action"] for row in given] == [m["action"] for m in measured]
    columns = {name: [row[name] for row in rows] for name in inputs.required}
    same = desk.ask("POST", "/v1/predict", {"columns": columns})
    assert same.body == answer.body


def as_sent(cell: str, about: dict[str, Any]) -> Any:
    """A cell of a CSV file as a program would send it."""
    if cell == "":
        return None
    if about["kind"] == "number":
        return float(cell)
    return cell == "True" if about["kind"] == "boolean" else cell


def test_the_example_of_the_description_is_answered(any_desk: tuple[Path, Desk]) -> None:
    _, desk = any_desk
    answer = desk.predict(desk.example)
    assert answer.status == 200, answer.body
    assert answer.json["run"] == desk.reloader.endpoints.run
    assert answer.json["warnings"] == []
    [prediction] = answer.json["predictions"]
    assert {"action", "sure", "cost"} <= set(prediction["recommendation"])
    schemas = json.loads(desk.reloader.endpoints.openapi)["components"]["schemas"]
    described = schemas["Predictions"]["properties"]["predictions"]["items"]["properties"]
    assert set(prediction) <= set(described), "not described"


def test_what_explains_adds_up_to_the_prediction(
    any_desk: tuple[Path, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, desk = any_desk
    monkeypatch.setattr(
        explaining, "MAX_SECONDS", 60
    )  # a busy machine would otherwise cut it short
    answer = desk.ask("POST", "/v1/explain", {"rows": [desk.example]})
    assert answer.status == 200, answer.body
    told = answer.json
    total = told["base"] + sum(column["moved"] for column in told["columns"])
    assert total == pytest.approx(told["predicted"], rel=1e-4)
    assert {column["column"] for column in told["columns"]} == set(
        desk.reloader.endpoints.model.serving["columns"]
    )
    prediction = desk.predict(desk.example).json["predictions"][0]
    shares = prediction.get("probabilities", {"price": prediction.get("value")})
    assert told["predicted"] == pytest.approx(shares[told["output"].split(" of ")[-1]], rel=1e-4)
    again = desk.ask("POST", "/v1/explain", {"rows": [desk.example]})
    assert again.json == told


def test_an_unseen_value_is_answered_with_a_warning(desk: Desk) -> None:
    odd = desk.example | {"heating": "lava", "rooms": 400, "listed_on": "1950-01-01"}
    answer = desk.predict(desk.example, odd, odd)
    assert answer.status == 200
    warnings = {warning["column"]: warning for warning in answer.json["warnings"]}
    assert set(warnings) == {"heating", "rooms", "listed_on"}
    assert warnings["rooms"]["rows"] == [1, 2]
    assert "1 to 10" in warnings["rooms"]["message"]
    known = desk.predict(desk.example | {"heating": "  GAS "})
    assert known.json["warnings"] == []


def test_thousands_of_rows_are_answered_as_each_of_them_alone(desk: Desk) -> None:
    odd: list[dict[str, Any]] = [
        {"rooms": None},
        {"rooms": 400},
        {"living_area_m2": 9_999.5},
        {"heating": None},
    ]
    rows = [desk.example | {"house_number": n} | odd[n % len(odd)] for n in range(1, 2_501)]
    answer = desk.predict(*rows)
    assert answer.status == 200, answer.body[:300]
    warned = {warning["column"]: warning for warning in answer.json["warnings"]}
    assert {name: warned[name]["count"] for name in ("rooms", "living_area_m2")} == {
        "rooms": 625,
        "living_area_m2": 625,
    }
    assert warned["rooms"]["rows"][:3] == [0, 4, 8]
    for place in (0, 1, 2, 3, 999, 1_000, 2_499):
        [alone] = desk.predict(rows[place]).json["predictions"]
        assert answer.json["predictions"][place]["value"] == pytest.approx(alone["value"], rel=1e-5)


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"rooms": True}, "rows[2400].rooms"),
        ({"rooms": "4"}, "rows[2400].rooms"),
        ({"rooms": 1e39}, "rows[2400].rooms"),
        ({"living_area_m2": 1e30, "rooms": 1e30}, "recommend_action()"),
    ],
)
def test_what_is_wrong_far_down_is_found(desk: Desk, odd: dict[str, Any], said: str) -> None:
    rows = [dict(desk.example) for _ in range(2_500)]
    rows[2_400] |= odd
    answer = desk.predict(*rows)
    assert answer.status == 422
    assert said in answer.body.decode()


def test_null_stands_for_not_known(desk: Desk) -> None:
    nothing = dict.fromkeys(desk.example)
    assert desk.predict(nothing).status == 200
    assert desk.predict(nothing, desk.example).status == 200
    assert desk.predict(desk.example | {"heating": ""}).status == 200


def test_columns_that_only_describe_may_be_sent_or_left_out(desk: Desk) -> None:
    with_id = desk.example | {"house_id": "H9999", "district": "Harbour"}
    mixed = desk.predict(desk.example, with_id)
    assert mixed.status == 200, mixed.body
    first, second = mixed.json["predictions"]
    assert first == second


def test_everything_wrong_with_a_row_is_named_at_once(desk: Desk) -> None:
    row = desk.example | {"rooms": "four", "has_garden": 1, "listed_on": "soon", "heating": 3}
    answer = desk.predict(desk.example, row)
    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert {error["place"] for error in answer.json["errors"]} == {
        "rows[1].rooms",
        "rows[1].has_garden",
        "rows[1].listed_on",
        "rows[1].heating",
    }
    row = desk.example | {"romms": 4}
    del row["rooms"]
    messages = {e["place"]: e["message"] for e in desk.predict(row).json["errors"]}
    assert "missing" in messages["rows[0].rooms"]
    assert 'did you mean "rooms"?' in messages["rows[0].romms"]


def with_value(desk: Desk, column: str, value: str) -> bytes:
    """The example's row, with this piece of JSON for one value."""
    text = json.dumps({"rows": [desk.example | {column: "THE VALUE"}]})
    return text.replace('"THE VALUE"', value).encode("utf-8", "surrogatepass")


BAD: dict[str, tuple[Callable[[Desk], bytes], int]] = {
    "nothing": (lambda desk: b"", 400),
    "no JSON": (lambda desk: b"rooms=4", 400),
    "half of it": (lambda desk: json.dumps({"rows": [desk.example]}).encode()[:-3], 400),
    "two bodies": (lambda desk: b'{"rows": []}{"rows": []}', 400),
    "no UTF-8": (lambda desk: with_value(desk, "heating", '"g"').replace(b'"g"', b'"\xff"'), 400),
    "UTF-16": (lambda desk: json.dumps({"rows": [desk.example]}).encode("utf-16"), 400),
    "NaN": (lambda desk: with_value(desk, "rooms", "NaN"), 400),
    "Infinity": (lambda desk: with_value(desk, "rooms", "-Infinity"), 400),
    "beyond float64": (lambda desk: with_value(desk, "rooms", "1e400"), 400),
    "beyond float32": (lambda desk: with_value(desk, "rooms", "1e308"), 422),
    "5,000 digits": (lambda desk: with_value(desk, "rooms", "9" * 5000), 400),
    "half a surrogate": (lambda desk: with_value(desk, "heating", r'"\ud800"'), 400),
    "raw surrogate": (lambda desk: with_value(desk, "heating", '"\ud800"'), 400),
    "a key twice": (lambda desk: with_value(desk, "rooms", '4, "rooms": 5'), 400),
    "a key twice, hidden": (lambda desk: with_value(desk, "rooms", r'4, "room\u0073": 5'), 400),
    "a key twice, by an escape": (
        lambda desk: with_value(desk, "heating", r'"\u003a", "rooms": 5'),
        400,
    ),
    "rows twice": (
        lambda desk: b'{"rows": [], "rows": [' + json.dumps(desk.example).encode() + b"]}",
        400,
    ),
    "deep": (lambda desk: with_value(desk, "rooms", "[" * 100_000 + "]" * 100_000), 413),
    "fairly deep": (lambda desk: with_value(desk, "rooms", '{"a":' * 900 + "1" + "}" * 900), 422),
    "a list": (lambda desk: with_value(desk, "rooms", "[4]"), 422),
    "an object": (lambda desk: with_value(desk, "heating", '{"a": ":"}'), 422),
    "a list alone": (lambda desk: b"[]", 422),
    "null": (lambda desk: b"null", 422),
    "a number": (lambda desk: b"17", 422),
    "no rows": (lambda desk: b'{"rows": []}', 422),
    "rows of null": (lambda desk: b'{"rows": [null, 1, "a", [], {}]}', 422),
    "a row of letters": (lambda desk: b'{"rows": ["abcdefghij"]}', 422),
    "no columns": (lambda desk: b'{"columns": {}}', 422),
    "columns of values": (
        lambda desk: json.dumps({"columns": desk.example}).encode(),
        422,
    ),
    "columns of two lengths": (
        lambda desk: json.dumps(
            {"columns": {name: [value] for name, value in desk.example.items()} | {"rooms": []}}
        ).encode(),
        422,
    ),
    "both forms": (lambda desk: b'{"rows": [], "columns": {}}', 422),
    "too many rows": (lambda desk: json.dumps({"rows": [{}] * 10_001}).encode(), 413),
    "the largest integer": (lambda desk: with_value(desk, "energy_kwh_m2", str(2**63)), 200),
    "a name of a megabyte": (
        lambda desk: json.dumps({"rows": [desk.example | {"x" * 2**20: 1}]}).encode(),
        422,
    ),
    "a text of a megabyte": (lambda desk: with_value(desk, "heating", f'"{"é" * 2**19}"'), 422),
    "letters without a width": (lambda desk: with_value(desk, "heating", r'"\u0000\u202e"'), 200),
    "a date before dates": (lambda desk: with_value(desk, "listed_on", '"0001-01-01"'), 200),
    "colons in a text": (lambda desk: with_value(desk, "heating", '"a:b::c"'), 200),
}


def test_what_recommend_action_says_may_have_numbers_as_keys_and_numpys_values(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps(prediction: dict[str, Any]) -> dict[str, Any]:
        return {
            "action": "wait",
            "sure": np.float64(0.5),
            "cost": 0,
            "steps": {1: "call", 2: Path("a")},
        }

    monkeypatch.setattr(desk.reloader.endpoints.model, "recommend_action", steps)
    said = desk.predict(desk.example).json["predictions"][0]["recommendation"]
    told = {"action": "wait", "sure": 0.5, "cost": 0, "steps": {"1": "call", "2": "a"}}
    assert said == told


def test_a_key_twice_is_seen_where_other_keys_and_texts_hold_colons() -> None:
    schema = {
        "rooms": {"role": "feature", "kind": "number", "low": 0, "high": 9},
        "no:te": {"role": "id", "kind": "text"},
    }
    inputs = InputSchema(schema, {}, 10)
    once = b'{"rows": [{"rooms": 1, "no:te": "b:c"}, {"rooms": 2}]}'
    assert inputs.parse(once)[0] == {"rooms": [1, 2], "no:te": ["b:c", None]}
    with pytest.raises(Problem, match='"rooms" twice'):
        inputs.parse(once.replace(b'"rooms": 2', b'"rooms": 1, "rooms": 2'))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_body_is_refused_and_never_breaks_the_service(desk: Desk, name: str) -> None:
    make, status = BAD[name]
    body = make(desk)
    for path in ("/v1/predict", "/v1/explain"):
        answer = desk.ask("POST", path, body)
        assert answer.status == status, answer.body[:500]
        assert len(answer.body) < 20_000
        if status != 200:
            assert answer.json["status"] == status
            assert answer.json["request"] == answer.headers["x-request-id"]


def test_a_step_that_fails_is_the_callers_trouble_and_tells_nothing_of_the_inside(
    with_run: WithRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(with_run("regression"))
    model = desk.reloader.endpoints.model

    def fail(columns: Any) -> Any:
        raise CapstoneError("src/x/features.py, line 3: KeyError: 'secret value' (in clean())")

    monkeypatch.setattr(model, "prepare", fail)
    answer = desk.predict(desk.example)
    assert answer.status == 422
    assert b"features.py" not in answer.body
    log = desk.log.getvalue()
    assert b"features.py, line 3: KeyError" in log
    assert b"secret" not in log


def test_a_failure_inside_is_told_to_the_log_alone(
    with_run: WithRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(with_run("regression"))

    def fail(asked: Any) -> Any:
        raise RuntimeError("a secret value")

    monkeypatch.setattr(desk.reloader.endpoints, "predict_batch", fail)
    answer = desk.predict(desk.example)
    assert answer.status == 500
    assert b"secret" not in answer.body + desk.log.getvalue()
    assert b"RuntimeError in " in desk.log.getvalue()


def test_logs_and_figures_hold_no_value_that_was_sent(desk: Desk) -> None:
    desk.predict(desk.example | {"heating": "a very private word", "rooms": 98765})
    desk.ask("GET", "/v1/a-very-private-path")
    figures = desk.ask("GET", "/metrics").body.decode()
    log = desk.log.getvalue().decode()
    for told in (log, figures):
        assert "private" not in told
        assert not re.search(r"(?<!\d)98765(?!\d)", told)  # seconds may hold any digits
    last = json.loads(log.splitlines()[-1])
    assert last["path"] == "/metrics"
    assert 'capstone_requests_total{path="other",status="404"} ' in figures
    assert 'capstone_unseen_values_total{column="heating"} ' in figures


def test_every_answer_has_the_headers_of_safety(desk: Desk) -> None:
    for path in ("/", "/page.js", "/v1/model", "/nowhere", "/healthz"):
        headers = desk.ask("GET", path, x_request_id="my-id.1").headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-request-id"] == "my-id.1"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers
    assert desk.ask("GET", "/", x_request_id="<b>").headers["x-request-id"] != "<b>"


def test_only_json_is_read(desk: Desk) -> None:
    body = json.dumps({"rows": [desk.example]}).encode()

    def status(**headers: str) -> int:
        return desk.ask("POST", "/v1/predict", body, **headers).status

    assert status() == 200
    assert status(content_type="application/json; charset=UTF-8") == 200
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; x=y", ""):
        assert status(content_type=kind) == 415
    assert status(content_encoding="gzip") == 415
    assert status(content_length=str(10**12)) == 413


def test_names_of_other_machines_are_not_answered_without_a_key(desk: Desk) -> None:
    for host in ("127.0.0.1", "localhost:80", "[::1]:8000"):
        assert desk.ask("GET", "/v1/model", host=host).status == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000", ""):
        assert desk.ask("GET", "/v1/model", host=host).status == 421


def test_with_a_key_only_its_owner_is_answered(with_run: WithRun) -> None:
    desk = Desk(with_run("regression"), key="a key of many letters")
    for path in ("/v1/model", "/openapi.json", "/metrics"):
        assert desk.ask("GET", path).status == 401
        assert desk.ask("GET", path, x_api_key="a key of many letterz").status == 401
        assert desk.ask("GET", path, x_api_key="a key of many letters").status == 200
        bearer = {"authorization": "Bearer a key of many letters"}
        assert desk.ask("GET", path, **bearer).status == 200
    for path in ("/", "/page.js", "/healthz", "/readyz"):
        assert desk.ask("GET", path, host="model.example").status == 200


def test_too_much_at_once_is_put_off(with_run: WithRun) -> None:
    desk = Desk(with_run("regression"), waiting=1)
    row = {"rows": [desk.example]}

    async def eight() -> list[int]:
        asked = [desk.asking("POST", "/v1/explain", row) for _ in range(8)]
        answers = await asyncio.gather(*asked)
        late = [answer for answer in answers if answer.status == 503]
        assert all(answer.headers["retry-after"] == "1" for answer in late)
        return [answer.status for answer in answers]

    statuses = asyncio.run(eight())
    assert statuses.count(200) == 3  # two threads and one that waited
    assert statuses.count(503) == 5
    assert desk.ask("POST", "/v1/explain", row).status == 200


def test_requests_that_come_together_get_each_its_own_answer(desk: Desk) -> None:
    rows = [desk.example | {"rooms": rooms} for rooms in range(1, 9)]
    alone = [desk.predict(row).json["predictions"][0]["value"] for row in rows]
    bodies: list[Any] = [{"rows": [row]} for row in rows]
    bodies.insert(3, {"rows": [desk.example | {"rooms": "many"}]})  # refused while it is read,
    # by the student's own decisions: off_by is 0 at such a price,
    bodies.insert(5, {"rows": [desk.example | {"living_area_m2": 1e30, "rooms": 1e30}]})
    bodies.insert(7, {"rows": [desk.example | {"house_id": "H1"}, desk.example]})  # other columns
    bodies.insert(8, {"rows": rows})

    async def crowd() -> list[Answer]:
        asked = [desk.asking("POST", "/v1/predict", body) for body in bodies]
        return await asyncio.gather(*asked)

    answers = asyncio.run(crowd())
    assert [answer.status for answer in answers] == [200] * 3 + [422, 200, 422] + [200] * 6
    singles = [answers[place] for place in (0, 1, 2, 4, 6, 9, 10, 11)]
    together = [answer.json["predictions"][0]["value"] for answer in singles]
    assert together == pytest.approx(alone, rel=1e-5)
    assert len(answers[7].json["predictions"]) == 2
    assert [row["value"] for row in answers[8].json["predictions"]] == pytest.approx(
        alone, rel=1e-5
    )


def test_a_crowd_of_small_requests_is_served_up_to_a_limit(with_run: WithRun) -> None:
    desk = Desk(with_run("regression"), requests=20)
    row = {"rows": [desk.example]}

    async def crowd(size: int) -> list[int]:
        asked = [desk.asking("POST", "/v1/predict", row) for _ in range(size)]
        return [answer.status for answer in await asyncio.gather(*asked)]

    assert asyncio.run(crowd(20)) == [200] * 20
    statuses = asyncio.run(crowd(30))
    assert statuses == [200] * 20 + [503] * 10
    assert asyncio.run(crowd(20)) == [200] * 20


def test_what_takes_too_long_is_given_up(with_run: WithRun) -> None:
    desk = Desk(with_run("regression"), seconds=0.001)
    answer = desk.ask("POST", "/v1/explain", {"rows": [desk.example]})
    assert answer.status == 504


def test_the_model_is_described(any_desk: tuple[Path, Desk]) -> None:
    project, desk = any_desk
    told = desk.ask("GET", "/v1/model").json
    assert told["run"] == (project / "runs" / "LATEST").read_text().strip()
    assert told["metric"]["name"] in told["metrics"]["model"]
    assert "# Model Card" in told["card"] or told["card"]
    assert [field["name"] for field in told["form"]] == list(desk.example)
    for field in told["form"]:
        if "choices" in field:
            assert field["example"] in field["choices"]
    assert desk.ask("GET", "/healthz").json == {"status": "ok"}
    assert desk.ask("GET", "/nowhere").json["status"] == 404
    for method, path, other in (("GET", "/v1/predict", "POST"), ("POST", "/v1/model", "GET")):
        wrong = desk.ask(method, path)
        assert (wrong.status, wrong.headers["allow"]) == (405, other)
    assert desk.ask("GET", "/readyz").json == {"status": "ready", "run": told["run"]}


def rewrite(project: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change serving.json of the newest run, as if the run had written it so."""
    folder = project / "runs" / (project / "runs" / "LATEST").read_text().strip()
    serving = json.loads((folder / "serving.json").read_text(encoding="utf-8"))
    change(serving)
    (folder / "serving.json").write_text(json.dumps(serving), encoding="utf-8")
    reseal(folder)


@pytest.fixture
def own(copy_with_run: CopyWithRun) -> Path:
    """A project with a run, of the test's own."""
    return copy_with_run("regression")


def test_steps_that_need_pandas_give_the_same_answers(own: Path, desk: Desk) -> None:
    rewrite(own, lambda serving: serving["steps"].update(tables="pandas"))
    slow = Desk(own)
    rows = [desk.example, dict.fromkeys(desk.example), desk.example | {"rooms": None}]
    assert slow.predict(*rows).json == desk.predict(*rows).json


def test_steps_that_can_not_be_served_are_named_at_the_start(own: Path) -> None:
    rewrite(own, lambda serving: serving["steps"].update(refused="clean() looks at other rows."))
    with pytest.raises(CapstoneError, match=r"can't be served: clean\(\) looks at other rows"):
        Desk(own)


def test_a_background_that_does_not_fit_the_graph_is_told_at_the_start(own: Path) -> None:
    rewrite(own, lambda serving: serving["background"]["rooms"].pop())
    with pytest.raises(CapstoneError, match=r"model.onnx.* and serving.json are not of one run"):
        Desk(own)


def test_steps_that_changed_since_the_run_are_told(own: Path) -> None:
    features = own / "src" / "my_capstone" / "features.py"
    features.write_text(features.read_text(encoding="utf-8") + "\n# An idea.\n", encoding="utf-8")
    changed = Desk(own)
    [note] = changed.ask("GET", "/v1/model").json["notes"]
    assert "features.py has changed since this run" in note
    assert note.encode() in changed.log.getvalue()


def test_the_service_needs_no_heavy_library(with_run: WithRun) -> None:
    """A fresh process, from its start to its first answer."""
    code = """
import sys
from pathlib import Path
from capstone.serving.http.endpoints import ModelEndpoints
from capstone.serving.http.app import create_app
from capstone.serving.http.middleware import Limits
from capstone.serving.http.metrics import Metrics
from capstone.serving.http import server
import orjson
root = Path(".")
folder = root / "runs" / (root / "runs" / "LATEST").read_text().strip()
endpoints = ModelEndpoints(folder, root, Limits(), Metrics(None), False)
from capstone.serving.http.openapi import example_row
row = example_row(endpoints.inputs)
assert b"predictions" in endpoints.predict(orjson.dumps({"rows": [row]}))
assert b"moved" in endpoints.explain(orjson.dumps({"rows": [row]}))
heavy = ("torch", "sklearn", "pandas", "scipy", "pyarrow", "matplotlib", "skops", "onnx")
print(sorted(set(heavy) & set(sys.modules)))
"""
    project = with_run("binary")
    paths = {"PYTHONPATH": python_path(project), "PYTHONDONTWRITEBYTECODE": "1"}
    done = run(sys.executable, "-c", code, cwd=project, **paths)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
