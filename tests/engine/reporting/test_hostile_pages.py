"""In a browser: pages and charts show hostile names as they are, and run nothing of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.helpers import call, run_of
from tests.support.hostile import NAMES
from tests.support.serving import serving

pytestmark = pytest.mark.browser
# How a name stands in a chart, where spaces at the end of a line are lost and long names are cut.
IN_CHARTS = [shown.replace(" ", "") for shown in NAMES.values() if "characters" not in shown]


def opened(browser: Any, address: str, wrong: list[str]) -> Any:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("dialog", lambda dialog: wrong.append("something of the table was run"))
    page.goto(address)
    return page


def test_the_charts_of_a_run_show_every_name(hostile: Callable[[str], Path], browser: Any) -> None:
    project = hostile("binary")
    wrong: list[str] = []
    assert call(project, "explain", "--row", "r1") == 0
    texts = ""
    for name in ("report.html", "explain_r1.html"):  # a chart holds the columns that count most
        page = opened(browser, (run_of(project) / name).as_uri(), wrong)
        page.wait_for_selector(".js-plotly-plot .ytick text")
        page.wait_for_function(  # the others are drawn one after another
            "[...document.querySelectorAll('.js-plotly-plot')].every((one) => one.querySelector('text'))"
        )
        words = page.locator(".js-plotly-plot text").all_text_contents()
        texts += "\n".join("".join(text.split()) for text in words) + "\n"
        page.close()
    hidden = {"[/foo]", "[red]size[/red]"}  # sensitive columns: the network doesn't see them
    assert [name for name in IN_CHARTS if name not in texts and name not in hidden] == []
    assert wrong == []


def test_the_page_of_the_service_shows_every_name(
    hostile: Callable[[str], Path], browser: Any
) -> None:
    wrong: list[str] = []
    with serving(hostile("multiclass")) as server:
        page = opened(browser, server.address, wrong)
        page.wait_for_selector("#fields .field")
        labels = page.locator("#fields label").all_text_contents()
        assert {shown for shown in NAMES.values() if "characters" not in shown} - {
            "[/foo]",
            "[red]size[/red]",
        } <= set(labels)
        options = page.locator("#fields option").all_text_contents()
        assert {r"\u202egnp.exe", r"\x1b[2Jwipe", "<i>it</i>", "$x^2$"} <= set(options)
        page.get_by_role("button", name="Predict").click()
        page.wait_for_selector("#why .bars")
        answer = page.locator("#answer").inner_text()
        assert r"\x1b[31mc\u202e" in answer and "[/act] <i>it</i>" in answer
        page.close()
    assert wrong == []
