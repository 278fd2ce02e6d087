"""The pages in a browser: search, filter, sort, by keyboard, on a phone, in both themes and without JavaScript."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cohort.classroom.outcome import CONFLICT, Outcome
from cohort.output.plan_page import write_plan_page
from cohort.projects.report import Row, write_page
from tests.cohort.output.test_pages import HOSTILE, SAME, full_row, planned

pytestmark = pytest.mark.browser
Open = Callable[..., Any]
NAMES = ("class", "plan")


def rows() -> list[Row]:
    """Twelve in six states; one with strange texts, one with nothing."""
    made = [full_row(number) for number in range(12)]
    made[3].author = "Zoë Müller"
    made[4].changed = [f"src/{'a_very_long_folder_name/' * 6}{'x' * 120}.py"]
    made[5].message = made[5].author = HOSTILE + "y" * 200
    made[6] = Row("student0006", word="up to date")
    made[2].open_questions, made[1].open_questions = 10, 9
    return made


def outcomes() -> list[Outcome]:
    made = [planned(f"student{number:04}", {"engine.py": SAME}) for number in range(12)]
    made[7] = planned(
        "student0007", {"engine.py": SAME, "x" * 150: SAME + "\n " + "z" * 299}, CONFLICT
    )
    made[8].notes = [HOSTILE]
    return made


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages")
    write_page(folder / "class.html", "v2", rows())
    write_plan_page(folder / "plan.html", "v2", outcomes())
    return {name: (folder / f"{name}.html").as_uri() for name in NAMES}


@pytest.fixture
def open_page(browser: Any, pages: dict[str, str]) -> Iterator[Open]:
    """`open_page("class", color_scheme="dark")`; an error, or a request for anything else, fails the test."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def open_it(name: str, width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 844}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text))
        page.on(
            "request", lambda asked: wrong.extend([asked.url] if asked.url != pages[name] else [])
        )
        page.goto(pages[name])
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert wrong == []


def students(page: Any) -> list[str]:
    """Who can be seen, in order."""
    found = page.locator("tbody tr:not([hidden]) .name").all_text_contents()
    return [str(name).removeprefix("student00") for name in found]


def test_search_finds_names_states_and_files(open_page: Open) -> None:
    page = open_page("class")
    search = page.get_by_label("Search")
    search.fill("zoe MULLER")
    page.wait_for_function("document.querySelector('#shown').textContent === '1 of 12 shown'")
    assert students(page) == ["03"]
    search.fill("a_very_long")
    page.wait_for_timeout(100)
    assert students(page) == ["04"]
    search.fill("nobody at all")
    page.get_by_text("No student matches.").wait_for()
    assert students(page) == []
    page.get_by_role("button", name="Show all students").click()
    assert len(students(page)) == 12
    assert page.evaluate("document.activeElement.type") == "search"


@pytest.mark.parametrize("name", NAMES)
def test_a_state_filters_and_a_second_click_shows_all(open_page: Open, name: str) -> None:
    page = open_page(name)
    expected = ["00"] if name == "class" else ["07"]
    tile = page.get_by_role("list").get_by_role("button", name="attention")
    tile.click()
    assert page.get_by_role("button", pressed=True).count() == 1
    assert students(page)[0] == expected[0] and 0 < len(students(page)) < 12
    tile.click()
    assert len(students(page)) == 12


def test_a_heading_sorts_both_ways_and_what_is_missing_stays_last(open_page: Open) -> None:
    page = open_page("class")
    heading = page.get_by_role("columnheader", name="Card: unanswered")
    button = heading.get_by_role("button")
    button.click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert students(page)[-3:] == ["01", "02", "06"], "9, 10, none"
    button.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert students(page)[:2] == ["02", "01"] and students(page)[-1] == "06"
    page.get_by_role("button", name="Newest commit").click()
    assert heading.get_attribute("aria-sort") is None
    assert students(page)[0] == "00" and students(page)[-1] == "06"


