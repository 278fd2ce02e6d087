"""The network architecture builder, control by control."""

import ast
import re
from typing import Any

import pytest

from capstone.core.settings_file import load_settings
from tests.support.helpers import Render, printed_by

pytestmark = pytest.mark.browser
NAME = "network-architecture"


def parameters(page: Any) -> int:
    return int(page.locator("#parameters").inner_text().replace(",", ""))


def test_the_presets_show_their_parameters(open_sim: Any) -> None:
    page = open_sim(NAME)
    found = []
    for button in page.get_by_role("group", name="Presets").get_by_role("button").all():
        button.click()
        found.append((button.inner_text(), parameters(page)))
        weights, biases = (int(page.locator(f"#{i}").inner_text()) for i in ("weights", "biases"))
        assert weights + biases == parameters(page)
    assert found == [
        ("[4, 8, 1]", 49),
        ("[4, 32, 16, 8, 1]", 833),
        ("[4, 128, 1]", 769),
        ("[4, 16, 8, 3]", 243),
    ]


def test_inputs_are_green_hidden_blue_outputs_orange_and_left_out_neurons_dots(
    open_sim: Any,
) -> None:
    page = open_sim(NAME, "hidden=128", color_scheme="light")
    colour = "circle => getComputedStyle(circle).stroke"
    seen = {
        kind: page.locator(f"#net .{kind}:not(.chosen)").first.evaluate(colour) for kind in KINDS
    }
    assert seen == KINDS
    assert page.locator("#net .hidden:not(.fill)").count() == 8
    assert page.locator("#net .left-out").count() == 1
    assert page.locator("#net line").count() == 4 * 8 + 8


KINDS = {"input": "rgb(46, 125, 50)", "hidden": "rgb(21, 101, 192)", "output": "rgb(199, 83, 0)"}


def test_layers_are_added_sized_and_removed(open_sim: Any) -> None:
    page = open_sim(NAME)
    more, fewer = (
        page.get_by_role("button", name=name) for name in ("Add a layer", "Remove the last")
    )
    assert fewer.is_disabled()
    for _ in range(4):
        more.click()
    assert more.is_disabled()
    page.get_by_label("Neurons in hidden layer 5").fill("3")
    page.get_by_label("Activation of hidden layer 5").select_option("tanh")
    page.get_by_label("Inputs", exact=True).fill("2")
    page.get_by_label("Outputs", exact=True).fill("4")
    page.get_by_label("Activation of the output").select_option("softmax")
    assert "[2, 8, 8, 8, 8, 3, 4]" in page.locator("#net-told").inner_text()
    assert parameters(page) == (2 + 1) * 8 + 3 * 72 + 9 * 3 + 4 * 4
    code = page.locator("#code").inner_text()
    assert "nn.Tanh(),\n    nn.Linear(3, 4),\n    nn.Softmax(dim=1),\n" in code
    page.get_by_label("Neurons in hidden layer 5").fill("999")
    page.get_by_label("Neurons in hidden layer 5").blur()
    assert page.get_by_label("Neurons in hidden layer 5").input_value() == "128"
    fewer.click()
    assert page.get_by_label("Neurons in hidden layer 5").count() == 0


def test_the_forward_pass_goes_layer_by_layer(open_sim: Any) -> None:
    page = open_sim(NAME, "x=0.5,-1,2,0", reduced_motion="reduce")
    next_layer = page.get_by_role("button", name="Next layer")
    assert "The inputs: 0.5, −1, 2, 0." in page.locator("#net-told").inner_text()
    assert page.locator("#net .fill").count() == 4
    next_layer.click()
    assert "Hidden layer 1:" in page.locator("#net-told").inner_text()
    assert page.locator("#net .fill").count() == 12
    next_layer.click()
    assert "The output:" in page.locator("#net-told").inner_text()
    assert next_layer.is_disabled()
    page.get_by_role("button", name="Back", exact=True).click()
    assert "Hidden layer 1:" in page.locator("#net-told").inner_text()
    page.get_by_role("button", name="To the start").click()
    assert page.locator("#net .fill").count() == 4
    page.get_by_role("button", name="Play").click()  # at once, for less motion is asked for
    assert "The output:" in page.locator("#net-told").inner_text()


