"""The page of the 55 concepts: a map that one can click, and a table."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import yaml

from site_tools.project import PACKAGE, ROOT

Link = Callable[..., str]
WIDTH, HEIGHT, GAP_X, GAP_Y = 172, 34, 40, 12  # of a box, and between boxes
TOP = """---
hide:
  - navigation
  - toc
---

# The 55 concepts

Each concept of the chapter, and the place where you meet it: a line of your own project, a command, or a sim.

## The map

Read it from left to right: a line leads from a concept to one that needs it. Click a concept to go to its place,
or reach it with the Tab key. The map is wider than most screens: scroll sideways.
"""


def load() -> list[dict[str, Any]]:
    """The groups of docs/concepts.yml."""
    text = (ROOT / "docs" / "concepts.yml").read_text(encoding="utf-8")
    groups: list[dict[str, Any]] = yaml.safe_load(text)
    return groups


def page(project: Path, link: Link) -> str:
    """The whole page; each place is looked up in the project, so that one that is gone stops the build."""
    groups = load()
    places = {
        one["name"]: place(project, one, link) for group in groups for one in group["concepts"]
    }
    return "\n".join([TOP, drawing(groups, places), *(table(group, places) for group in groups)])


def place(project: Path, concept: dict[str, Any], link: Link) -> tuple[str, str]:
    """Where a student meets a concept: its address from the site's top, and its name."""
    if "sim" in concept:
        return f"sims/{concept['sim']}.md", f"sim: {concept['sim'].replace('-', ' ')}"
    if "command" in concept:
        name = concept["command"]
        return f"reference/commands.md#capstone-{name}", f"`capstone {name}`"
    file = concept["file"].format(package=PACKAGE)
    symbol = concept.get("symbol", "")
    return link(project, file, symbol), f"`{symbol}` in `{file}`" if symbol else f"`{file}`"


def table(group: dict[str, Any], places: dict[str, tuple[str, str]]) -> str:
    """One group of concepts: name, sentence, place."""
    lines = [
        f"## {group['group']}\n",
        "| concept | in one sentence | where you meet it |",
        "| --- | --- | --- |",
    ]
    for one in group["concepts"]:
        address, name = places[one["name"]]
        lines.append(f"| {one['name']} | {one['about']} | [{name}]({address}) |")
    return "\n".join(lines) + "\n"


def columns(groups: list[dict[str, Any]]) -> list[list[str]]:
    """The names of the map's boxes, column by column: each stands right of all that it needs."""
    needs = {one["name"]: one.get("needs", []) for group in groups for one in group["concepts"]}
    depth: dict[str, int] = {}

    def deep(name: str, above: tuple[str, ...] = ()) -> int:
        if name in above:
            raise ValueError(f"docs/concepts.yml: {name} needs itself: {' <- '.join(above)}")
        if name not in depth:
            depth[name] = max((deep(one, (*above, name)) + 1 for one in needs[name]), default=0)
        return depth[name]

    made: list[list[str]] = [[] for _ in range(max(map(deep, needs)) + 1)]
    for name in needs:
        made[depth[name]].append(name)
    for _ in range(4):  # near to what each needs, so that few lines cross
        for column in made[1:]:
            rows = {name: row for other in made for row, name in enumerate(other)}
            column.sort(key=lambda name: sum(rows[one] for one in needs[name]) / len(needs[name]))
    return made


def drawing(groups: list[dict[str, Any]], places: dict[str, tuple[str, str]]) -> str:
    """The map as SVG: a line for each need, a link for each concept."""
    made = columns(groups)
    tall = max(map(len, made)) * (HEIGHT + GAP_Y)
    wide = len(made) * (WIDTH + GAP_X) - GAP_X
    at = {
        name: (
            x * (WIDTH + GAP_X),
            (tall - len(column) * (HEIGHT + GAP_Y)) / 2 + y * (HEIGHT + GAP_Y),
        )
        for x, column in enumerate(made)
        for y, name in enumerate(column)
    }
    lines, boxes = [], []
    for number, group in enumerate(groups, 1):
        for one in group["concepts"]:
            x, y = at[one["name"]]
            for need in one.get("needs", []):
                lines.append(_line(at[need], (x, y)))
            boxes.append(_box(one, number, x, y, _html(places[one["name"]][0])))
    legend = "".join(
        f'<li class="g{number}">{escape(group["group"])}</li>'
        for number, group in enumerate(groups, 1)
    )
    return (
        f'<ul class="map-key">{legend}</ul>\n'
        '<div class="map" tabindex="0" role="region" aria-label="Map of the concepts">'
        f'<svg viewBox="-4 -4 {wide + 8} {tall + 8}" width="{wide + 8}" height="{tall + 8}">'
        f"{''.join(lines)}{''.join(boxes)}</svg></div>\n"
    )


def _html(address: str) -> str:
    """The address of a page as built; links in SVG are not MkDocs' business, the link test checks them."""
    path, mark, anchor = address.partition("#")
    return path.removesuffix(".md") + ".html" + mark + anchor


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1, x2, y2 = start[0] + WIDTH, start[1] + HEIGHT / 2, end[0], end[1] + HEIGHT / 2
    bend = GAP_X / 2
    return f'<path d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"/>'


def _box(one: dict[str, Any], number: int, x: float, y: float, address: str) -> str:
    return (
        f'<a class="g{number}" href="{escape(address)}"><title>{escape(one["about"])}</title>'
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<text x="{x + WIDTH / 2}" y="{y + HEIGHT / 2 + 4.5}">{escape(one["name"])}</text></a>'
    )
