"""Render pages and Markdown from templates/, which hold the words and the markup."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, UndefinedError

from capstone.core.errors import CapstoneError
from capstone.core.text import cell_text, cut, number, printable, short
from capstone.runs.folder import Run

LONGEST_CELL = 120  # characters
MAYBE_A_YEAR = 10_000  # below it, no comma stands in a number of the table


@dataclass(frozen=True)
class Chart:
    """A chart under a title that states what it shows, with the numbers behind it to unfold.

    drawing  the HTML that a function of charts.py returns
    """

    title: str
    drawing: str
    numbers: pd.DataFrame


def render_page(template: str, **values: object) -> str:
    """Render a whole HTML page.

    Parameters
    ----------
    template : str
        The path of a file in templates/.
    values : object
        What the template shows. Every text is escaped, unless the template says that it is markup.

    Returns
    -------
    str
        The page: it opens offline and asks no other host for anything.

    Raises
    ------
    jinja2.UndefinedError
        When the template shows a value that there is not.
    """
    page = environment(autoescape=True)
    page.filters["cell"] = cell
    return page.get_template(template).render(**values)


def environment(autoescape: bool) -> Environment:
    """The templates of this room, with filters for numbers. Copier would render what ends in .jinja."""
    made = Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("capstone.reporting", "templates"),
                PackageLoader("capstone.serving", "page"),  # for tokens.css
            ]
        ),
        autoescape=autoescape,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "number": number,
        "short": short,
        "percent": lambda value: "-" if value is None else f"{value:.0%}",
        "count": "{:,}".format,
    }
    return made


def _printable(value: object) -> object:
    """What a template shows: of a text nothing is obeyed or hidden, unless it is markup of our own."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


@contextmanager
def made_by_this_version(run: Run) -> Iterator[None]:
    """Turn what is missing in a run of another version into a CapstoneError."""
    try:
        yield
    except (UndefinedError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise CapstoneError(
            f"The run in {run.folder} can't be shown ({type(error).__name__}: {error}): "
            "it was made by another version; make a new one with `capstone run`."
        ) from None


def cell(value: object) -> str:
    """A value as it stands in a table: numbers short, missing ones blank, long texts cut."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if 1000 <= abs(value) < MAYBE_A_YEAR else short(value)
    return cut(cell_text(value), LONGEST_CELL)
