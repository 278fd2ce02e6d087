"""HTML pages that open offline: no request to another host, light and dark, phone and paper."""

from __future__ import annotations

from html import escape

import pandas as pd

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --mark: #9a3412; --link: #1d4ed8; }
@media (prefers-color-scheme: dark) { :root { --mark: #fbbf24; --link: #93c5fd; } }
* { box-sizing: border-box; }
html { background: Canvas; color: CanvasText; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem; }
body.report { max-width: 56rem; }
h1, h2, h3 { line-height: 1.2; overflow-wrap: anywhere; }
h1 { font-size: clamp(1.6rem, 5vw, 2.3rem); margin-bottom: 0.3em; }
h2 { margin-top: 2.8rem; padding-top: 0.6rem; border-top: 1px solid var(--line); }
h3 { margin-top: 2rem; font-size: 1.1rem; }
a { color: var(--link); }
.lead { font-size: 1.15rem; }
.scroll { overflow-x: auto; }
table { width: max-content; border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 0.75rem; border-bottom: 1px solid var(--line); }
thead th { border-bottom-width: 2px; white-space: nowrap; }
td { max-width: 24rem; overflow-wrap: break-word; }
strong { color: var(--mark); }
code { overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 0.8rem; margin: 1.5rem 0; }
.tile { background: var(--soft); border-radius: 0.6rem; padding: 0.8rem 1rem; }
.tile b { display: block; font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
figure { margin: 1.8rem 0; }
figcaption { font-weight: 600; margin-bottom: 0.3rem; }
.note { font-weight: 400; display: block; }
details { margin-top: 0.3rem; font-size: 0.9rem; }
summary { cursor: pointer; }
/* The charts take the page's colour for their words, whichever theme it has. */
.js-plotly-plot text { fill: CanvasText !important; }
.js-plotly-plot .hoverlayer text { fill: inherit !important; }
@media print {
  :root { color-scheme: light; }
  body { font-size: 11pt; max-width: none; padding: 0; }
  figure, tr, .tile { break-inside: avoid; }
  h2, h3, figcaption { break-after: avoid; }
  details:not([open]) { display: none; }
  .scroll { overflow: visible; }
  table { width: auto; font-size: 8pt; }
  th, td { padding: 0.2rem 0.35rem; }
  thead th { white-space: normal; }
}
"""


def page(title: str, *sections: str, report: bool = False, head: str = "") -> str:
    """A whole HTML page; the sections are HTML already, and so is what goes into its head."""
    kind = ' class="report"' if report else ""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n{head}</head>\n"
        f"<body{kind}>\n<main>\n<h1>{escape(title)}</h1>\n{''.join(sections)}</main>\n</body>\n</html>\n"
    )


def section(heading: str, *paragraphs: str, table: pd.DataFrame | None = None) -> str:
    """A heading, plain paragraphs (escaped here), and a table that scrolls sideways on a phone."""
    shown = scrolling(table, heading) if table is not None else ""
    return f"<h2>{escape(heading)}</h2>\n{text(*paragraphs)}{shown}"


def text(*paragraphs: str, lead: bool = False) -> str:
    """Plain paragraphs, escaped here; a lead is set larger."""
    kind = ' class="lead"' if lead else ""
    return "".join(f"<p{kind}>{escape(paragraph)}</p>\n" for paragraph in paragraphs if paragraph)


def bullets(heading: str, points: list[str]) -> str:
    """A heading and a list of plain sentences."""
    items = "".join(f"<li>{escape(point)}</li>\n" for point in points)
    return f"<h2>{escape(heading)}</h2>\n<ul>\n{items}</ul>\n"


def tiles(figures: list[tuple[str, str]]) -> str:
    """The few numbers to remember, each with what it says."""
    shown = "".join(
        f'<div class="tile"><b>{escape(number)}</b>{escape(says)}</div>\n'
        for number, says in figures
    )
    return f'<div class="tiles">\n{shown}</div>\n'


def chart(title: str, drawing: str, table: pd.DataFrame, note: str = "") -> str:
    """A chart (HTML) under a title that states what it shows, and its numbers to unfold."""
    below = f'<span class="note">{escape(note)}</span>' if note else ""
    return (
        f"<figure>\n<figcaption>{escape(title)}{below}</figcaption>\n{drawing}\n"
        f"<details><summary>The numbers behind this chart</summary>\n"
        f"{scrolling(table, title)}</details>\n</figure>\n"
    )


def scrolling(table: pd.DataFrame, label: str) -> str:
    """A table that scrolls sideways where the screen is narrow."""
    with pd.option_context("display.max_colwidth", 120):
        html = table.to_html(index=False, border=0, na_rep="", escape=True, float_format=short)
    html = html.replace("<th>", '<th scope="col">').replace(' style="text-align: right;"', "")
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">{html}</div>\n'


def short(value: float) -> str:
    """A number as people read it: 71,708 or 0.897 or 0.00012."""
    if value != value:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
