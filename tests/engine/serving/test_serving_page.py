"""The page of `capstone serve`, in a browser: by keyboard, on a phone, light and dark, and with no other host."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.helpers import PROBLEMS
from tests.support.runs import reseal
from tests.support.serving import Server, serving

WithRun = Callable[[str], Path]
pytestmark = pytest.mark.browser
KEY = "a-key-of-more-than-16-letters"


@pytest.fixture(scope="module", params=PROBLEMS)
def server(request: pytest.FixtureRequest, with_run: WithRun) -> Iterator[Server]:
    """A running service of each problem."""
    with serving(with_run(request.param)) as started:
        yield started


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """`open_page(address)` gives the page; an error in it, or a request to another host, fails the test."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def open_at(address: str, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                None if asked.url.startswith((address, "data:")) else wrong.append(asked.url)
            ),
        )
        page.goto(address)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert wrong == []


def answer_of(page: Any) -> str:
    """Ask for a prediction and its reasons, and wait for both."""
    page.get_by_role("button", name="Predict").click()
    page.wait_for_selector("#why .bars")
    return str(page.locator("#answer").inner_text())


def test_the_filled_in_example_gets_an_answer_an_action_and_reasons(
    server: Server, open_page: Callable[..., Any]
) -> None:
    page = open_page(server.address)
    said = answer_of(page)
    told = server.ask("v1/model").json
    row = {field["name"]: field["example"] for field in told["form"]}
    prediction = server.ask("v1/predict", {"rows": [row]}).json["predictions"][0]
    assert told["target"] in said
    assert prediction["recommendation"]["action"] in said
    if "value" in prediction:
        assert f"{round(prediction['value']):,}" in said
        assert f"{round(prediction['low']):,} to {round(prediction['high']):,}" in said
    else:
        assert f"{told['target']}: {prediction['class']}" in said
        assert page.locator("#answer .bars li").count() == len(told["classes"])
    reasons = server.ask("v1/explain", {"rows": [row]}).json["columns"]
    lines = page.locator("#why .bars li").all_inner_texts()
    assert len(lines) == len(reasons)
    assert lines[0].startswith(f"{reasons[0]['column']} = ")
    assert told["run"] in page.locator("footer").inner_text()


def test_axe_finds_nothing(server: Server, open_page: Callable[..., Any]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    phone = {"viewport": {"width": 320, "height": 640}, "color_scheme": "dark"}
    for options in ({"color_scheme": "light"}, phone):
        page = open_page(server.address, **options)
        answer_of(page)
        found = axe.run(page).response["violations"]
        assert found == [], [(one["id"], one["nodes"][0]["html"]) for one in found]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_works_by_keyboard_alone(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page(server.address)
    page.wait_for_selector("#fields .field")
    reached = []
    for _ in range(200):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.id || document.activeElement.tagName")
        if focused not in reached:
            reached.append(focused)
        if focused == "BUTTON":
            break
    fields = [f"field-{place}" for place in range(len(server.ask("v1/model").json["form"]))]
    assert [name for name in reached if name.startswith("field-")] == fields
    page.keyboard.press("Enter")
    page.wait_for_selector("#why .bars")


@pytest.mark.parametrize("language", ["python", "curl"])
def test_the_lines_it_shows_call_the_api(
    server: Server, open_page: Callable[..., Any], language: str
) -> None:
    page = open_page(server.address)
    page.wait_for_selector("#fields .field")
    lines = page.locator(f"#{language}").inner_text()
    if language == "curl":
        if shutil.which("curl") is None or shutil.which("bash") is None:
            pytest.skip("curl or bash is not installed")
        command = ["bash", "-c", f"set -e\n{lines}"]
    else:
        command = [sys.executable, "-c", lines]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "recommendation" in done.stdout
    if language == "curl":
        assert json.loads(done.stdout)["run"] == server.ask("v1/model").json["run"]


@pytest.fixture(scope="module")
def houses(with_run: WithRun) -> Iterator[Server]:
    """The service of the house prices, with a key."""
    with serving(with_run("regression"), CAPSTONE_API_KEY=KEY) as started:
        yield started


def test_with_a_key_the_page_asks_for_it_first(
    houses: Server, open_page: Callable[..., Any]
) -> None:
    page = open_page(houses.address)
    page.get_by_label("API key").fill("wrong")
    page.get_by_role("button", name="Open").click()
    page.wait_for_selector("#trouble:not(:empty)")
    assert "not the key" in page.locator("#trouble").inner_text()
    assert page.locator("#desk").is_hidden()
    page.get_by_label("API key").fill(KEY)
    page.get_by_role("button", name="Open").click()
    answer_of(page)
    assert KEY not in page.content()
    assert "CAPSTONE_API_KEY" in page.locator("#curl").inner_text()
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]


def test_what_is_wrong_or_unseen_is_told_at_its_field(
    houses: Server, open_page: Callable[..., Any]
) -> None:
    page = open_page(houses.address)
    page.get_by_label("API key").fill(KEY)
    page.get_by_role("button", name="Open").click()
    page.get_by_label("rooms").fill("400")
    page.get_by_label("year_built").fill("")
    said = answer_of(page)
    assert "rooms: lies outside what training saw" in said
    assert "year_built = not known" in page.locator("#why").inner_text()
    page.get_by_label("rooms").fill("1e300")
    page.get_by_role("button", name="Predict").click()
    page.wait_for_selector('input[aria-invalid="true"]')
    assert page.evaluate("document.activeElement.labels[0].textContent") == "rooms"
    wrong = page.evaluate("document.activeElement.id") + "-wrong"
    assert "too large" in page.locator(f"#{wrong}").inner_text()


def test_a_service_that_is_gone_is_told_in_a_sentence(
    with_run: WithRun, open_page: Callable[..., Any]
) -> None:
    with serving(with_run("binary")) as server:
        page = open_page(server.address)
        page.wait_for_selector("#fields .field")
    page.get_by_role("button", name="Predict").click()
    page.wait_for_selector("#trouble:not(:empty)")
    assert "does not answer" in page.locator("#trouble").inner_text()


def test_words_of_the_data_are_text_and_never_code(
    with_run: WithRun, tmp_path: Path, open_page: Callable[..., Any]
) -> None:
    """A category such as <img onerror=...> in the training data must not run in the reader's browser."""
    project = Path(shutil.copytree(with_run("regression"), tmp_path / "my-capstone"))
    run = project / "runs" / (project / "runs" / "LATEST").read_text().strip()
    evil = "<img src=x onerror=document.title='taken'>"
    text = (run / "schema.json").read_text(encoding="utf-8").replace('"gas"', json.dumps(evil))
    (run / "schema.json").write_text(text, encoding="utf-8")
    reseal(run)
    with serving(project) as server:
        page = open_page(server.address)
        answer_of(page)
        assert page.title() != "taken"
        assert page.locator("img").count() == 0


def sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()
