"""HTML pages that open offline: one file, no request to another host, light and dark."""

from __future__ import annotations

from html import escape

import pandas as pd

STYLE = """
:root { color-scheme: light dark; --line: #8884; --mark: #b45309; }
@media (prefers-color-scheme: dark) { :root { --mark: #fbbf24; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem; }
h1, h2 { line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin-top: 2.5rem; }
.scroll { overflow-x: auto; }
table { width: max-content; border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 0.75rem; border-bottom: 1px solid var(--line); }
thead th { border-bottom-width: 2px; white-space: nowrap; }
td { max-width: 24rem; overflow-wrap: break-word; }
strong { color: var(--mark); }
"""


def page(title: str, *sections: str) -> str:
    """A whole HTML page; the sections are HTML already."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{''.join(sections)}</main>\n</body>\n</html>\n"
    )


def section(heading: str, *paragraphs: str, table: pd.DataFrame | None = None) -> str:
    """A heading, plain paragraphs (escaped here), and a table that scrolls sideways on a phone."""
    text = "".join(f"<p>{escape(paragraph)}</p>\n" for paragraph in paragraphs)
    return (
        f"<h2>{escape(heading)}</h2>\n{text}{_table(table, heading) if table is not None else ''}"
    )


def bullets(heading: str, points: list[str]) -> str:
    """A heading and a list of plain sentences."""
    items = "".join(f"<li>{escape(point)}</li>\n" for point in points)
    return f"<h2>{escape(heading)}</h2>\n<ul>\n{items}</ul>\n"


def _table(table: pd.DataFrame, label: str) -> str:
    with pd.option_context("display.max_colwidth", 120):
        html = table.to_html(index=False, border=0, na_rep="", escape=True)
    html = html.replace("<th>", '<th scope="col">').replace(' style="text-align: right;"', "")
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">{html}</div>\n'
