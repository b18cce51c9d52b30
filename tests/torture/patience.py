"""A good client, who has bad manners: sends again until it is answered for good, and hangs up."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import httpx

PATIENCE: Final = 120.0  # seconds for all tries together
LONGEST_PAUSE: Final = 1.0  # besides what Retry-After asks for
HANGS_UP: Final = 0.05  # so often before it sends the request in earnest


class NoAnswer(Exception):
    """The service had its chances."""


@dataclass(slots=True)
class Diary:
    """
    What a client knows when everything is over: what it sent, by key, what was answered for good,
    and how often it had to send it again, and why.
    """

    sent: dict[str, httpx.Request] = field(default_factory=dict)
    answered: dict[str, httpx.Response] = field(default_factory=dict)
    sent_again: Counter[str] = field(default_factory=Counter)
    hung_up: int = 0
    found: int = 0  # answers that had been lost, and came when it was sent again
    changed: list[str] = field(default_factory=list)  # keys with two answers

    def note(self, key: str, answer: httpx.Response, *, again: bool) -> None:
        """An answer for good: the first that the service keeps has to stay the same."""
        if told := self.answered.get(key):
            if (told.status_code, told.content) != (answer.status_code, answer.content):
                self.changed.append(key)
        elif answer.is_success or answer.status_code == httpx.codes.CONFLICT:
            self.answered[key] = answer
            self.found += again and "Idempotent-Replayed" in answer.headers


class Patience(httpx.AsyncBaseTransport):
    """Sends each request to any of the servers, and again to any where that is safe."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        ports: Sequence[int],
        diary: Diary,
        chance: random.Random,
    ) -> None:
        self._transport = transport
        self._ports = ports
        self._diary = diary
        self._chance = chance

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        key = request.headers.get("Idempotency-Key")
        if key is None and request.method != "GET":
            return await self._transport.handle_async_request(request)
        if key is not None:
            self._diary.sent[key] = request
        gives_up, tries = time.monotonic() + PATIENCE, 0
        while time.monotonic() < gives_up:
            request.url = request.url.copy_with(port=self._chance.choice(self._ports))
            hung_up = key is not None and self._chance.random() < HANGS_UP
            if hung_up:
                await self._hang_up(request)
            try:
                answer = await self._transport.handle_async_request(request)
                await answer.aread()
            except httpx.TransportError as broken:
                why, pause = type(broken).__name__, 0.0
            else:
                if "Retry-After" not in answer.headers:
                    if key is not None:
                        self._diary.note(key, answer, again=hung_up or tries > 0)
                    return answer
                why, pause = answer.json()["code"], float(answer.headers["Retry-After"])
            self._diary.sent_again[why] += 1
            tries += 1
            backoff = min(LONGEST_PAUSE, 0.01 * 2**tries)
            await asyncio.sleep(pause + self._chance.uniform(0, backoff))
        raise NoAnswer(f"{request.method} {request.url.path}: {why}, and {tries} tries in all")

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _hang_up(self, request: httpx.Request) -> None:
        """In the middle of the request, right after it, or a little later."""
        lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
        lines += [b"%b: %b" % header for header in request.headers.raw]
        whole = b"\r\n".join(lines) + b"\r\n\r\n" + request.content
        with suppress(OSError):  # there is nobody
            _, writer = await asyncio.open_connection(request.url.host, request.url.port)
            writer.write(whole[: self._chance.randint(1, 2 * len(whole))])
            await asyncio.sleep(self._chance.uniform(0, 0.05))
            writer.transport.abort()
            self._diary.hung_up += 1
