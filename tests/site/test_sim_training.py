"""The training loop visualizer, control by control."""

import re
from typing import Any

import pytest

from tests.support.helpers import printed_by

pytestmark = pytest.mark.browser
NAME = "training-loop"


def number(page: Any, name: str) -> float:
    return float(page.locator(f"#{name}").inner_text().replace("−", "-"))


def press(page: Any, name: str, times: int = 1) -> None:
    for _ in range(times):
        page.get_by_role("button", name=name, exact=True).click()


def test_a_step_lights_the_five_cards_in_turn(open_sim: Any) -> None:
    page = open_sim(NAME)
    cards = page.locator("#cards li")
    lines = cards.locator("code").all_inner_texts()
    assert lines == [
        "optimizer.zero_grad()",
        "outputs = network(inputs)",
        "loss = loss_function(outputs, targets)",
        "loss.backward()",
        "optimizer.step()",
    ]
    assert page.locator("#cards [aria-current]").count() == 0
    for turn in range(6):
        press(page, "Step")
        lit = [bool(card.get_attribute("aria-current")) for card in cards.all()]
        assert lit == [i == turn % 5 for i in range(5)]
        assert f"Step {turn % 5 + 1} of 5" in page.locator("#told").inner_text()


def test_iterations_epochs_and_steps_back_are_counted(open_sim: Any) -> None:
    page = open_sim(NAME)
    counts = lambda: [number(page, i) for i in ("in-epoch", "in-iteration", "updates")]  # noqa: E731
    assert page.get_by_role("button", name="Back one step").is_disabled()
    press(page, "Step", 3)
    assert counts() == [1, 1, 0]
    loss = page.locator("#batch-loss").inner_text()
    press(page, "Complete iteration")
    assert counts() == [1, 1, 1]
    press(page, "Run epoch")
    assert counts() == [1, 4, 4]
    press(page, "Run epoch")
    assert counts() == [2, 8, 8]
    press(page, "Back one step", 8 * 5 - 3)
    assert counts() == [1, 1, 0]
    assert page.locator("#batch-loss").inner_text() == loss
    press(page, "Start again")
    assert counts() == [0, 0, 0]
    assert page.locator("#batch-loss").inner_text() == "none yet"


def test_the_followed_weight_is_shown_before_and_after_the_update(open_sim: Any) -> None:
    page = open_sim(NAME, "steps=9&weight=20&rate=0.5")
    assert page.locator("#after").inner_text() == "not yet"
    before, gradient = number(page, "before"), number(page, "gradient")
    press(page, "Step")
    assert number(page, "before") == before
    assert number(page, "after") == pytest.approx(before - 0.5 * gradient, abs=2e-6)
    page.get_by_label("Follow weight no.").fill("33")
    assert page.locator("#place").inner_text() == "Layer 2, to its neuron 1, from input 1."
    assert number(page, "before") != before


def test_the_curve_and_the_histogram_are_drawn_anew(open_sim: Any) -> None:
    page = open_sim(NAME, "steps=20")
    drawn = lambda: [  # noqa: E731
        page.locator("#curve .batch").get_attribute("d"),
        page.locator("#curve .mean").get_attribute("d"),
        page.locator("#bars .mark").get_attribute("x1"),
    ]
    before = drawn()
    assert page.locator("#bars .bar").count() == 21
    press(page, "Run epoch")
    assert all(one != other for one, other in zip(before, drawn(), strict=True))
    assert before[0].count("L") + 1 == 4
    assert drawn()[0].count("L") + 1 == 8


def test_it_plays_at_the_chosen_speed_and_pauses(open_sim: Any) -> None:
    page = open_sim(NAME, "speed=10")
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    press(page, "Play")
    page.clock.run_for(1000)
    assert 1 <= number(page, "updates") <= 2
    press(page, "Pause")
    held = page.locator("#told").inner_text()
    page.clock.run_for(500)
    assert page.locator("#told").inner_text() == held

    calm = open_sim(NAME, reduced_motion="reduce")
    press(calm, "Play")
    assert number(calm, "updates") == 4  # an epoch at once


WAYS = [
    "It works",
    "Rate too high",
    "Rate too low",
    "Vanishing gradient",
    "Forgotten zero_grad",
]


def test_each_way_to_go_is_explained(open_sim: Any) -> None:
    page = open_sim(NAME, "steps=7")
    for way in WAYS:
        press(page, way)
        assert number(page, "updates") == 0
        assert page.locator("#why").inner_text().startswith(f"{way}. ")
        press(page, "Run epoch")
        sizes = re.findall(r"layer \d: ([^,]+)", page.locator("#sizes").inner_text())
        assert len(sizes) == (7 if way == "Vanishing gradient" else 2)
        assert page.locator("#cards .forgotten").count() == (way == "Forgotten zero_grad")


def test_a_loss_that_is_no_number_is_said_and_drawn_as_far_as_it_goes(open_sim: Any) -> None:
    page = open_sim(NAME, "rate=30&steps=1200")
    assert "training has diverged" in page.locator("#told").inner_text()
    assert page.locator("#batch-loss").inner_text() in ("not a number", "infinite")
    assert "NaN" not in page.locator("#curve").inner_html()


def test_a_changed_setting_starts_again(open_sim: Any) -> None:
    page = open_sim(NAME)
    for change in (
        lambda: page.get_by_label("Problem").select_option("multiclass"),
        lambda: page.get_by_label("Learning rate").fill("0.4"),
        lambda: page.get_by_label("optimizer.zero_grad()").uncheck(),
        lambda: page.get_by_label("Six sigmoid layers").check(),
        lambda: page.get_by_label("Seed").fill("8"),
    ):
        press(page, "Run epoch")
        assert number(page, "updates") == 4
        change()
        assert number(page, "updates") == 0
    assert "Your own settings" in page.locator("#why").inner_text()


@pytest.mark.parametrize(
    ("state", "tolerance"),
    [
        ("steps=400", 1e-4),
        ("problem=binary&steps=151&seed=5&rate=1", 1e-4),
        ("problem=multiclass&steps=100&deep=1&weight=100", 1e-4),
        ("steps=60&zero=0", 1e-3),
        ("steps=0", 1e-5),
    ],
)
def test_the_code_trains_in_torch_as_the_page_does(
    open_sim: Any, state: str, tolerance: float
) -> None:
    page = open_sim(NAME, state)
    printed = printed_by(page.locator("#code").inner_text()).splitlines()
    assert len(printed) == number(page, "updates") + 1
    weight = float(printed[-1].partition(": ")[2])
    name = "after" if page.locator("#after").inner_text() != "not yet" else "before"
    assert weight == pytest.approx(number(page, name), rel=tolerance, abs=tolerance)
    if len(printed) > 1 and name == "after":
        loss = float(printed[-2].rpartition(" ")[2])
        assert loss == pytest.approx(number(page, "batch-loss"), rel=max(tolerance, 1e-3))
