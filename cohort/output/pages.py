"""The pages: each one file, readable offline, asking no other host for anything."""

from __future__ import annotations

import base64
import hashlib

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from cohort.classroom.outcome import RANK, WORDS, count_of_word
from cohort.output.links import web_address
from cohort.text import JOINERS, count_of, visible_text

KEPT = "\n\t" + JOINERS


def page(name: str, **values: object) -> str:
    """A page of cohort/output/templates/. Everything from a project is escaped, and can be seen.

    The page's policy allows its own style and script by their digests, and so no other.
    """
    environment = Environment(
        loader=PackageLoader("cohort.output", "templates"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "words": WORDS,
        "rank": RANK,
        "count_of_word": count_of_word,
        "count_of": count_of,
    }
    environment.filters |= {"breakable": breakable, "web_address": web_address}
    style = environment.get_template("style.css.jinja").render(**values)
    script = environment.get_template("script.js.jinja").render(**values)
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return environment.get_template(name).render(
        **values, style=Markup(style), script=Markup(script), policy=Markup(policy)
    )


def breakable(text: str) -> Markup:
    """A stranger's text in which a line may end after a folder or a part of a file's name, and not within one."""
    shown = str(escape(visible_text(text, KEPT)))
    return Markup(shown.replace("/", "/<wbr>").replace("_", "_<wbr>"))


def _shown(value: object) -> object:
    """Each value on its way into a page; markup was made from values that have been here."""
    return (
        visible_text(value, KEPT)
        if isinstance(value, str) and not isinstance(value, Markup)
        else value
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
