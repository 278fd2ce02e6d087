"""Every page of a project in a browser: both themes, desk, phone and paper; axe finds nothing serious."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.helpers import PROBLEMS, call

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DESK = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"}
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
SCREENS = pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk, light", "phone, dark"])
# Each page by its name, and the problem of whose project it is.
PAGES = [
    *(("report.html", problem) for problem in PROBLEMS),
    *((name, "binary") for name in ("compare.html", "data.html", "explain.html")),
]
MOST_PAPER = 8  # pages of A4
A4 = {"width": 718, "height": 1047}  # without its margins
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def pages(
    with_run: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], str]:
    """The address of each page."""
    found = {}
    for problem in PROBLEMS:
        project = tmp_path_factory.mktemp("pages") / problem
        shutil.copytree(with_run(problem), project)
        runs = project / "runs"
        run = runs / (runs / "LATEST").read_text(encoding="utf-8").strip()
        found["report.html", problem] = (run / "report.html").as_uri()
        if problem == "binary":
            shutil.copytree(run, runs / "20990101T000000Z-00000000")
            row = (project / "data" / "raw" / "customer_churn.csv").read_text().splitlines()[1]
            name = row.partition(",")[0]
            for words in (("compare",), ("data",), ("explain", "--row", name)):
                assert call(project, *words) == 0
            found["compare.html", problem] = (runs / "compare.html").as_uri()
            found["data.html", problem] = (runs / "data.html").as_uri()
            found["explain.html", problem] = (run / f"explain_{name}.html").as_uri()
    return found


@pytest.fixture
def open_page(browser: Any, pages: dict[tuple[str, str], str]) -> Iterator[Open]:
    """`open_page("report.html", "binary", screen)`; an error, or a request to a host, fails the test."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def open_it(name: str, problem: str, screen: dict[str, Any]) -> Any:
        contexts.append(browser.new_context(**screen))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith(("file:", "data:", "blob:"))
                else wrong.append(asked.url)
            ),
        )
        page.goto(pages[name, problem])
        if name != "data.html":
            page.wait_for_selector(".main-svg")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert wrong == []


def charts_out_of_their_frame(page: Any) -> list[str]:
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('figure .main-svg')].filter((one) =>
        one.getBoundingClientRect().right > one.closest('figure').getBoundingClientRect().right + 1)
        .map((one) => one.closest('figure').innerText)"""
    )
    return found


@SCREENS
@pytest.mark.parametrize(("name", "problem"), PAGES)
def test_a_page_is_accessible_and_fits_its_screen(
    open_page: Open, name: str, problem: str, screen: dict[str, Any]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    page = open_page(name, problem, screen)
    page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
    found = axe.Axe().run(page).response["violations"]
    assert [
        (one["id"], [node["html"][:200] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ] == []
    width = screen["viewport"]["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").count() == 1
    # A page that is a grid by mistake has its text in a strip; a chart drawn too early runs out of its frame.
    assert page.locator("main").bounding_box()["width"] > 0.6 * width
    assert charts_out_of_their_frame(page) == []


@pytest.mark.parametrize("problem", PROBLEMS)
def test_no_table_of_a_report_is_cut_on_a_desk(open_page: Open, problem: str) -> None:
    page = open_page("report.html", problem, DESK)
    page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.scroll')]
        .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.ariaLabel)"""
    )
    assert cut == []


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_report_is_eight_pages_on_paper_and_black_on_white(open_page: Open, problem: str) -> None:
    page = open_page("report.html", problem, DESK | {"color_scheme": "dark"})
    paper = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", paper)) <= MOST_PAPER
    page.emulate_media(media="print")
    page.set_viewport_size(A4)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert charts_out_of_their_frame(page) == []
    ink = page.evaluate("getComputedStyle(document.querySelector('h1')).color")
    assert max(map(int, re.findall(r"\d+", ink)[:3])) < 64, ink
