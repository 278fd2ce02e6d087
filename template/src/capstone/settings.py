"""capstone.toml as a typed object: every key, its type, its range and its default."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from capstone.errors import CapstoneError, did_you_mean

FILE_NAME = "capstone.toml"
# What `capstone run --quick` changes: enough to see that every step works, not enough to learn much.
QUICK = ("training.epochs=3", "evaluation.bootstrap=100")


class Section(BaseModel):
    """A part of capstone.toml: unknown keys are refused, types are exact, nothing changes later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Project(Section):
    """Who asks which question."""

    name: str = "My capstone"
    question: str = ""
    author: str = ""
    email: str = ""
    course: str = ""


class Data(Section):
    """Where the table is and what its columns are for."""

    path: str
    target: str = Field(min_length=1)
    problem: Literal["regression", "binary", "multiclass"]
    positive: str | bool | int | float = ""  # binary: the class to detect; "" is the last in order
    id: str = ""
    leave_out: list[str] = []
    sensitive: list[str] = []
    use_sensitive: bool = False
    delimiter: str = "auto"
    encoding: str = "auto"
    decimal: Literal["auto", ".", ","] = "auto"
    date_format: str = "auto"

    @model_validator(mode="after")
    def each_column_has_one_role(self) -> Self:
        roles = [self.target, *([self.id] if self.id else []), *self.leave_out, *self.sensitive]
        for name in roles:
            if roles.count(name) > 1:
                raise ValueError(
                    f'column "{name}" is named more than once; give it one role: '
                    "target, id, leave_out or sensitive"
                )
        return self


class Split(Section):
    """How rows are divided into training, validation and test parts."""

    method: Literal["random", "stratified", "group", "time"] = "random"
    test: float = Field(default=0.2, gt=0, lt=1)
    validation: float = Field(default=0.2, gt=0, lt=1)
    group_column: str = ""
    time_column: str = ""

    @model_validator(mode="after")
    def parts_and_columns_fit(self) -> Self:
        if self.test + self.validation > 0.9:
            raise ValueError("test + validation is more than 0.9, which leaves too little to train")
        if self.method == "group" and not self.group_column:
            raise ValueError(
                'method "group" needs group_column: the column whose rows stay together'
            )
        if self.method == "time" and not self.time_column:
            raise ValueError('method "time" needs time_column: the column that orders the rows')
        return self


class Preprocessing(Section):
    """How columns become numbers."""

    max_categories: int = Field(default=20, ge=2, le=1000)


class Network(Section):
    """The shape of the neural network."""

    hidden: list[int] = Field(default=[64, 32], min_length=1, max_length=20)
    activation: Literal["relu", "leaky_relu", "silu", "tanh", "sigmoid"] = "relu"
    dropout: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def layers_have_a_sensible_size(self) -> Self:
        for size in self.hidden:
            if not 1 <= size <= 16384:
                raise ValueError(f"hidden has a layer of {size} neurons; give each 1 to 16384")
        return self


class Training(Section):
    """How the network learns."""

    epochs: int = Field(default=200, ge=1, le=100_000)
    batch_size: str | int = "auto"
    learning_rate: float = Field(default=0.001, gt=0, le=10)
    weight_decay: float = Field(default=0.01, ge=0, le=10)
    patience: int = Field(default=20, ge=1)
    device: str = "auto"
    checkpoint_seconds: float = Field(default=10.0, ge=0)

    @field_validator("batch_size", mode="before")
    @classmethod
    def batch_size_is_auto_or_a_count(cls, size: object) -> object:
        count = isinstance(size, int) and not isinstance(size, bool) and size >= 1
        if size != "auto" and not count:
            raise ValueError(f'batch_size is {size!r}; give "auto" or a whole number from 1 up')
        return size


class Evaluation(Section):
    """What is measured on the test part."""

    primary_metric: str = "auto"
    bootstrap: int = Field(default=1000, ge=20, le=100_000)


class Settings(Section):
    """All of capstone.toml."""

    seed: int = Field(default=42, ge=0, le=2**32 - 1)
    project: Project = Project()
    data: Data
    split: Split = Split()
    preprocessing: Preprocessing = Preprocessing()
    network: Network = Network()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def sections_agree(self) -> Self:
        if self.split.method == "stratified" and self.data.problem == "regression":
            raise ValueError(
                '[split] method "stratified" needs classes; for regression use "random"'
            )
        return self


def load_settings(
    root: Path, overrides: Sequence[str] = (), file_name: str = FILE_NAME
) -> Settings:
    """Read `root/capstone.toml`, apply overrides such as "training.epochs=5", and check every key.

    Raises CapstoneError that names the key, its line and the nearest known key.
    """
    path = root / file_name
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
    message = problem["msg"].replace("Input should", "it should")
    return f"{where}: {name} is {problem['input']!r}, but {message}."


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
    for override in overrides:
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
