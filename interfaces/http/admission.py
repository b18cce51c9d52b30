"""Who is let in, and for how long anybody may take: pure ASGI, between an id and an operation."""

import asyncio
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from application.shared.errors import Overloaded, Unavailable
from interfaces.http.problems import Problem, problem_of

OUTSIDE: Final = frozenset({"/livez", "/readyz", "/metrics"})  # they tell how it is inside
SLOWEST: Final = 64 * 1024  # bytes that a client has to send in each further second
_OF_A_BODY: Final = (b"content-length", b"transfer-encoding")


@dataclass(frozen=True, slots=True)
class Admissions:
    """
    How much there is room for at once, how much of it is taken, and who was sent away for what.

    Of `requests`, which wait for one of the `places` or have it, of `files` that come or go, and of
    `bytes` in the bodies of requests. For want of `time` nobody is sent away before it is over.
    """

    room: Mapping[str, int]
    places: asyncio.Semaphore
    taken: Counter[str] = field(default_factory=Counter)
    shed: Counter[str] = field(default_factory=Counter)

    def take(self, what: str, amount: int = 1) -> None:
        """A Problem if there is no room; otherwise `give_back` follows."""
        if self.taken[what] + amount > self.room[what]:
            self.shed[what] += 1
            raise problem_of(Overloaded(what))
        self.taken[what] += amount

    def give_back(self, what: str, amount: int = 1) -> None:
        self.taken[what] -= amount

    async def enter(self) -> None:
        """Wait for a place; a Problem if too many do. Then `leave` follows."""
        self.take("requests")
        try:
            await self.places.acquire()
        except BaseException:
            self.give_back("requests")
            raise

    def leave(self) -> None:
        self.places.release()
        self.give_back("requests")


class Admission:
    """
    Lets a request in once it is here as a whole, in its turn, and refuses it at once if too many
    wait already: few in work at a time are done sooner than many.

    So a client that is slow to send takes nobody's place; nor does one that is slow to receive, for
    a place is free again when the answer begins. Until then the work has `request_timeout` seconds.
    Those at the paths of `files` take as long as their clients keep sending or receiving.
    """

    def __init__(
        self,
        app: ASGIApp,
        admissions: Admissions,
        client_timeout: float,
        request_timeout: float,
        files: Container[str],
    ) -> None:
        self._app = app
        self._admissions = admissions
        self._client_timeout = client_timeout
        self._request_timeout = request_timeout
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OUTSIDE:
            await self._app(scope, receive, send)
        elif scope["path"] in self._files:
            self._admissions.take("files")
            try:
                await self._app(scope, self._timed(receive), send)
            finally:
                self._admissions.give_back("files")
        elif any(name in _OF_A_BODY for name, _ in scope["headers"]):
            await self._let_in_whole(scope, self._timed(receive), send)
        else:
            await self._let_in(scope, receive, send)

    async def _let_in_whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        pieces: list[bytes] = []
        held = 0
        more = True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                pieces.append(piece := message.get("body", b""))
                self._admissions.take("bytes", len(piece))
                held += len(piece)
                more = message.get("more_body", False)
            await self._let_in(scope, _first(b"".join(pieces), receive), send)
        finally:
            self._admissions.give_back("bytes", held)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_inside = False

        async def send_from_outside(message: Message) -> None:
            nonlocal is_inside
            if is_inside:
                is_inside = False
                self._admissions.leave()
                deadline.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(self._request_timeout) as deadline:
                await self._admissions.enter()
                is_inside = True
                await self._app(scope, receive, send_from_outside)
        except TimeoutError:
            if not deadline.expired():
                raise
            self._admissions.shed["time"] += 1
            raise problem_of(Unavailable("not done in time")) from None
        finally:
            if is_inside:
                self._admissions.leave()

    def _timed(self, receive: Receive) -> Receive:
        """A Problem for whoever takes too long to send what they began to."""
        due = asyncio.get_running_loop().time() + self._client_timeout

        async def receive_in_time() -> Message:
            nonlocal due
            try:
                async with asyncio.timeout_at(due):
                    message = await receive()
            except TimeoutError:
                raise _too_slow() from None
            due += len(message.get("body", b"")) / SLOWEST
            return message

        return receive_in_time


def _first(body: bytes, receive: Receive) -> Receive:
    """What was received already, and then whatever comes."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _too_slow() -> Problem:
    return Problem(
        HTTPStatus.REQUEST_TIMEOUT,
        "request-timeout",
        "the request did not arrive in time",
        headers={"Connection": "close"},
    )
