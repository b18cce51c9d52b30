"""Clients as a service meets them when there are too many: eager ones, and slow ones."""

import asyncio
import json
import random
import select
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from tests.benchmarks.load import get

PATIENCE: Final = 20.0  # seconds
_GONE: Final = (OSError, asyncio.IncompleteReadError)

Client = Callable[["Crowd"], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Crowd:
    """What its clients want, and what they got."""

    port: int
    read: Sequence[bytes]
    bought: Sequence[bytes]
    long: bytes  # what has a long answer
    answers: Counter[int] = field(default_factory=Counter)
    seconds: dict[int, list[float]] = field(default_factory=dict)  # that answers took, by status
    placed: list[str] = field(default_factory=list)  # the numbers of orders
    cut: int = 0  # connections that the service ended

    def has_seen(self, *statuses: int) -> bool:
        return all(self.answers[status] for status in statuses)

    def note(self, status: int, body: bytes, seconds: float) -> None:
        self.answers[status] += 1
        self.seconds.setdefault(status, []).append(seconds)
        if status == 201:
            self.placed.append(json.loads(body)["number"])


@asynccontextmanager
async def crowding(crowd: Crowd, *clients: tuple[Client, int]) -> AsyncIterator[None]:
    """So many clients of each kind are there as long as the block."""
    tasks = [asyncio.create_task(client(crowd)) for client, count in clients for _ in range(count)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    failures = [one for one in outcomes if not isinstance(one, asyncio.CancelledError | None)]
    if failures:
        raise BaseExceptionGroup("clients failed", failures)


async def buyer(crowd: Crowd) -> None:
    await _eager(crowd, crowd.bought)


async def visitor(crowd: Crowd) -> None:
    await _eager(crowd, crowd.read)


async def _eager(crowd: Crowd, requests: Sequence[bytes]) -> None:
    """Asks again as soon as it is answered; when it is sent away, as late as it was told."""
    while True:
        with suppress(*_GONE):
            reader, writer = await asyncio.open_connection("127.0.0.1", crowd.port)
            try:
                while True:
                    began = time.perf_counter()
                    writer.write(random.choice(requests))
                    status, head, body = await answer(reader)
                    crowd.note(status, body, time.perf_counter() - began)
                    if status == 503:
                        _, _, after = head.partition(b"retry-after: ")
                        await asyncio.sleep(int(after.split()[0]) * random.uniform(1.0, 2.0))
            finally:
                writer.close()
        crowd.cut += 1
        await asyncio.sleep(random.uniform(0.5, 1.0))


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    """Status, head and body; all that are asked here have a length."""
    async with asyncio.timeout(PATIENCE):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, length = head.partition(b"content-length: ")
        return int(head[9:12]), head, await reader.readexactly(int(length.split()[0]))


async def slow_beginner(crowd: Crowd) -> None:
    """Never gets to the end of its request's head."""
    await _trickle(crowd, get("/v1/products"))


async def slow_writer(crowd: Crowd) -> None:
    """Never gets to the end of its request's body."""
    request = crowd.bought[0]
    end_of_head = request.index(b"\r\n\r\n") + 4
    await _trickle(crowd, request, at_once=end_of_head)


async def silent(crowd: Crowd) -> None:
    """Connects, and that is all."""
    await _trickle(crowd, b"")


async def _trickle(crowd: Crowd, request: bytes, at_once: int = 0) -> None:
    while True:
        with suppress(*_GONE):
            reader, writer = await asyncio.open_connection("127.0.0.1", crowd.port)
            told = asyncio.create_task(reader.read())  # to the end of the connection
            try:
                writer.write(request[:at_once])
                for byte in request[at_once:-1]:
                    await asyncio.wait((told,), timeout=1.0)
                    if told.done():
                        break
                    writer.write(bytes([byte]))
                if words := await told:
                    crowd.note(int(words[9:12]), b"", 0.0)
            finally:
                told.cancel()
                writer.close()
        crowd.cut += 1
        await asyncio.sleep(random.uniform(0.0, 1.0))


async def slow_reader(crowd: Crowd) -> None:
    """Asks for much and takes nothing of it."""
    loop = asyncio.get_running_loop()
    while True:
        with socket.socket() as connection, suppress(OSError):
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await loop.sock_connect(connection, ("127.0.0.1", crowd.port))
            await loop.sock_sendall(connection, crowd.long)
            poll = select.poll()
            poll.register(connection, 0)
            while not poll.poll(0):  # noqa: ASYNC110 (nobody tells that it was reset)
                await asyncio.sleep(1.0)
        crowd.cut += 1
