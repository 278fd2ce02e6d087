"""The service described for programs, as OpenAPI, with the columns, ranges and an example of the run."""

from __future__ import annotations

from typing import Any

from capstone.serving.http.middleware import Limits
from capstone.serving.http.validation import Fields
from capstone.serving.http.values import LARGEST, LONGEST

REFUSED = {
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
# What is said of each row: the type, where it is always the same, and the meaning.
PREDICTION = {
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


def example_row(fields: Fields) -> dict[str, Any]:
    """A row as it could be sent: each column's example from training."""
    return {name: fields.schema[name].get("example") for name in fields.needed}


def describe(
    title: str, summary: str, fields: Fields, limits: Limits, with_key: bool
) -> dict[str, Any]:
    """The OpenAPI document of the service with this model."""
    example = example_row(fields)
    columns = {name: _column(fields.schema[name]) for name in fields.schema}
    row = {
        "type": "object",
        "properties": columns,
        "required": fields.needed,
        "additionalProperties": False,
    }
    lists = {
        name: {"type": "array", "items": about, "minItems": 1, "maxItems": limits.rows}
        for name, about in columns.items()
    }
    components: dict[str, Any] = {"schemas": {"Row": row, **_answers(), "Problem": _problem()}}
    if with_key:
        components["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        }
    many = {
        "oneOf": [
            _object({"rows": _list_of("Row", limits.rows)}),
            _object({"columns": {**row, "properties": lists}}),
        ]
    }
    one = _object({"rows": _list_of("Row", 1)})
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "description": summary, "version": "1"},
        "security": [{"key": []}] if with_key else [],
        "components": components,
        "paths": {
            "/v1/predict": _post(
                "Predict one row or many",
                "Name each column. `columns` instead of `rows` is quicker for thousands of rows. "
                "A value outside of what training saw is answered, with a warning.",
                many,
                {
                    "one row": {"value": {"rows": [example]}},
                    "by columns": {"value": {"columns": {k: [v] for k, v in example.items()}}},
                },
                "Predictions",
                with_key,
            ),
            "/v1/explain": _post(
                "Say how much each column moved one row's prediction",
                "SHAP values: they add up from `base` to `predicted`. What moves a prediction is not "
                "what causes the outcome.",
                one,
                {"one row": {"value": {"rows": [example]}}},
                "Explanation",
                with_key,
            ),
            "/v1/model": _get("The model that answers: run, metrics, columns, card", with_key),
            "/healthz": _get("Whether the service runs", False),
            "/readyz": _get("Whether the service can answer", False),
        },
    }


def _column(about: dict[str, Any]) -> dict[str, Any]:
    kind = about["kind"]
    told: dict[str, Any] = {"description": f"{kind}; missing in {about['missing']:.0%} in training"}
    if "low" in about:
        told["description"] += f"; training saw {about['low']} to {about['high']}"
    if "categories" in about:
        some = ", ".join(f'"{name}"' for name in about["categories"][:20])
        told["description"] += f"; training saw {some}"
    if "example" in about:
        told["examples"] = [about["example"]]
    if kind == "number":
        return {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST} | told
    if kind == "category":
        return {"type": ["string", "null"], "maxLength": LONGEST} | told
    types = {"boolean": ["boolean"], "empty": ["string", "number", "boolean"]}
    return {"type": [*types.get(kind, ["string"]), "null"]} | told


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
            for name, (kind, meaning) in PREDICTION.items()
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
    found = _object({"place": text, "message": text})
    problem = _object({"type": text, "title": text, "status": {"type": "integer"}, "detail": text})
    problem["properties"] |= {"request": text, "errors": {"type": "array", "items": found}}
    return problem | {"description": "Problem details, RFC 9457."}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)} | (
        {"additionalProperties": False} if set(properties) & {"rows", "columns"} else {}
    )


def _list_of(name: str, most: int) -> dict[str, Any]:
    items = {"$ref": f"#/components/schemas/{name}"}
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


def _get(summary: str, with_key: bool) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    told: dict[str, Any] = {
        "summary": summary,
        "responses": {"200": {"description": "Here it is.", "content": content}}
        | _refusals([421, 503, *([401] if with_key else [])]),
    }
    return {"get": told if with_key else told | {"security": []}}


def _post(
    summary: str,
    description: str,
    schema: dict[str, Any],
    examples: dict[str, Any],
    answer: str,
    with_key: bool,
) -> dict[str, Any]:
    returned = {"schema": {"$ref": f"#/components/schemas/{answer}"}}
    statuses = [status for status in REFUSED if with_key or status != 401]
    return {
        "post": {
            "summary": summary,
            "description": description,
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": schema, "examples": examples}},
            },
            "responses": {
                "200": {"description": "The answer.", "content": {"application/json": returned}}
            }
            | _refusals(statuses),
        }
    }


def _refusals(statuses: list[int]) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        str(status): {"description": REFUSED[status], "content": content}
        for status in sorted(statuses)
    }
