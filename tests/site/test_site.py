"""The site: it builds without a warning, every link leads somewhere, and everyone can use it, from a disk."""

import inspect
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

import capstone
from capstone.checks.rules import RULES
from capstone.commands.app import app as capstone_app
from capstone.core.settings import Settings
from cohort.cli import app as cohort_app
from site_tools.links import broken
from site_tools.reference import settings as settings_page
from tests.support.helpers import ROOT, SIMS, must_run


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; `nox -s docs` has built it already. A warning is an error."""
    if made := os.environ.get("CAPSTONE_SITE"):
        return Path(made)
    folder = tmp_path_factory.mktemp("site") / "html"
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    env = {"NO_MKDOCS_2_WARNING": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    must_run(*build, "--site-dir", folder, cwd=ROOT, **env)
    return folder


def text_of(site: Path, page: str) -> str:
    """A page's own part, as HTML."""
    text = (site / page).read_text(encoding="utf-8")
    return text[text.index("<article") : text.index("</article>")]


def test_what_is_tried_is_counted_from_all_tests(site: Path) -> None:
    text = text_of(site, "explanation/tried.html")
    cases, inputs = (
        int(number.replace(",", ""))
        for number in re.findall(r"<strong>in all</strong></td>\s*<td[^>]*>([\d,]+)<", text)
    )
    assert cases > 2_500 and inputs > 90
    for path in (ROOT / "tests" / "fuzz").glob("test_*.py"):
        assert f"tests/fuzz/{path.name}" in text


# ---- Links ---------------------------------------------------------------------------------------


def test_every_link_leads_somewhere(site: Path) -> None:
    assert list(broken(site)) == []
    assert len(list(site.rglob("*.html"))) > 80


