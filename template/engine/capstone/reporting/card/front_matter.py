"""The YAML at the top of the model card, in the form that the Hugging Face Hub reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from capstone.core.errors import CapstoneError

FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
LONGEST = 100_000  # characters
Task = Literal["tabular-regression", "tabular-classification"]
# Licences by the names that the Hub knows. Another one is `other`, with its name in license_name.
License = Literal[
    "mit", "apache-2.0", "bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "isc", "zlib",
    "bsl-1.0", "afl-3.0", "artistic-2.0", "ecl-2.0", "eupl-1.1", "eupl-1.2", "epl-1.0", "epl-2.0",
    "mpl-2.0", "ms-pl", "ncsa", "osl-3.0", "postgresql", "unlicense", "wtfpl", "gpl", "gpl-2.0",
    "gpl-3.0", "agpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0", "gfdl", "ofl-1.1", "openrail",
    "bigscience-openrail-m", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0",
    "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
    "pddl", "odc-by", "odbl", "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0",
    "unknown", "other",
]  # fmt: skip


class Entry(BaseModel):
    """An entry of the front matter. The Hub ignores keys that it doesn't know, and so do we."""

    model_config = ConfigDict(extra="allow", strict=True)


class TaskEntry(Entry):
    """What kind of question a result belongs to."""

    type: Task
    name: str = ""


class DatasetEntry(Entry):
    """What the model was measured on."""

    type: str = Field(min_length=1)
    name: str = Field(min_length=1)


class MetricEntry(Entry):
    """One number."""

    type: str = Field(min_length=1)
    value: float | int


class ResultEntry(Entry):
    """The numbers of one model on one data set."""

    task: TaskEntry
    dataset: DatasetEntry
    metrics: list[MetricEntry] = Field(min_length=1)


class ModelEntry(Entry):
    """A model and its results."""

    name: str = Field(min_length=1)
    results: list[ResultEntry] = Field(min_length=1)


class FrontMatter(Entry):
    """The schema of the whole front matter."""

    license: License | list[License]
    license_name: str = ""
    library_name: str = Field(min_length=1)
    pipeline_tag: Task
    tags: list[str] = []
    language: str | list[str] = []
    datasets: str | list[str] = []
    metrics: list[str] = []
    model_index: list[ModelEntry] = Field(default=[], alias="model-index")

    @model_validator(mode="after")
    def another_licence_has_a_name(self) -> Self:
        if self.license == "other" and not self.license_name:
            raise ValueError("license: other needs license_name, the name of your licence")
        return self


def check_front_matter(text: str, path: Path) -> FrontMatter:
    """Read the front matter of a model card.

    Parameters
    ----------
    text : str
        The model card.
    path : Path
        Where it lies, for errors.

    Returns
    -------
    FrontMatter
        What it says.

    Raises
    ------
    CapstoneError
        When there is none, when it is no YAML, or when a key, which is named, doesn't fit the schema.
    """
    front_matter = FRONT_MATTER.match(text)
    if not front_matter:
        raise CapstoneError(
            f"{path} does not begin with front matter: put back the lines from --- to --- at its top "
            f"(`git checkout HEAD -- {path.as_posix()}` brings the old file back)."
        )
    try:
        return FrontMatter.model_validate(_read_yaml(front_matter[1], path))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        parts = [str(part) for part in problem["loc"]]
        # pydantic also names which of several types was tried, such as "literal['mit',...]".
        key = ".".join(part for part in parts if "[" not in part) or "front matter"
        message = problem["msg"].removeprefix("Value error, ").replace("Input should", "it should")
        raise CapstoneError(f"{path}, front matter, {key}: {message}.") from None


def _read_yaml(text: str, path: Path) -> object:
    """YAML as plain values. References (&a, *a) are refused: a few lines of them can fill the memory."""
    try:
        if len(text) > LONGEST or any(
            isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)
        ):
            raise CapstoneError(
                f"{path}: write the front matter short and without references (*name)."
            )
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 2}" if mark else ""
        problem = getattr(error, "problem", None) or type(error).__name__
        raise CapstoneError(
            f"{path}{where}: the front matter is not valid YAML: {problem}."
        ) from None
