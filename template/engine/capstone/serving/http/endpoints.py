"""What the API's endpoints answer with one model: predictions, explanations, and the model's description."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from capstone.core.errors import CapstoneError
from capstone.core.sealed_files import SealedFiles
from capstone.runs.forms import Metrics as MetricsForm
from capstone.serving.http.explaining import explain_row
from capstone.serving.http.metrics import Metrics
from capstone.serving.http.middleware import Limits
from capstone.serving.http.openapi import openapi_document
from capstone.serving.http.problem_details import Problem
from capstone.serving.http.validation import InputSchema, as_arrays
from capstone.serving.http.values import Values, normalized
from capstone.serving.inference.deadline import check_deadline
from capstone.serving.inference.served_model import ServedModel

MAX_CHOICES = 200  # of one column, in the form
MODEL_CARD = Path("docs") / "model_card.md"


@dataclass(frozen=True)
class ParsedRequest:
    """A request that has been parsed and checked."""

    columns: dict[str, Values]
    rows: int
    warnings: list[dict[str, Any]]


class ModelEndpoints:
    """A run's model with everything that is prepared once for it. A new model gets new endpoints."""

    def __init__(
        self, folder: Path, root: Path, limits: Limits, metrics: Metrics, with_key: bool
    ) -> None:
        self.model = ServedModel.load(folder, root)
        if refused := self.model.serving["steps"]["refused"]:
            raise CapstoneError(f"The run in {folder} can't be served: {refused}")
        self.metrics = metrics
        self.run = self.model.run
        notes = self.model.notes()
        for note in notes:
            metrics.log("note", {"note": note, "run": self.run})
        self.inputs = InputSchema(self.model.schema, _date_formats(self.model), limits.rows)
        project = self.model.serving["project"]
        title = f"{project['name']}: {self.model.target}"
        document = openapi_document(title, project["question"], self.inputs, limits, with_key)
        self.openapi = orjson.dumps(document)
        card = root / MODEL_CARD
        self.description = orjson.dumps(
            {
                "run": self.run,
                "notes": notes,
                "project": project["name"],
                "question": project["question"],
                "problem": self.model.problem,
                "target": self.model.target,
                "classes": self.model.classes,
                "metric": self.model.serving["metric"],
                "metrics": _scores(self.model.files),
                "form": form_fields(self.inputs),
                "schema": self.model.schema,
                "limits": {"rows": limits.rows, "bytes": limits.body, "seconds": limits.seconds},
                "card": card.read_text(encoding="utf-8") if card.is_file() else "",
            }
        )

    def parse(self, body: bytes) -> ParsedRequest:
        """Parse and check a body. Raises Problem."""
        columns, warnings = self.inputs.parse(body)
        return ParsedRequest(columns, len(next(iter(columns.values()))), warnings)

    def predict(self, body: bytes) -> bytes:
        """The answer of /v1/predict. Raises Problem."""
        [answer] = self.predict_batch([self.parse(body)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def predict_batch(self, requests: list[ParsedRequest]) -> Sequence[bytes | Exception]:
        """The answers to several requests with the same columns, computed together; a refused one gets a Problem."""
        columns = requests[0].columns
        if len(requests) > 1:
            columns = {
                name: [value for one in requests for value in one.columns[name]] for name in columns
            }
        try:
            predictions = self._predict_rows(columns)
        except Problem as problem:
            if len(requests) == 1:
                return [problem]
            # One of them is to blame, not all.
            return [self.predict_batch([request])[0] for request in requests]
        answers = []
        start = 0
        for request in requests:
            rows = predictions[start : start + request.rows]
            start += request.rows
            self._count(request)
            answer = {"run": self.run, "predictions": rows, "warnings": request.warnings}
            answers.append(_to_json(answer))
        return answers

    def explain(self, body: bytes) -> bytes:
        """The answer of /v1/explain. Raises Problem."""
        request = self.parse(body)
        if request.rows != 1:
            raise Problem(422, "One row is explained at a time: send one.")
        inputs = self._prepare(request.columns)
        list(self._predict_blocks(inputs))  # refuses a row that has no prediction
        self._count(request)
        return orjson.dumps({**explain_row(self.model, inputs), "warnings": request.warnings})

    def _predict_rows(self, columns: dict[str, Values]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for block in self._predict_blocks(self._prepare(columns)):
            check_deadline()
            try:
                rows += self.model.answers(block)
            except CapstoneError as error:
                raise self._student_code_failed("recommend_action()", error) from None
        return rows

    def _prepare(self, columns: dict[str, Values]) -> dict[str, np.ndarray]:
        check_deadline()
        try:
            return self.model.prepare(as_arrays(columns, self.model.schema))
        except CapstoneError as error:
            raise self._student_code_failed("clean() or engineer()", error) from None

    def _predict_blocks(self, inputs: dict[str, np.ndarray]) -> Iterator[np.ndarray]:
        try:
            yield from self.model.session.predict_blocks(inputs)
        except CapstoneError as error:  # a column holds a number too large: the sentence names it
            raise Problem(422, str(error)) from None

    def _student_code_failed(self, function: str, error: CapstoneError) -> Problem:
        """Log where the student's code failed, but not the error's text, which may hold values that were sent."""
        self.metrics.log("own code", {"error": ": ".join(str(error).split(": ")[:2])})
        return Problem(422, f"The project's {function} can't work with these values.")

    def _count(self, request: ParsedRequest) -> None:
        self.metrics.rows.inc(request.rows)
        for warning in request.warnings:
            self.metrics.unseen.labels(warning["column"]).inc(warning["count"])


def _to_json(answer: dict[str, Any]) -> bytes:
    """An answer as JSON. recommend_action() may return NumPy's numbers, and dicts with numbers as keys."""
    try:
        return orjson.dumps(answer, default=str, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # a key is no text: allowing that takes half as long again
        options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
        return orjson.dumps(answer, default=str, option=options)


def form_fields(inputs: InputSchema) -> list[dict[str, Any]]:
    """What the page's form asks for each column: kind, range or choices, and a value filled in."""
    fields = []
    for name in inputs.required:
        column_info = inputs.schema[name]
        kept = ("kind", "low", "high", "missing", "example")
        field = {"name": name} | {key: column_info[key] for key in kept if key in column_info}
        if "categories" in column_info:
            field["choices"] = _choices(column_info["categories"])
            field["complete"] = column_info["complete"]
            field["example"] = _same_choice(column_info["example"], field["choices"])
        fields.append(field)
    return fields


def _choices(categories: list[str]) -> list[str]:
    """One spelling of each category: of " gas", "Gas" and "gas" the one without spaces and capitals."""
    spellings: dict[str, str] = {}
    for category in categories:
        word = normalized(category)
        if word not in spellings or category == word:
            spellings[word] = category.strip()
    return list(spellings.values())[:MAX_CHOICES]


def _same_choice(example: str, choices: list[str]) -> str:
    """The example in the spelling that is among the choices."""
    return next(
        (choice for choice in choices if normalized(choice) == normalized(example)), example
    )


def _date_formats(model: ServedModel) -> dict[str, str | None]:
    """How the dates of each raw column are written, where the model takes that column."""
    columns = model.serving["columns"]
    return {
        name: columns[name]["format"]
        for name, column_info in model.schema.items()
        if column_info["kind"] == "date" and columns.get(name, {}).get("kind") == "date"
    }


def _scores(files: SealedFiles) -> dict[str, Any]:
    """The scores of the run."""
    metrics = files.read_json("metrics.json", MetricsForm)
    kept = ("primary_metric", "higher_is_better", "model", "baselines", "beats", "threshold")
    return {name: metrics[name] for name in kept if name in metrics}
