"""The OpenAPI document: what FastAPI knows, and what is true of every operation."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from interfaces.http.problems import MEANING, MEDIA_TYPE

_PROBLEM: Final = "#/components/schemas/Problem"
_PROBLEM_SCHEMA: Final = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. Further members depend on `code`; `/problems/<code>` explains them.",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"type": "string", "enum": sorted(MEANING)},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901, into the body"},
                    "in": {"type": "string", "enum": ["query", "path", "header"]},
                    "name": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
# By code, the status that each has.
_STATUS: Final = {
    "invalid-credentials": 401,
    "forbidden": 403,
    "category-not-found": 404,
    "order-not-found": 404,
    "product-not-found": 404,
    "session-not-found": 404,
    "user-not-found": 404,
    "category-cycle": 409,
    "category-too-deep": 409,
    "duplicate": 409,
    "in-use": 409,
    "insufficient-stock": 409,
    "invalid-transition": 409,
    "last-admin": 409,
    "price-changed": 409,
    "product-unavailable": 409,
    "stale-version": 412,
    "currency-mismatch": 422,
    "order-too-large": 422,
    "too-many-attempts": 429,
}
_EVERYWHERE: Final = {
    422: "validation-error",
    500: "internal-error",
    503: "unavailable, overloaded",
}
_WITH_A_BODY: Final = {
    400: "malformed-json",
    413: "payload-too-large",
    415: "unsupported-media-type",
}


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The refusals of an operation, for its `responses`, by their status."""
    found: dict[int, list[str]] = {}
    for code in codes:
        found.setdefault(_STATUS[code], []).append(code)
    return {status: _response(", ".join(codes)) for status, codes in found.items()}


def describe(app: FastAPI) -> None:
    """Give the application a document that tells the whole contract."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = document["components"]["schemas"]
    schemas["Problem"] = _PROBLEM_SCHEMA
    for unused in ("HTTPValidationError", "ValidationError", "Money", "Currency"):
        schemas.pop(unused, None)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation)
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    everywhere = dict(_EVERYWHERE)
    parameters = {parameter["name"] for parameter in operation.get("parameters", ())}
    if method == "patch":
        content = operation["requestBody"]["content"]
        content["application/merge-patch+json"] = content["application/json"]
    if "dry_run" in parameters:
        [earnest] = (response for status, response in responses.items() if status < "300")
        responses["200"] = earnest
    if "requestBody" in operation:
        everywhere |= _WITH_A_BODY
    if "security" in operation:
        everywhere |= {401: "unauthenticated"}
        if method != "get":
            everywhere |= {403: "forbidden"}
    if "Idempotency-Key" in parameters:
        everywhere |= {
            400: "malformed-json, invalid-header",
            409: "idempotency-key-in-use",
            422: "validation-error, idempotency-key-reused",
        }
    if {"cursor", "If-Match"} & parameters:
        everywhere.setdefault(400, "invalid-cursor" if "cursor" in parameters else "invalid-header")
    if "If-None-Match" in parameters:
        responses["304"] = {"description": "not modified"}
    if "{" in path:
        everywhere.setdefault(404, "not-found")
    for status, codes in everywhere.items():
        known = responses.get(str(status), {}).get("description")
        if known is None or "HTTPValidationError" in str(responses[str(status)]):
            known = None
        responses[str(status)] = _response(", ".join(filter(None, (known, codes))))
    operation["responses"] = dict(sorted(responses.items()))


def _response(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": _PROBLEM}}},
    }
