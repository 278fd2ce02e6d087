"""The design of all pages: one file of tokens, whose colours can be read and told apart in both themes."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from capstone.reporting.charts import COLOURS
from tests.support.helpers import ROOT

ENGINE = ROOT / "template" / "engine" / "capstone"
TOKENS = ENGINE / "serving" / "page" / "tokens.css"
COHORT = ROOT / "cohort" / "output" / "templates"
STYLES = (
    ENGINE / "serving" / "page" / "page.css",
    ENGINE / "reporting" / "templates" / "style.css",
    COHORT / "style.css.jinja",
)
SURFACES = ("paper", "card", "soft")
# What is written on what, and the least contrast (WCAG 2.2: 4.5 for text, 3 for lines that mean something).
TEXTS = [
    *((text, surface, 4.5) for text in ("ink", "quiet", "accent") for surface in SURFACES),
    *((kind, surface, 4.5) for kind in ("good", "mend", "stop") for surface in SURFACES),
    *((kind, f"{kind}-soft", 4.5) for kind in ("good", "mend", "stop", "accent")),
    *(("ink", f"{kind}-soft", 4.5) for kind in ("good", "mend", "stop", "accent")),
    ("on-accent", "accent", 4.5),
    ("trend", "card", 4.5),
    *(("edge", surface, 3) for surface in SURFACES),
    *((f"series-{number}", surface, 3) for number in range(6) for surface in ("paper", "card")),
]
# How an eye that lacks one kind of cone sees linear RGB (Machado, Oliveira and Fernandes 2009, severity 1).
EYES = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no long ones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no middle ones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no short ones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# From linear RGB to OKLab (Björn Ottosson 2020), where equal distances look about equal.
LMS = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
LAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]
LEAST_DISTANCE = 0.08  # 0.02 is about the smallest difference that is seen


def tokens(theme: str) -> dict[str, str]:
    """The colours of a theme, by their names."""
    found = {}
    for name, value in re.findall(r"--([\w-]+): ([^;]+);", TOKENS.read_text(encoding="utf-8")):
        colours = re.findall(r"#[0-9a-f]{6}", value)
        if colours:
            found[name] = colours[-1] if theme == "dark" else colours[0]
    return found


def linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    dark, light = sorted(
        float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other)
    )
    return (light + 0.05) / (dark + 0.05)


def seen(colour: str, eye: str) -> np.ndarray:
    """The colour as an eye sees it, in OKLab."""
    rgb = np.clip(np.array(EYES[eye]) @ linear(colour), 0, 1)
    return np.array(LAB) @ np.cbrt(np.array(LMS) @ rgb)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_written_can_be_read_on_what_is_under_it(theme: str) -> None:
    colours = tokens(theme)
    too_faint = {
        f"{above} on {below}": round(contrast(colours[above], colours[below]), 2)
        for above, below, least in TEXTS
        if contrast(colours[above], colours[below]) < least
    }
    assert too_faint == {}


@pytest.mark.parametrize("eye", EYES)
def test_the_series_of_a_chart_stay_apart_for_every_eye(eye: str) -> None:
    near = {
        f"{one} and {other}": round(float(np.linalg.norm(seen(one, eye) - seen(other, eye))), 3)
        for one, other in combinations(COLOURS, 2)
    }
    assert min(near.values()) >= LEAST_DISTANCE, near


def test_the_charts_take_their_colours_from_the_tokens() -> None:
    assert tuple(tokens("light")[f"series-{number}"] for number in range(6)) == COLOURS


def test_cohort_has_the_same_tokens() -> None:
    """It is a package of its own, so it has a copy (decision 0150)."""
    assert (COHORT / TOKENS.name).read_text("utf-8") == TOKENS.read_text("utf-8")


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.parent.parent.name)
def test_a_style_has_no_colour_and_no_token_of_its_own(path: Path) -> None:
    """What is printed is black on white, so paper may say so."""
    css = re.sub(r"@media print \{.*", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;, )])|rgba?\(", css) == []
    set_where_they_are_used = {"run", "surface"}
    known = set(re.findall(r"--([\w-]+):", TOKENS.read_text(encoding="utf-8")))
    known |= set_where_they_are_used
    assert set(re.findall(r"var\(--([\w-]+)\)", path.read_text(encoding="utf-8"))) <= known