def test_the_head_stays_in_sight(open_page: Open) -> None:
    page = open_page("class")
    page.mouse.move(600, 600)
    page.mouse.wheel(0, 900)
    page.wait_for_function("scrollY > 300")
    box = page.locator("thead").bounding_box()
    assert 0 <= box["y"] < 80 and page.get_by_label("Search").bounding_box()["y"] < 20


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [320, 390, 700, 961, 1280])
def test_nothing_is_wider_than_the_screen(open_page: Open, name: str, width: int) -> None:
    page = open_page(name, width)
    page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        """(width) => [...document.querySelectorAll('tbody tr *')]
        .filter((one) => one.getBoundingClientRect().right > width + 1).map((one) => one.outerHTML)"""
    , width)  # fmt: skip
    assert outside == []


def test_a_phone_has_cards_with_names_and_a_choice_of_order(open_page: Open) -> None:
    page = open_page("class", 390)
    assert not page.locator("thead").is_visible()
    first = page.locator("tbody tr").first
    assert first.locator("td").first.bounding_box()["y"] > first.locator("th").bounding_box()["y"]
    labels = first.locator("td").evaluate_all(
        "cells => cells.map((one) => getComputedStyle(one, '::before').content)"
    )
    assert '"Newest commit"' in labels and '"Checks"' in labels
    page.get_by_label("Sort by").select_option(label="Card: unanswered, reversed")
    assert students(page)[0] == "02"


def test_dates_and_paths_are_not_broken_inside_a_word(open_page: Open) -> None:
    """Each part of a path, and each date, lies on one line."""
    for width in (390, 961, 1280):
        page = open_page("class", width)
        page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
        broken = page.evaluate(
            """() => {
          const broken = [];
          for (const node of document.querySelectorAll('tr:nth-child(1) :is(code, time, dd)')) {
            const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
            for (let text; (text = walker.nextNode());)
              for (const word of text.data.matchAll(/[^\\s]+/g)) {
                const range = document.createRange();
                range.setStart(text, word.index); range.setEnd(text, word.index + word[0].length);
                if (range.getClientRects().length > 1) broken.push(word[0]);
              }
          }
          return broken;
        }"""
        )
        assert broken == [], width


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing(open_page: Open, name: str, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    page = open_page(name, width, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
    found = axe.Axe().run(page, options={"preload": False}).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


@pytest.mark.parametrize("name", NAMES)
def test_without_javascript_everyone_is_there(open_page: Open, name: str) -> None:
    page = open_page(name, java_script_enabled=False)
    assert page.locator("tbody tr").count() == 12 == len(students(page))
    assert page.locator("tbody tr").last.is_visible()
    assert not page.locator(".tools").is_visible() and not page.locator("#nobody").is_visible()
    page.locator("summary").first.click()
    assert page.locator("details").first.get_attribute("open") is not None


@pytest.mark.parametrize("name", NAMES)
def test_the_keyboard_is_enough(open_page: Open, name: str) -> None:
    page = open_page(name)
    seen = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate(
                "document.activeElement.closest('.tile, thead, .tools, summary, a')?.className ?? ''"
            )
        )
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert any("tile" in one for one in seen) and "tools" in seen


def test_a_link_leads_from_a_student_to_the_change_and_back(open_page: Open) -> None:
    page = open_page("plan")
    page.get_by_role("row", name="student0007").get_by_role("link").first.click()
    group = page.locator("article:target")
    assert "12 students" in group.locator("h3").text_content()
    group.get_by_text("Show the students").click()
    group.get_by_role("link", name="student0003").click()
    assert page.locator("tr:target .name").text_content() == "student0003"
    page.get_by_role("button", name="Open all changes").click()
    assert page.locator("details.file:not([open])").count() == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_text_does_nothing(open_page: Open, name: str) -> None:
    page = open_page(name)
    page.get_by_label("Search").fill("owned")
    page.wait_for_function("document.querySelector('#shown').textContent === '1 of 12 shown'")
    assert "owned" not in page.title()
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("name", NAMES)
def test_paper_has_every_student_and_no_controls(open_page: Open, name: str) -> None:
    page = open_page(name)
    page.emulate_media(media="print")
    assert not page.locator(".tools").is_visible()
    assert page.locator("tbody tr").last.is_visible() and page.locator("thead").is_visible()
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
