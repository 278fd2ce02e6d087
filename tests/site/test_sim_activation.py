"""The activation function explorer, control by control."""

import re
from typing import Any

import pytest

from tests.support.helpers import printed_by

pytestmark = pytest.mark.browser
NAME = "activation-functions"
EVERY = "on=linear,step,sigmoid,tanh,relu,leaky_relu,softmax"


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def values(page: Any) -> dict[str, tuple[float, float]]:
    """The table: label to f(x) and f'(x)."""
    rows = page.locator("#values tr").all()
    cells = [[cell.inner_text() for cell in row.locator("th, td").all()] for row in rows]
    return {label: (number(f), number(d)) for label, _, f, d in cells}


def test_each_ticked_function_has_a_curve_a_dashed_derivative_and_two_points(open_sim: Any) -> None:
    page = open_sim(NAME, "on=tanh")
    boxes = page.get_by_role("group", name="Functions").get_by_role("checkbox")
    assert boxes.count() == 7
    for box in boxes.all():
        box.check()
    assert page.locator("#plot .curve").count() == 14
    assert page.locator("#plot .curve.dashed").count() == 7
    assert page.locator("#plot .dot").count() == 14
    assert len(values(page)) == 7
    page.get_by_label("Derivatives (dashed)").uncheck()
    assert page.locator("#plot .curve").count() == 7
    assert page.locator("#plot .dashed").count() == 0


def test_the_points_move_with_x(open_sim: Any) -> None:
    page = open_sim(NAME, EVERY)
    before = page.locator("#plot circle").first.get_attribute("cx")
    page.get_by_role("slider", name="x", exact=True).press("ArrowRight")
    assert page.get_by_label("x as a number").input_value() == "1.55"
    assert page.locator("#plot circle").first.get_attribute("cx") > before
    page.get_by_label("x as a number").fill("-2")
    assert values(page)["ReLU"] == (0, 0)
    assert values(page)["Leaky ReLU"] == (-0.02, 0.01)
    assert values(page)["Tanh"] == pytest.approx((-0.964028, 0.070651), abs=1e-6)


def test_the_y_range_can_be_changed(open_sim: Any) -> None:
    page = open_sim(NAME, "on=linear")
    page.get_by_label("to", exact=True).fill("10")
    page.get_by_label("y from").fill("-10")
    labels = page.locator("#plot .grid text").all_text_contents()
    assert {"−10", "10"} <= set(labels)


def test_where_gradients_vanish_is_shaded_and_said(open_sim: Any) -> None:
    page = open_sim(NAME, "on=sigmoid,relu")
    assert page.locator('.strip.vanishing[data-name="sigmoid"]').count() == 2
    assert page.locator('.strip.zero[data-name="relu"]').count() == 1
    assert "ReLU's derivative is 0 from −5 to 0" in page.locator("#curves-told").inner_text()
    page.get_by_label("Shade where").uncheck()
    assert page.locator(".strip").count() == 0


def test_x_moves_by_itself_and_pauses(open_sim: Any) -> None:
    page = open_sim(NAME, "x=0")
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    page.get_by_role("button", name="Move x").click()
    page.clock.run_for(1000)
    assert 1.5 < float(page.get_by_label("x as a number").input_value()) < 2.5
    page.get_by_role("button", name="Pause").click()
    there = page.get_by_label("x as a number").input_value()
    page.clock.run_for(1000)
    assert page.get_by_label("x as a number").input_value() == there


def test_the_layers_can_be_stepped_back_and_forth(open_sim: Any) -> None:
    page = open_sim(NAME, reduced_motion="reduce")
    told = page.locator("#stack-told")
    lines = page.locator("#stack .curve")
    counts = [1, 2, 2, 1, 2]  # the last shows the one layer beside the output
    for count in counts[1:]:
        assert page.get_by_role("button", name="Next layer").is_enabled()
        page.get_by_role("button", name="Next layer").click()
        assert lines.count() == count
    assert "One linear layer does the same as all three" in told.inner_text()
    assert page.get_by_role("button", name="Next layer").is_disabled()
    page.get_by_label("One ReLU after the first layer").check()
    assert "No linear layer can do this" in told.inner_text()
    page.get_by_role("button", name="Back", exact=True).click()
    assert "layer 3" in told.inner_text()


def test_the_layers_play_smoothly_unless_less_motion_is_asked_for(open_sim: Any) -> None:
    page = open_sim(NAME)
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    path = page.locator("#stack .curve").first
    page.locator("#stack-play").click()
    seen = set()
    for _ in range(6):
        page.clock.run_for(50)
        seen.add(path.get_attribute("d"))
    assert len(seen) > 4
    page.evaluate("location.hash = 'stage=3.6'")
    page.clock.run_for(1000)
    assert "One linear layer" in page.locator("#stack-told").inner_text()

    calm = open_sim(NAME, reduced_motion="reduce")
    calm.locator("#stack-play").click()
    assert "One linear layer" in calm.locator("#stack-told").inner_text()


def test_the_product_of_derivatives_is_told(open_sim: Any) -> None:
    page = open_sim(NAME, "on=sigmoid,relu&start=0")
    page.get_by_label("Layers as a number").fill("1")
    assert "one layer: Sigmoid 0.25; ReLU 0." in page.locator("#chain-told").inner_text()
    page.get_by_label("Weight w").fill("4")
    page.get_by_label("Start").fill("1")
    page.get_by_role("slider", name="Layers").press("ArrowRight")
    assert "2 layers: " in page.locator("#chain-told").inner_text()
    assert "ReLU 16." in page.locator("#chain-told").inner_text()
    assert page.locator("#chain .dot").count() == 4


@pytest.mark.parametrize("bend", [False, True])
def test_the_code_prints_in_torch_what_the_page_shows(open_sim: Any, bend: bool) -> None:
    page = open_sim(NAME, f"{EVERY}&x=-0.7&bend={int(bend)}&stage=4&weight=1.5&layers=4")
    printed = printed_by(page.locator("#code").inner_text())
    lines = re.findall(r"(.+): f\(x\) = (\S+), f'\(x\) = (\S+)", printed)
    torch = {label: (float(f), float(d)) for label, f, d in lines}
    shown = values(page)
    assert torch.keys() == shown.keys()
    for label in shown:
        assert torch[label] == pytest.approx(shown[label], abs=2e-6)

    told = page.locator("#chain-told").inner_text()
    gradients = re.findall(r"(.+): gradient through 4 layers = (\S+)", printed)
    assert len(gradients) == 7
    for label, gradient in gradients:
        match = re.search(rf"\b{label} (−?[\d.]+(?:e−?\d+)?)(?:;|\.$)", told.partition(": ")[2])
        assert match and number(match[1]) == pytest.approx(float(gradient), rel=6e-3)
    assert printed.splitlines()[-1] == ("bent" if bend else "one straight line")
    verdict = "No linear layer" if bend else "One linear layer"
    assert verdict in page.locator("#stack-told").inner_text()
