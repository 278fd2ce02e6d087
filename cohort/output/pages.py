"""The pages: each one file, readable offline, asking no other host for anything."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cohort.text import visible_lines


def page(name: str, **values: Any) -> str:
    """A page of cohort/output/templates/. Everything from a project is escaped."""
    environment = Environment(
        loader=PackageLoader("cohort.output", "templates"),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render(**values)


def _visible(value: object) -> object:
    """Each value on its way into a page; markup was made from values that have been here."""
    return (
        visible_lines(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
    )