def test_the_forward_pass_plays_and_pauses(open_sim: Any) -> None:
    page = open_sim(NAME)
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    line = page.locator("#net line.lit").first
    page.locator("#play").click()
    page.clock.run_for(300)
    first = line.get_attribute("x2")
    page.clock.run_for(300)
    assert float(line.get_attribute("x2")) > float(first)
    page.get_by_role("button", name="Pause").click()
    held = line.get_attribute("x2")
    page.clock.run_for(300)
    assert line.get_attribute("x2") == held


def test_a_neuron_is_chosen_by_mouse_or_number_and_its_equation_adds_up(open_sim: Any) -> None:
    page = open_sim(NAME, "x=0.5,-1,2,0&activations=tanh")
    page.locator("#net .hidden:not(.fill)").nth(4).click()
    assert page.get_by_label("Neuron", exact=True).input_value() == "5"
    page.get_by_label("Neuron", exact=True).fill("3")
    text = page.locator("#equation").inner_text().replace("−", "-")
    pairs = re.findall(r"\((\S+)\) · \((\S+)\)", text)
    bias = re.search(r"\+ \((\S+)\)\n", text)
    total = re.search(r"\n  = (\S+)", text)
    assert len(pairs) == 4 and bias and total
    assert [float(x) for _, x in pairs] == [0.5, -1, 2, 0]
    summed = sum(float(weight) * float(x) for weight, x in pairs) + float(bias[1])
    assert summed == pytest.approx(float(total[1]), abs=1e-3)
    assert page.locator("#net .chosen").count() == 1
    page.get_by_label("Layer (0 is the input)").fill("0")
    assert "it has no equation" in page.locator("#equation").inner_text()


@pytest.mark.parametrize(
    "state",
    [
        "",
        "inputs=3&hidden=5,4,2&activations=silu,leaky_relu,linear&outputs=3&output=softmax&seed=9",
        "inputs=40&hidden=16&activations=sigmoid&output=sigmoid",
    ],
)
def test_the_code_prints_in_torch_what_the_page_shows(open_sim: Any, state: str) -> None:
    page = open_sim(NAME, f"{state}&stage=9&layer=9")
    printed = printed_by(page.locator("#code").inner_text()).splitlines()
    assert printed[0] == f"parameters: {parameters(page)}"
    outputs = ast.literal_eval(printed[1].removeprefix("output: "))
    told = page.locator("#net-told").inner_text().partition("The output: ")[2].replace("−", "-")
    assert outputs == pytest.approx([float(one) for one in told.rstrip(".").split(", ")], rel=5e-3)
    result = page.locator("#equation").inner_text().replace("−", "-")
    match = re.search(r"f\(z\) = (\S+)", result)
    assert match and float(match[1]) == pytest.approx(outputs[0], abs=1e-5)


def test_the_network_is_taken_to_capstone_toml(open_sim: Any, copy_of: Render) -> None:
    page = open_sim(
        NAME,
        "hidden=24,12&activations=tanh,tanh",
        permissions=["clipboard-read", "clipboard-write"],
    )
    page.get_by_role("button", name="Copy for capstone.toml").click()
    page.get_by_text("Copied.").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    project = copy_of()
    (project / "capstone.toml").write_text(
        re.sub(
            r"\[network\]\nmembers.*\nhidden.*\nactivation.*\n",
            copied,
            (project / "capstone.toml").read_text(encoding="utf-8"),
        ),
        encoding="utf-8",
    )
    network = load_settings(project).network
    assert (list(network.hidden), network.activation) == ([24, 12], "tanh")
    page.get_by_label("Activation of hidden layer 2").select_option("relu")
    assert page.get_by_role("button", name="Copy for capstone.toml").is_disabled()
    assert "choose the same one in each" in page.locator("#toml").inner_text()
