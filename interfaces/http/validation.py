from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from interfaces.http.problems import MOST_PLACES, Problem, answer, validation_error
from interfaces.http.strict_json import escaped

# What the validator calls things that a client calls something else.
_WORDS: Final = {
    "extra_forbidden": "is not known here",
    "missing": "is missing",
    "json_invalid": "is no JSON",
    "model_attributes_type": "is no object",
}


def pointer(location: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901) to this place in the body."""
    return "".join(f"/{escaped(part)}" for part in location)


def places(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Where in a body each error is and what is wrong; never what was sent."""
    first = islice(errors, MOST_PLACES)
    return [{"pointer": pointer(error["loc"]), "detail": _words(error)} for error in first]


async def answer_invalid(request: Request, error: Exception) -> Response:
    """The framework's own refusal of a request, as a problem."""
    if not isinstance(error, RequestValidationError):
        raise error
    return await answer(request, _problem(error.errors()))


def _problem(errors: Sequence[Mapping[str, Any]]) -> Problem:
    found = []
    for error in errors:
        where, *location = error["loc"]
        if where == "path":
            # No id is spelled like this, so there is nothing under it.
            return Problem(HTTPStatus.NOT_FOUND, "not-found", "there is nothing here")
        if where == "body":
            found += places([{**error, "loc": location}])
        else:
            found.append({"in": where, "name": str(location[0]), "detail": _words(error)})
    return validation_error(*found)


def _words(error: Mapping[str, Any]) -> str:
    message: str = error["msg"]
    return _WORDS.get(error["type"], message[:1].lower() + message[1:])
