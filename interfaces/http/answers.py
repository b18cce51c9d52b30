from http import HTTPStatus
from typing import Protocol

from fastapi import Response


class Versioned(Protocol):
    version: int

    def model_dump_json(self) -> str: ...


def resource(
    view: Versioned, status: HTTPStatus = HTTPStatus.OK, *, location: str | None = None
) -> Response:
    """One resource with the ETag of its version; `location` where it was created."""
    headers = {"ETag": f'"{view.version}"'}
    if location:
        headers["Location"] = location
    return Response(view.model_dump_json(), status, headers, media_type="application/json")


def nothing() -> Response:
    return Response(status_code=HTTPStatus.NO_CONTENT)
