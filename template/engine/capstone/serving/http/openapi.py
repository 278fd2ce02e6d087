"""The OpenAPI document: the service described for programs, with the columns, ranges and an example of the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from capstone.serving.http.middleware import Limits
from capstone.serving.http.validation import InputSchema
from capstone.serving.http.values import MAX_CATEGORY_LENGTH, MAX_NUMBER, number_range

REFUSALS = {
    400: "The body is no valid JSON, or holds a key twice.",
    401: "The API key is missing or wrong.",
    408: "The body came too slowly.",
    413: "Too many rows or bytes.",
    415: "The body is not JSON, or compressed.",
    421: "Without an API key only this machine's own names are answered.",
    422: "Columns are missing, not known, or hold what can't be their value; each is named.",
    503: "Too much at once: try again after the seconds in Retry-After.",
    504: "It took too long.",
}
SCHEMAS = Path(__file__).with_name("schemas.json")  # of the answers


def example_row(inputs: InputSchema) -> dict[str, Any]:
    """A row as it could be sent: each column's example from training."""
    return {name: inputs.schema[name].get("example") for name in inputs.required}


def openapi_document(
    title: str, summary: str, inputs: InputSchema, limits: Limits, with_key: bool
) -> dict[str, Any]:
    """The OpenAPI document of the service with this model."""
    answers = json.loads(SCHEMAS.read_text(encoding="utf-8"))
    row = _object(_columns(inputs), inputs.required)
    components: dict[str, Any] = {"schemas": {"Row": row, **answers}}
    if with_key:
        scheme = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        components["securitySchemes"] = {"key": scheme}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "description": summary, "version": "1"},
        "security": [{"key": []}] if with_key else [],
        "components": components,
        "paths": {
            "/v1/predict": _predict(inputs, limits.rows, with_key),
            "/v1/explain": _explain(inputs, with_key),
            "/v1/model": _get("The model that answers: run, metrics, columns, card", with_key),
            "/healthz": _get("Whether the service runs", False),
            "/readyz": _get("Whether the service can answer", False),
        },
    }


def _predict(inputs: InputSchema, max_rows: int, with_key: bool) -> dict[str, Any]:
    example = example_row(inputs)
    lists = {
        name: {"type": "array", "items": column, "minItems": 1, "maxItems": max_rows}
        for name, column in _columns(inputs).items()
    }
    by_columns = _object({"columns": _object(lists, inputs.required)}, ["columns"])
    request = {
        "schema": {"oneOf": [_rows(max_rows), by_columns]},
        "examples": {
            "one row": {"value": {"rows": [example]}},
            "by columns": {"value": {"columns": {k: [v] for k, v in example.items()}}},
        },
    }
    about = {
        "summary": "Predict one row or many",
        "description": "Name each column. `columns` instead of `rows` is quicker for thousands of rows. "
        "A value outside of what training saw is answered, with a warning.",
    }
    return _post(about, request, "Predictions", with_key)


def _explain(inputs: InputSchema, with_key: bool) -> dict[str, Any]:
    examples = {"one row": {"value": {"rows": [example_row(inputs)]}}}
    about = {
        "summary": "Say how much each column moved one row's prediction",
        "description": "SHAP values: they add up from `base` to `predicted`. What moves a prediction is not "
        "what causes the outcome.",
    }
    return _post(about, {"schema": _rows(1), "examples": examples}, "Explanation", with_key)


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    strict = {"required": required, "additionalProperties": False}
    return {"type": "object", "properties": properties, **strict}


def _rows(max_rows: int) -> dict[str, Any]:
    row = {"$ref": "#/components/schemas/Row"}
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": max_rows}
    return _object({"rows": rows}, ["rows"])


def _columns(inputs: InputSchema) -> dict[str, Any]:
    return {name: _column(column_info) for name, column_info in inputs.schema.items()}


def _column(column_info: dict[str, Any]) -> dict[str, Any]:
    kind = column_info["kind"]
    description = f"{kind}; missing in {column_info['missing']:.0%} in training"
    if kind == "number":
        low, high = number_range(column_info)
        description += f"; training saw {low} to {high}"
    if kind == "date":
        description += f"; training saw {column_info['low']} to {column_info['high']}"
    if "categories" in column_info:
        first = ", ".join(f'"{name}"' for name in column_info["categories"][:20])
        description += f"; training saw {first}"
    column: dict[str, Any] = {"description": description}
    if "example" in column_info:
        column["examples"] = [column_info["example"]]
    if kind == "number":
        return {"type": ["number", "null"], "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER} | column
    if kind == "category":
        return {"type": ["string", "null"], "maxLength": MAX_CATEGORY_LENGTH} | column
    types = {"boolean": ["boolean"], "empty": ["string", "number", "boolean"]}
    return {"type": [*types.get(kind, ["string"]), "null"]} | column


def _get(summary: str, with_key: bool) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    success = {"description": "Here it is.", "content": content}
    refusals = _refusals([421, 503, *([401] if with_key else [])])
    operation = {"summary": summary, "responses": {"200": success} | refusals}
    return {"get": operation if with_key else operation | {"security": []}}


def _post(
    about: dict[str, Any], request: dict[str, Any], answer: str, with_key: bool
) -> dict[str, Any]:
    returned = {"schema": {"$ref": f"#/components/schemas/{answer}"}}
    success = {"description": "The answer.", "content": {"application/json": returned}}
    statuses = [status for status in REFUSALS if with_key or status != 401]
    body = {"required": True, "content": {"application/json": request}}
    responses = {"200": success} | _refusals(statuses)
    return {"post": {**about, "requestBody": body, "responses": responses}}


def _refusals(statuses: list[int]) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        str(status): {"description": REFUSALS[status], "content": content}
        for status in sorted(statuses)
    }
