"""The OpenAPI document: the service described for programs, with the columns, ranges and an example of the run."""

from __future__ import annotations

from typing import Any

from capstone.serving.http.middleware import Limits
from capstone.serving.http.validation import InputSchema
from capstone.serving.http.values import MAX_CATEGORY_LENGTH, MAX_NUMBER

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
# The fields of each predicted row: the type, where it is always the same, and the meaning.
PREDICTION_FIELDS = {
    "value": ("number", "The predicted number."),
    "low": ("number", "Nine of ten true values lie in intervals from low"),
    "high": ("number", "to high."),
    "class": ("string", "The likeliest class."),
    "probabilities": ("object", "Of each class."),
    "probability": ("number", "Of the class to detect."),
    "positive": ("", "The class to detect."),
    "threshold": ("number", "The probability from which on acting costs less."),
    "cost_false_positive": ("number", "What it costs to act in vain,"),
    "cost_false_negative": ("number", "and what not to act where it was needed."),
    "typical": ("", "The middle value, or the most frequent class, in training."),
    "recommendation": ("object", "What recommend_action() of the project says."),
}


def example_row(inputs: InputSchema) -> dict[str, Any]:
    """A row as it could be sent: each column's example from training."""
    return {name: inputs.schema[name].get("example") for name in inputs.required}


def openapi_document(
    title: str, summary: str, inputs: InputSchema, limits: Limits, with_key: bool
) -> dict[str, Any]:
    """The OpenAPI document of the service with this model."""
    schemas = {"Row": _row(inputs), **_answers(), "Problem": _problem()}
    components: dict[str, Any] = {"schemas": schemas}
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
    row, example = _row(inputs), example_row(inputs)
    lists = {
        name: {"type": "array", "items": column, "minItems": 1, "maxItems": max_rows}
        for name, column in row["properties"].items()
    }
    forms = [
        _object({"rows": _list_of("Row", max_rows)}),
        _object({"columns": {**row, "properties": lists}}),
    ]
    examples = {
        "one row": {"value": {"rows": [example]}},
        "by columns": {"value": {"columns": {k: [v] for k, v in example.items()}}},
    }
    return _post(
        {
            "summary": "Predict one row or many",
            "description": "Name each column. `columns` instead of `rows` is quicker for thousands of rows. "
            "A value outside of what training saw is answered, with a warning.",
        },
        {"schema": {"oneOf": forms}, "examples": examples},
        "Predictions",
        with_key,
    )


def _explain(inputs: InputSchema, with_key: bool) -> dict[str, Any]:
    return _post(
        {
            "summary": "Say how much each column moved one row's prediction",
            "description": "SHAP values: they add up from `base` to `predicted`. What moves a prediction is not "
            "what causes the outcome.",
        },
        {
            "schema": _object({"rows": _list_of("Row", 1)}),
            "examples": {"one row": {"value": {"rows": [example_row(inputs)]}}},
        },
        "Explanation",
        with_key,
    )


def _row(inputs: InputSchema) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: _column(info) for name, info in inputs.schema.items()},
        "required": inputs.required,
        "additionalProperties": False,
    }


def _column(column_info: dict[str, Any]) -> dict[str, Any]:
    kind = column_info["kind"]
    description = f"{kind}; missing in {column_info['missing']:.0%} in training"
    if "low" in column_info:
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


def _answers() -> dict[str, Any]:
    number, text, count = {"type": "number"}, {"type": "string"}, {"type": "integer"}
    warning = _object(
        {
            "column": text,
            "message": text,
            "rows": {"type": "array", "items": count, "description": "The first ones, from 0."},
            "count": count | {"description": "How many rows in all."},
        }
    )
    prediction = {
        "type": "object",
        "properties": {
            name: {"type": kind, "description": meaning} if kind else {"description": meaning}
            for name, (kind, meaning) in PREDICTION_FIELDS.items()
        },
        "required": ["recommendation"],
    }
    moved = _object({"column": text, "value": {}, "moved": number})
    return {
        "Predictions": _object(
            {
                "run": text,
                "predictions": {"type": "array", "items": prediction},
                "warnings": {"type": "array", "items": warning},
            }
        ),
        "Explanation": _object(
            {
                "run": text,
                "output": text | {"description": "What is explained."},
                "base": number | {"description": "What is predicted on average."},
                "predicted": number,
                "columns": {"type": "array", "items": moved},
                "method": text,
                "warnings": {"type": "array", "items": warning},
            }
        ),
    }


def _problem() -> dict[str, Any]:
    text = {"type": "string"}
    error = _object({"place": text, "message": text})
    problem = _object({"type": text, "title": text, "status": {"type": "integer"}, "detail": text})
    problem["properties"] |= {"request": text, "errors": {"type": "array", "items": error}}
    return problem | {"description": "Problem details, RFC 9457."}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)} | (
        {"additionalProperties": False} if set(properties) & {"rows", "columns"} else {}
    )


def _list_of(name: str, max_items: int) -> dict[str, Any]:
    items = {"$ref": f"#/components/schemas/{name}"}
    return {"type": "array", "items": items, "minItems": 1, "maxItems": max_items}


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
    return {
        "post": {
            **about,
            "requestBody": body,
            "responses": {"200": success} | _refusals(statuses),
        }
    }


def _refusals(statuses: list[int]) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        str(status): {"description": REFUSALS[status], "content": content}
        for status in sorted(statuses)
    }
