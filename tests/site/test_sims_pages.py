"""Each sim in Chromium, from file://: it loads nothing else, fits, can be used by everyone, and remembers."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.support.helpers import SIMS

NAMES = sorted(path.parent.name for path in SIMS.glob("*/index.html"))
pytestmark = pytest.mark.browser


def files_of_sim(name: str) -> list[Path]:
    """What the page loads, itself first."""
    page = SIMS / name / "index.html"
    links = re.findall(r'(?:src|href)="([^"#]+\.(?:js|css))"', page.read_text(encoding="utf-8"))
    return [page, *((page.parent / link).resolve() for link in links)]


def settled(page: Any) -> str:
    """The address after "#", once the page has written it."""
    page.wait_for_timeout(250)
    return str(page.evaluate("location.hash.slice(1)"))


def test_there_are_three_sims() -> None:
    assert NAMES == ["activation-functions", "network-architecture", "training-loop"]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_and_asks_for_its_own_files_only(open_sim: Any, name: str) -> None:
    page = open_sim(name)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.partition("#")[0]))
    page.reload()
    assert set(asked) - {"data:,"} == {path.as_uri() for path in files_of_sim(name)}
    assert sum(path.stat().st_size for path in files_of_sim(name)) < 60_000


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is_for(open_sim: Any, name: str) -> None:
    page = open_sim(name)
    assert page.locator("h1").count() == 1
    assert page.title() == page.locator("h1").inner_text()
    assert page.get_by_text("Learning objective.").is_visible()
    assert page.get_by_role("heading", name="What to try").is_visible()
    assert page.get_by_role("heading", name="Questions").is_visible()
    for answer in page.locator("main details").all():
        answer.locator("summary").click()
        assert answer.locator("p").is_visible()
    for sim in NAMES:
        assert page.locator(f'nav a[href$="{sim}/index.html"], nav a[aria-current]').count()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing(open_sim: Any, name: str, theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_sim(name, color_scheme=theme)
    page.locator("main details").evaluate_all("all => all.forEach(one => { one.open = true })")
    found = axe.Axe().run(page, options={"preload": False})  # which would read the CSS by a request
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("name", NAMES)
def test_the_themes_differ_and_can_be_chosen(open_sim: Any, name: str) -> None:
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    light = open_sim(name, color_scheme="light")
    dark = open_sim(name, color_scheme="dark")
    assert light.evaluate(paper) != dark.evaluate(paper)
    light.get_by_label("Theme").select_option("dark")
    assert light.evaluate(paper) == dark.evaluate(paper)


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("name", NAMES)
def test_it_fits(open_sim: Any, name: str, width: int) -> None:
    page = open_sim(name, viewport={"width": width, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = """(boxes) => boxes.filter((one) => one.getBoundingClientRect().right > innerWidth)
        .map((one) => one.outerHTML)"""
    assert page.locator("button, select, input, svg, pre").evaluate_all(beyond) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_drawing_says_what_it_shows(open_sim: Any, name: str) -> None:
    page = open_sim(name, forced_colors="active")
    for drawing in page.locator("svg").filter(visible=True).all():
        names = drawing.get_attribute("aria-labelledby").split()
        assert all(page.locator(f"#{one}").inner_text().strip() for one in names)
        assert drawing.locator("*").count() > 5


@pytest.mark.parametrize("name", NAMES)
def test_every_control_is_in_the_address_and_comes_back_from_it(open_sim: Any, name: str) -> None:
    page = open_sim(name)
    changed = page.evaluate(CHANGE_ALL)
    for key, before, after in changed:
        assert after != before, f"{key} can't be changed"
    address = settled(page)
    assert {key for key, _, _ in changed} == set(dict(parse_qsl(address, keep_blank_values=True)))
    read = "controls => controls.map(one => one.type === 'checkbox' ? one.checked : one.value)"
    again = open_sim(name, address)
    assert again.locator("[name]").evaluate_all(read) == page.locator("[name]").evaluate_all(read)
    assert again.locator("#code").inner_text() == page.locator("#code").inner_text()


# Gives [name, value before, value after] for each control that can be seen.
CHANGE_ALL = """() => {
    const read = (control) => control.type === "checkbox" ? control.checked : control.value;
    const seen = Array.from(document.querySelectorAll("[name]")).filter((one) => one.offsetParent);
    return seen.map((control) => {
        const before = read(control);
        if (control.type === "checkbox") control.checked = !control.checked;
        else if (control.tagName === "SELECT") {
            control.selectedIndex = (control.selectedIndex + 1) % control.options.length;
        } else if (control.type === "text") control.value = control.dataset.example;
        else {
            control.stepUp();
            if (control.value === before) control.stepDown();
        }
        control.dispatchEvent(new Event("input", { bubbles: true }));
        control.dispatchEvent(new Event("change", { bubbles: true }));
        return [control.name, before, read(control)];
    });
}"""


@pytest.mark.parametrize("name", NAMES)
def test_nonsense_in_the_address_does_no_harm(open_sim: Any, name: str) -> None:
    page = open_sim(name)
    keys = page.locator("[name]").evaluate_all("all => all.map(one => one.name)")
    wild = ["", "NaN", "-1e99", "<img src=x onerror=console.log(1)>", "1,2,x", "constructor"]
    for value in wild:
        page.goto(page.url.partition("#")[0] + "#" + "&".join(f"{key}={value}" for key in keys))
        page.wait_for_timeout(20)
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_code_can_be_copied(open_sim: Any, name: str) -> None:
    page = open_sim(name, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy as PyTorch").press("Enter")
    page.get_by_text("Copied.").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#code").inner_text()
    compile(copied, "copied", "exec")


@pytest.mark.parametrize("name", NAMES)
def test_the_keyboard_reaches_every_control(open_sim: Any, name: str) -> None:
    page = open_sim(name)
    usable = "a[href], button:enabled, select, input, summary"
    count = page.locator(usable).filter(visible=True).count()
    page.evaluate(f"""() => {{
        window.reached = new Set();
        addEventListener("focusin", (event) => {{
            if (event.target.matches(`{usable}`)) window.reached.add(event.target);
        }});
    }}""")
    for _ in range(count + 12):  # some regions that scroll are stops too
        page.keyboard.press("Tab")
    assert page.evaluate("window.reached.size") == count
