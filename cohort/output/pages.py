"""The pages: each one file, readable offline, asking no other host for anything."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def page(name: str, **values: Any) -> str:
    """A page of cohort/output/templates/. Everything from a project is escaped."""
    environment = Environment(
        loader=PackageLoader("cohort.output", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render(**values)
