"""One model, and all that is made from it: the answers of the API, its description, the form of the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from capstone.core.errors import CapstoneError
from capstone.serving.http.explaining import explain_row
from capstone.serving.http.metrics import Meter
from capstone.serving.http.middleware import Limits
from capstone.serving.http.openapi import describe
from capstone.serving.http.problem_details import Problem
from capstone.serving.http.validation import Fields, as_arrays
from capstone.serving.http.values import Values, plain
from capstone.serving.inference.model import ServedModel

SHOWN_CATEGORIES = 200  # of one column, in the form
CARD = Path("docs") / "model_card.md"


@dataclass(frozen=True)
class Asked:
    """A request that has been read and checked."""

    columns: dict[str, Values]
    rows: int
    warnings: list[dict[str, Any]]


class Answering:
    """A run's model with its checks of what comes in."""

    def __init__(
        self, folder: Path, root: Path, limits: Limits, meter: Meter, with_key: bool
    ) -> None:
        self.model = ServedModel.load(folder, root)
        if refused := self.model.serving["steps"]["refused"]:
            raise CapstoneError(f"The run in {folder} can't be served: {refused}")
        self.meter = meter
        self.notes = self.model.notes()
        for note in self.notes:
            meter.say("note", {"note": note, "run": self.model.run})
        self.run = self.model.run
        self.fields = Fields(self.model.schema, _date_shapes(self.model), limits.rows)
        project = self.model.serving["project"]
        title = f"{project['name']}: {self.model.target}"
        described = describe(title, project["question"], self.fields, limits, with_key)
        self.openapi = orjson.dumps(described)
        self.description = orjson.dumps(
            {
                "run": self.run,
                "notes": self.notes,
                "project": project["name"],
                "question": project["question"],
                "problem": self.model.problem,
                "target": self.model.target,
                "classes": self.model.classes,
                "metric": self.model.serving["metric"],
                "metrics": _metrics(folder / "metrics.json"),
                "form": form(self.fields),
                "schema": self.model.schema,
                "limits": {"rows": limits.rows, "bytes": limits.body, "seconds": limits.seconds},
                "card": _text(root / CARD),
            }
        )
        self.model.predict(self.model.background())  # the first time is the slowest

    def read(self, body: bytes) -> Asked:
        """What a body asks. Raises Problem."""
        columns, warnings = self.fields.read(body)
        return Asked(columns, len(next(iter(columns.values()))), warnings)

    def predict(self, body: bytes) -> bytes:
        """The answer of /v1/predict. Raises Problem."""
        [answer] = self.answer([self.read(body)])
        if isinstance(answer, Problem):
            raise answer
        return answer

    def answer(self, asked: list[Asked]) -> list[bytes | Problem]:
        """The answers to several requests with the same columns, computed in one go."""
        columns = asked[0].columns
        if len(asked) > 1:
            columns = {
                name: [value for one in asked for value in one.columns[name]] for name in columns
            }
        try:
            predictions = self._predictions(columns)
        except Problem as problem:
            if len(asked) == 1:
                return [problem]
            return [self.answer([one])[0] for one in asked]  # one of them is to blame, not all
        answers: list[bytes | Problem] = []
        for one in asked:
            its, predictions = predictions[: one.rows], predictions[one.rows :]
            self._count(one)
            told = {"run": self.run, "predictions": its, "warnings": one.warnings}
            answers.append(_as_json(told))
        return answers

    def explain(self, body: bytes) -> bytes:
        """The answer of /v1/explain. Raises Problem."""
        asked = self.read(body)
        if asked.rows != 1:
            raise Problem(422, "One row is explained at a time: send one.")
        prepared = self._prepare(asked.columns)
        list(self._compute(prepared))  # what has no prediction has no explanation
        self._count(asked)
        return orjson.dumps({**explain_row(self.model, prepared), "warnings": asked.warnings})

    def _predictions(self, columns: dict[str, Values]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        for some in self._compute(self._prepare(columns)):
            answers += self._answers(some)
        return answers

    def _prepare(self, columns: dict[str, Values]) -> dict[str, np.ndarray]:
        try:
            return self.model.prepare(as_arrays(columns, self.model.schema))
        except CapstoneError as error:
            raise self._own_code("clean() or engineer()", error) from None

    def _compute(self, prepared: dict[str, np.ndarray]) -> Iterator[np.ndarray]:
        """Some rows' predictions after the other's."""
        try:
            yield from self.model.graph.in_blocks(prepared)
        except CapstoneError as error:  # a column holds a number too large: the sentence names it
            raise Problem(422, str(error)) from None

    def _answers(self, prediction: np.ndarray) -> list[dict[str, Any]]:
        try:
            return self.model.answers(prediction)
        except CapstoneError as error:
            raise self._own_code("recommend_action()", error) from None

    def _own_code(self, function: str, error: CapstoneError) -> Problem:
        """The student's code failed. The log says where; the words of the error may hold values, so it has none."""
        self.meter.say("own code", {"error": ": ".join(str(error).split(": ")[:2])})
        return Problem(422, f"The project's {function} can't work with these values.")

    def _count(self, asked: Asked) -> None:
        self.meter.rows.inc(asked.rows)
        for warning in asked.warnings:
            self.meter.unseen.labels(warning["column"]).inc(warning["count"])


def _as_json(told: dict[str, Any]) -> bytes:
    """An answer as text. What recommend_action says may hold NumPy's numbers, and numbers as keys."""
    try:
        return orjson.dumps(told, default=str, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # a key is no text: allowing that takes half as long again
        options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
        return orjson.dumps(told, default=str, option=options)


def form(fields: Fields) -> list[dict[str, Any]]:
    """What the page asks for each column: kind, range or choices, and a value filled in."""
    asked = []
    for name in fields.needed:
        about = fields.schema[name]
        kept = ("kind", "low", "high", "missing", "example")
        field: dict[str, Any] = {"name": name} | {key: about[key] for key in kept if key in about}
        if "categories" in about:
            field["choices"] = _choices(about["categories"])
            field["complete"] = about["complete"]
            field["example"] = _same(about["example"], field["choices"])
        asked.append(field)
    return asked


def _choices(categories: list[str]) -> list[str]:
    """One spelling of each category: of " gas", "Gas" and "gas" the one without spaces and capitals."""
    spellings: dict[str, str] = {}
    for category in categories:
        word = plain(category)
        if word not in spellings or category == word:
            spellings[word] = category.strip()
    return list(spellings.values())[:SHOWN_CATEGORIES]


def _same(example: str, choices: list[str]) -> str:
    """The example in the spelling that is among the choices."""
    return next((choice for choice in choices if plain(choice) == plain(example)), example)


def _date_shapes(model: ServedModel) -> dict[str, str | None]:
    """How the dates of each raw column are written, where the model takes that column."""
    columns = model.serving["columns"]
    return {
        name: columns[name]["format"]
        for name, about in model.schema.items()
        if about["kind"] == "date" and columns.get(name, {}).get("kind") == "date"
    }


def _metrics(path: Path) -> dict[str, Any]:
    """The scores of the run, where its folder has them."""
    if not path.is_file():
        return {}
    metrics = json.loads(path.read_text(encoding="utf-8"))
    kept = ("primary_metric", "higher_is_better", "model", "baselines", "beats", "threshold")
    return {name: metrics[name] for name in kept if name in metrics}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
