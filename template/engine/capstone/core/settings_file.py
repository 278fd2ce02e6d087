"""Reading capstone.toml: overrides for one run, and slips named with their line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from capstone.core.errors import CapstoneError, did_you_mean
from capstone.core.project import FILE_NAME
from capstone.core.settings import Section, Settings
from capstone.core.text import setting_text

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
    path = root / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors may write a byte-order mark
    except FileNotFoundError:
        raise CapstoneError(f"{path} does not exist: run this inside your project.") from None
    except UnicodeDecodeError as error:
        raise CapstoneError(
            f"{FILE_NAME} is not UTF-8 text ({error.reason}): save it as UTF-8."
        ) from None
    except OSError as error:
        raise CapstoneError(f"{FILE_NAME} can't be read: {error.strerror}.") from None
    return parse_settings(text, overrides)


def parse_settings(text: str, overrides: Sequence[str] = ()) -> Settings:
    """The same from the text of capstone.toml, or of a run's settings.toml, which has its form."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CapstoneError(f"{FILE_NAME} is not valid TOML: {error}.") from None
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
            f"--set {override}: write it as section.key=value, e.g. training.epochs=5."
        )
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise CapstoneError(f"--set {override}: {section} is a single value, not a section.")
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
    message = re.sub("^(Input|List) should", "it should", problem["msg"])
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
            return f"--set {override}"
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
