"""Reading capstone.toml: overrides for one run, and slips named with their line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from capstone.core.errors import CapstoneError, did_you_mean
from capstone.core.project import FILE_NAME
from capstone.core.settings import Section, Settings
from capstone.core.text import cut, setting_text
from capstone.core.toml import parse_toml, read_toml

LONGEST_OVERRIDE = 200  # characters of a --set in a sentence
# What `capstone run --quick` changes: enough to see that every step works, not enough to learn much.
QUICK = ("training.epochs=3", "evaluation.bootstrap=100", "evaluation.explained_rows=50")


def load_settings(root: Path, overrides: Sequence[str] = ()) -> Settings:
    """Read capstone.toml and check every key.

    Parameters
    ----------
    root : Path
        The project's folder.
    overrides : sequence of str
        Changes such as "training.epochs=5", applied in this order.

    Returns
    -------
    Settings
        Sections as attributes: `settings.training.epochs`. Nothing in them can be changed.

    Raises
    ------
    CapstoneError
        For a slip: it names the key, its line and the nearest known key.
    """
    values, text = read_toml(root / FILE_NAME, "run this inside your project")
    return _checked(values, text, overrides)


def parse_settings(text: str) -> Settings:
    """The same from the text of a run's settings.toml, which has the form of capstone.toml."""
    try:
        return _checked(parse_toml(text), text, ())
    except ValueError as error:
        raise CapstoneError(f"it is not valid TOML: {error}.") from None


def _checked(values: dict[str, Any], text: str, overrides: Sequence[str]) -> Settings:
    for override in overrides:
        _apply(values, override)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise CapstoneError(_sentence(error, text, overrides)) from None


def _apply(values: dict[str, Any], override: str) -> None:
    """Set one "section.key=value" in the nested dictionary; the value is read as TOML, else as text."""
    name, equals, value = override.partition("=")
    *sections, key = [part.strip() for part in name.split(".")]
    if not equals or not key or len(sections) > 1:
        raise CapstoneError(
            f"--set {cut(override, LONGEST_OVERRIDE)}: write it as section.key=value, e.g. training.epochs=5."
        )
    try:
        parsed = parse_toml(f"value = {value}")["value"]
    except ValueError:
        parsed = value.strip()
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise CapstoneError(
                f"--set {cut(override, LONGEST_OVERRIDE)}: {section} is a single value, not a section."
            )
    values[key] = parsed


def _sentence(error: ValidationError, text: str, overrides: Sequence[str]) -> str:
    """The first problem that pydantic found, as one sentence with its place."""
    problem = error.errors(include_url=False)[0]
    place = [str(part) for part in problem["loc"]]
    section, key = (place[0], place[1]) if len(place) > 1 else ("", place[0] if place else "")
    name = f"[{section}] {key}" if section else key
    where = _where(section, key, text, overrides)
    if problem["type"] == "extra_forbidden":
        return f'{where}: unknown key "{name}"{did_you_mean(key, _known_keys(section))}'
    if problem["type"] == "missing":
        return f"{where}: {name} is missing; add it."
    if problem["type"] == "value_error":
        return f"{where}: {f'[{place[0]}] ' if place else ''}{problem['ctx']['error']}."
    if problem["type"] == "model_type":
        return f"{where}: {name} is a section: write [{name}] on a line of its own, and its keys below."
    message = re.sub("^(Input|List|String|Dictionary) should", "it should", problem["msg"])
    message = re.sub(" after validation, not .*", "", message)
    return f"{where}: {name} is {setting_text(problem['input'])}, but {message}."


def _known_keys(section: str) -> list[str]:
    """Keys of a section, or the section names (and `seed`) for the top of the file."""
    if not section:
        return list(Settings.model_fields)
    model = Settings.model_fields[section].annotation
    return (
        list(model.model_fields) if isinstance(model, type) and issubclass(model, Section) else []
    )


def _where(section: str, key: str, text: str, overrides: Sequence[str]) -> str:
    """`--set ...` when an override named the key, else `capstone.toml, line N`."""
    dotted = f"{section}.{key}" if section else key
    for override in reversed(overrides):  # the last one counts
        if f"{override.partition('=')[0].strip()}.".startswith(f"{dotted}."):
            return f"--set {cut(override, LONGEST_OVERRIDE)}"
    line = line_of(text, section, key)
    return f"{FILE_NAME}, line {line}" if line else FILE_NAME


def line_of(text: str, section: str, key: str) -> int | None:
    """Line number (from 1) of a key in TOML text; of its section's header if the key isn't found."""
    current, header = "", None
    for number, line in enumerate(text.splitlines(), start=1):
        if match := re.match(r"\s*\[\s*([\w-]+)\s*\]", line):
            current = match[1]
            header = number if current in (section, key) else header
        elif current == section and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
            return number
    return header