FAULTS = {
    '<a href="gone.html">x</a>': "does not exist",
    '<a href="b.html#gone">x</a>': 'has no id "gone"',
    '<a href="#gone">x</a>': 'has no id "gone"',
    '<img src="gone.png">': "does not exist",
    '<iframe title="x" src="gone/index.html"></iframe>': "does not exist",
    '<iframe src="b.html"></iframe>': "1 frame(s) without a title",
    '<script src="https://example.org/x.js"></script>': "would be fetched from another host",
    '<link rel="stylesheet" href="//example.org/x.css">': "would be fetched from another host",
    '<svg><a href="gone.html">x</a></svg>': "does not exist",
    '<a href="/b.html">x</a>': "begins at the root",
    '<a href="../outside.html">x</a>': "leads out of the site",
    '<a href="folder/">x</a>': "leads to a folder",
    '<p id="x"></p><p id="x"></p>': 'the id "x" is there twice',
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_link_test_notices(tmp_path: Path, fault: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "b.html").write_text('<p id="here">b</p>')
    page = (
        '<a href="b.html#here">b</a><a href="https://example.org">out</a><a href="#a=1">state</a>'
    )
    (tmp_path / "a.html").write_text(page)
    assert list(broken(tmp_path)) == []
    (tmp_path / "a.html").write_text(page + fault)
    [said] = broken(tmp_path)
    assert FAULTS[fault] in said and said.startswith("a.html: ")


# ---- The reference is the code's -----------------------------------------------------------------


def test_every_question_is_in_the_reference(site: Path) -> None:
    page = text_of(site, "reference/questions.html")
    asked = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    for name, question in asked.items():
        is_asked = not name.startswith("_") and question.get("when") is not False
        assert (f'id="{name}"' in page) == is_asked, name
    assert page.count("<h2") >= 15


def test_every_setting_is_in_the_reference_with_its_comment(site: Path) -> None:
    page = text_of(site, "reference/settings.html")
    names = ["seed"]
    for section, field in Settings.model_fields.items():
        if section != "seed":
            kind: Any = field.annotation
            names += [f"{section}.{key}" for key in kind.model_fields]
    assert len(names) > 40
    for name in names:
        about = re.search(rf"<code>{name}</code></td>\s*<td>(.*?)</td>", page)
        assert about and len(about[1]) > 8, f"{name} is not explained"


def test_a_new_comment_reaches_the_reference() -> None:
    text = (ROOT / "template" / "capstone.toml.jinja").read_text(encoding="utf-8")
    values = re.sub(r"{{.*?}}", "1", text)
    page = settings_page(values.replace("# the column to predict", "# what is foreseen # exactly"))
    assert "| what is foreseen # exactly |" in page


def test_every_public_name_is_in_the_reference_with_its_parameters(site: Path) -> None:
    page = text_of(site, "reference/api.html")
    assert re.findall(r"<h2[^>]*><code>(\w+)</code>", page) == capstone.__all__
    parts = dict(zip(capstone.__all__, page.split("<h2")[1:], strict=True))
    for name in capstone.__all__:
        thing = getattr(capstone, name)
        if inspect.isfunction(thing):
            for parameter in inspect.signature(thing).parameters:
                assert f"<li><code>{parameter}</code> (" in parts[name], (name, parameter)


@pytest.mark.parametrize(("app", "name"), [(capstone_app, "commands"), (cohort_app, "cohort")])
def test_every_command_and_option_is_in_the_reference(site: Path, app: Any, name: str) -> None:
    parts = text_of(site, f"reference/{name}.html").split("<h2")[1:]
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert len(parts) == len(commands)
    for part, (command, about) in zip(parts, commands.items(), strict=True):
        assert f" {command}</code>" in part
        for option in about.params:
            named = option.opts if option.param_type_name == "option" else [option.help]
            assert named and all(word in part for word in named), f"{command} {named}"


def test_every_rule_is_in_the_reference_and_says_whether_it_may_be_open(site: Path) -> None:
    page = text_of(site, "reference/rules.html")
    found = re.findall(r"<code>(\w+)</code></td>\s*<td>(.*?)</td>\s*<td>(\w+)</td>", page)
    assert [name for name, _, _ in found] == list(RULES)
    assert all(len(about) > 20 for _, about, _ in found)
    never = {name for name, _, may in found if may == "never"}
    assert never == {"split", "notebooks", "secrets", "large_files"}


def test_every_table_of_figures_names_the_benchmark_that_makes_it() -> None:
    text = (ROOT / "docs" / "explanation" / "defaults.md").read_text(encoding="utf-8")
    measured = [
        part for part in text.split("\n## ") if re.search(r"^\|.*\d\.\d", part, re.MULTILINE)
    ]
    assert len(measured) == 5
    for part in measured:
        [name] = re.findall(r"^Made by `nox -s bench -- (\w+)", part, re.MULTILINE)
        assert (ROOT / "benchmarks" / f"bench_{name}.py").is_file()


# ---- The concepts --------------------------------------------------------------------------------


def test_each_concept_is_on_the_map_and_in_the_tables(site: Path) -> None:
    groups = yaml.safe_load((ROOT / "docs" / "concepts.yml").read_text(encoding="utf-8"))
    page = text_of(site, "concepts.html")
    links = re.findall(r'<a class="g\d" href="([^"]+)">.*?<text [^>]*>([^<]+)</text>', page)
    rows = re.findall(r'<td>([^<]+)</td>\s*<td>[^<]+</td>\s*<td><a href="([^"]+)">', page)
    assert len(links) == len(rows) == 55
    for group in groups:
        for concept in group["concepts"]:
            [on_map] = [address for address, name in links if name == concept["name"]]
            [in_table] = [address for name, address in rows if name == concept["name"]]
            assert on_map == in_table
            assert on_map.startswith(("code/", "reference/", "sims/"))


# ---- In the browser, from a disk -----------------------------------------------------------------

browser_test = pytest.mark.browser
SHOWN = [
    ("index.html", "light"),
    ("index.html", "dark"),
    ("tutorial.html", "dark"),
    ("how-to/own-table.html", "light"),
    ("concepts.html", "light"),
    ("reference/settings.html", "dark"),
    ("code/engine-capstone-core-errors-py.html", "light"),
    ("sims/training-loop.html", "dark"),
]


# Code in tables that goes on in another line though nothing in it lets it: no space, no hyphen, no slash.
BROKEN_CODE = """[...document.querySelectorAll('table code')].filter(
  it => !/[\\s/-]/.test(it.textContent) && it.getClientRects().length > 1).map(it => it.textContent)"""


@pytest.fixture
def open_page(browser: Any, site: Path) -> Any:
    """`open_page("index.html", color_scheme="dark")` gives the page; errors and strange hosts fail."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def look_at(request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:", "about:")):
            wrong.append(request.url)

    def open_it(name: str, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("request", look_at)
        page.on("requestfailed", lambda request: wrong.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text))
        path, _, anchor = name.partition("#")
        page.goto((site / path).as_uri() + (f"#{anchor}" if anchor else ""))
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert wrong == []


@browser_test
@pytest.mark.parametrize(("name", "theme"), SHOWN)
def test_axe_finds_nothing_serious_and_it_fits_a_phone(
    open_page: Any, name: str, theme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page(name, color_scheme=theme, viewport={"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate(BROKEN_CODE) == []
    # The sim in the frame is tested by itself.
    found = axe.Axe().run(page, options={"preload": False, "iframes": False}).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert serious == [], [(one["id"], one["nodes"][0]["html"]) for one in serious]


@browser_test
def test_the_themes_follow_the_system(open_page: Any) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light, dark = (open_page("index.html", color_scheme=one) for one in ("light", "dark"))
    assert (light.evaluate(paper), dark.evaluate(paper)) == (
        "rgb(251, 251, 253)",
        "rgb(18, 21, 27)",
    )


@browser_test
def test_the_search_works_from_a_disk(open_page: Any) -> None:
    page = open_page("index.html")
    page.keyboard.press("/")
    page.keyboard.type("weight_decay")
    page.locator(".md-search-result__item a", has_text="[training]").first.click()
    page.wait_for_url("**/reference/settings.html*")


@browser_test
def test_the_map_is_walked_with_the_keyboard(open_page: Any) -> None:
    page = open_page("concepts.html")
    page.locator(".map").focus()
    names = []
    for _ in range(55):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.querySelector('text')?.textContent"))
    assert len(set(names)) == 55 and None not in names
    page.locator(".map a", has_text="Training Loop").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/code/engine-capstone-training-loop-py.html#*")
    shown = page.evaluate("document.querySelector(':target').parentElement.closest('pre') !== null")
    assert shown


@browser_test
@pytest.mark.parametrize("name", sorted(path.parent.name for path in SIMS.glob("*/index.html")))
def test_each_sim_works_in_its_frame_and_alone(open_page: Any, name: str) -> None:
    page = open_page(f"sims/{name}.html")
    frame = page.frame_locator("iframe.sim")
    assert page.locator("iframe.sim").get_attribute("title")
    frame.get_by_role("button", name="Copy as PyTorch").wait_for()
    assert frame.locator("svg").first.locator("*").count() > 5
    page.get_by_role("link", name="Open the sim on a page of its own").click()
    page.wait_for_url(f"**/sims/{name}/index.html")
    assert page.locator("h1").count() == 1
