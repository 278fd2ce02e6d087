"""Render the HTML pages from templates/: they open offline and ask no other host for anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from capstone.core.text import number

LONGEST_CELL = 120  # characters


@dataclass(frozen=True)
class Chart:
    """A chart under a title that states what it shows, with the numbers behind it to unfold.

    drawing  the HTML that a function of charts.py returns
    """

    title: str
    drawing: str
    numbers: pd.DataFrame
    note: str = ""


def render_page(template: str, **values: object) -> str:
    """Render a whole HTML page.

    Parameters
    ----------
    template
        The name of a file in templates/.
    values
        What the template shows. Every text is escaped, unless the template says that it is markup.

    Returns
    -------
    str
        The page.

    Raises
    ------
    jinja2.UndefinedError
        When the template shows a value that it was not given.
    """
    environment = Environment(
        loader=PackageLoader("capstone.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = cell
    return environment.get_template(template).render(**values)


def cell(value: object) -> str:
    """A value as it stands in a table: numbers short, missing ones blank, long texts cut."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    if isinstance(value, float):
        return short(value)
    if isinstance(value, datetime):
        return str(value).removesuffix(" 00:00:00")
    words = str(value)
    return words if len(words) <= LONGEST_CELL else f"{words[: LONGEST_CELL - 3]}..."


def short(value: float | None) -> str:
    """A number of any size in three digits: 71,708 or 0.897 or 0.00012."""
    return number(value, ".3g")
