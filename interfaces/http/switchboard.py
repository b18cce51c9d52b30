from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from application.identity.actor import Unauthenticated
from application.shared.errors import StorageFailure
from domain.shared.errors import DomainError
from interfaces.http.problems import Problem, answer, not_allowed
from interfaces.http.routing import StrictRequest, StrictRoute
from interfaces.http.solving import Unsolved

REFUSALS: Final = (Problem, DomainError, StorageFailure, Unauthenticated)


@dataclass(slots=True)
class _Crossing:
    """Where a path may lead on to, or end."""

    routes: dict[str, StrictRoute] = field(default_factory=dict)  # by method
    named: dict[str, "_Crossing"] = field(default_factory=dict)
    any: "_Crossing | None" = None


class Switchboard:
    """
    Connects a request with its operation at once, if it is one of ours and nothing is odd about it.

    Everything else takes the way through the framework, which says what is wrong. Both ways end in
    the same StrictRoute, so there is nothing that only one of them keeps.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._start = _Crossing()
        for route in routes:
            if isinstance(route, StrictRoute):
                self._add(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        routes = self._find(scope) if scope["type"] == "http" else None
        if not routes:
            await self._app(scope, receive, send)
            return
        request = StrictRequest(scope, receive)
        try:
            response = await _route(routes, request).answer_quickly(request)
        except Unsolved:
            await self._app(scope, _again(request), send)
            return
        except REFUSALS as refusal:
            response = await answer(request, refusal)
        await response(scope, receive, send)

    def _add(self, route: StrictRoute) -> None:
        place = self._start
        for part in route.path_format.split("/")[1:]:
            if part.startswith("{"):
                place.any = place = place.any or _Crossing()
            else:
                place = place.named.setdefault(part, _Crossing())
        for method in route.methods or ():
            place.routes.setdefault(method, route)

    def _find(self, scope: Scope) -> Mapping[str, StrictRoute] | None:
        """The operations of this path, by their methods."""
        if scope.get("root_path"):
            return None
        place: _Crossing | None = self._start
        for part in scope["path"].split("/")[1:]:
            if place is None:
                return None
            named = place.named.get(part)
            if named is None and part:
                named = place.any
            place = named
        return place.routes if place else None


def _route(routes: Mapping[str, StrictRoute], request: StrictRequest) -> StrictRoute:
    """The one of these that the request asks for; Unsolved if it is not planned."""
    scope = request.scope
    route = routes.get(scope["method"])
    if route is None:
        raise not_allowed(routes)
    if route.plan is None:
        raise Unsolved
    parts = zip(route.path_format.split("/"), scope["path"].split("/"), strict=True)
    scope["path_params"] = {there[1:-1]: part for there, part in parts if there.startswith("{")}
    scope["route"] = route
    return route


def _again(request: StrictRequest) -> Receive:
    """What was received, to be received once more."""
    body: list[Message] = []
    if hasattr(request, "_body"):
        body.append({"type": "http.request", "body": request._body, "more_body": False})

    async def receive() -> Message:
        return body.pop() if body else await request.receive()

    return receive
