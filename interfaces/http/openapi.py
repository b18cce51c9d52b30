"""The OpenAPI document: what FastAPI knows, and what is true of every operation."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from domain.shared.errors import DomainError
from interfaces.http.problems import MEANING, MEDIA_TYPE, status_of

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
                    "row": {"type": "integer", "description": "of a file"},
                    "field": {"type": "string", "description": "of that row"},
                    "in": {"type": "string", "enum": ["query", "path", "header"]},
                    "name": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
_EVERYWHERE: Final = {
    422: "validation-error",
    500: "internal-error",
    503: "unavailable, overloaded",
}
_WITH_A_BODY: Final = {
    400: "malformed-json",
    408: "request-timeout",
    413: "payload-too-large",
    415: "unsupported-media-type",
}


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The refusals of an operation, for its `responses`, by their status."""
    found: dict[int, list[str]] = {}
    for code in codes:
        found.setdefault(_status(code), []).append(code)
    return {status: _response(", ".join(codes)) for status, codes in found.items()}


def _status(code: str) -> HTTPStatus:
    """The status of the refusal that speaks of itself by this code."""
    if code in ("invalid-credentials", "unauthenticated"):
        return HTTPStatus.UNAUTHORIZED
    return next(
        status_of(refusal) for refusal in _below(DomainError) if vars(refusal).get("code") == code
    )


def _below(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for refusal in kind.__subclasses__():
        yield refusal
        yield from _below(refusal)


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
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _there(parameter["schema"])
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
    if "cursor" in parameters:
        everywhere[400] = "invalid-cursor"
    if "If-Match" in parameters and "invalid-header" not in everywhere.get(400, ""):
        everywhere[400] = ", ".join(filter(None, (everywhere.get(400), "invalid-header")))
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


def _there(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter, which may be left out but is never null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**kinds[0], **{name: value for name, value in schema.items() if name != "anyOf"}}


def _response(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": _PROBLEM}}},
    }
