"""Pure ASGI, because each request passes here: ids, headers, logs, body limits, the last resort."""

import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from http import HTTPMethod, HTTPStatus
from typing import Any, Final, Protocol

from fastapi import Request
from opentelemetry.trace import get_current_span
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from interfaces.http.problems import Problem, problem_of, rendered
from interfaces.logs import ACCESS
from interfaces.metrics import REQUESTS

log = logging.getLogger(__name__)
access = logging.getLogger(ACCESS)

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS: Final = frozenset(HTTPMethod)
_TRACED: Final = "fastapi.telemetry"  # in the scope of a request whose span is recorded

_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_NOT_KEPT: Final = (b"cache-control", b"no-store")
NOTHING_ELSE: Final = "default-src 'none'; frame-ancestors 'none'"  # is loaded by an answer of ours


class Tally(Protocol):
    statements: int


class RequestContext:
    """
    Gives each request its id, its line in the log, and an answer if nobody foresaw its error.

    `begin_tally` begins to count what it asks of the database.
    """

    def __init__(self, app: ASGIApp, begin_tally: Callable[[], Tally]) -> None:
        self._app = app
        self._begin_tally = begin_tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        request_id, is_public = _looked_at(scope)
        bind_contextvars(request_id=request_id)
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        tally = self._begin_tally()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] = [
                    *message["headers"],
                    *_HEADERS,
                    (b"content-security-policy", state.get("policy", NOTHING_ELSE).encode()),
                    (b"x-request-id", request_id.encode("ascii")),
                ]
                if not is_public:
                    message["headers"].append(_NOT_KEPT)
                if _TRACED in scope:
                    _name_span(scope)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            log.info("the client has gone")
        except Exception as error:
            if not isinstance(error, Problem):
                log.exception("unforeseen error")
            if status:
                raise
            await _send(problem_of(error), scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - began
            method, route = scope["method"], _template(scope)
            known_method = method if method in _METHODS else "other"
            REQUESTS.labels(known_method, route, status).observe(seconds)
            if access.isEnabledFor(logging.INFO):
                actor = state.get("actor")
                line = {
                    "request_id": request_id,
                    "actor_id": actor and str(actor.id),
                    "method": method,
                    "route": route,
                    "path": scope["path"],
                    "status": status,
                    "problem": state.get("problem"),
                    "milliseconds": round(seconds * 1000, 1),
                    "statements": tally.statements,
                }
                access.info("request", extra={"request": line})


class BodyLimit:
    """
    Refuses bodies of more than so many bytes, before or while they are read.

    `more` are the paths that take other sizes.
    """

    def __init__(self, app: ASGIApp, most: int, more: Mapping[str, int]) -> None:
        self._app = app
        self._most = most
        self._more = more

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        most = self._more.get(scope["path"], self._most)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > most:
            await _send(_too_large(most), scope, receive, send)
            return
        read = 0

        async def receive_counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise _too_large(most)
            return message

        await self._app(scope, receive_counted, send)


def _too_large(most: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "payload-too-large",
        f"the body has more than {most} bytes",
        headers={"Connection": "close"},
    )


def _looked_at(scope: Scope) -> tuple[str, bool]:
    """The request's id, and whether everybody would get the same answer."""
    request_id, is_public = "", scope["method"] == "GET"
    for name, value in scope["headers"]:
        if name == b"authorization":
            is_public = False
        elif name == b"x-request-id" and not request_id and _REQUEST_ID.fullmatch(value):
            request_id = str(value, "ascii")
    return request_id or secrets.token_hex(16), is_public


def _template(scope: Scope) -> str:
    """The path of the operation as it is declared; empty where there is none."""
    return getattr(scope.get("route"), "path_format", "")


def _name_span(scope: Scope) -> None:
    """What the framework does itself, except for requests that the switchboard connects."""
    route = _template(scope)
    span = get_current_span()
    span.set_attribute("url.query", "")  # may hold the address or the name of a customer
    if route:
        scope[_TRACED].route = route
        span.update_name(f"{scope['method']} {route}")


async def _send(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    await rendered(problem, Request(scope))(scope, receive, send)
