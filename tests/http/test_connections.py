"""A connection whose client does not get on is cut; real ones, served by uvicorn's own protocol."""

import asyncio
import logging
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from interfaces.http import connections
from interfaces.http.connections import TimedConnection

PATIENCE: Final = 0.1  # seconds
LONG: Final = 10.0
GET: Final = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"


class Shop:
    """Answers in so many pieces, after a pause."""

    def __init__(self, pieces: int = 1, pause: float = 0.0) -> None:
        self._pieces = pieces
        self._pause = pause
        self.served = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(self._pause)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(self._pieces):
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        await send({"type": "http.response.body"})
        self.served.set()


@asynccontextmanager
async def connected(
    shop: Shop, patience: float = PATIENCE
) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    config = uvicorn.Config(shop, log_config=None, lifespan="off")
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: TimedConnection(patience=patience, config=config, server_state=state, app_state={}),
        "127.0.0.1",
        0,
    )
    async with server:
        reader, writer = await asyncio.open_connection(
            *server.sockets[0].getsockname(), limit=1 << 20
        )
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def is_cut(reader: StreamReader) -> bool:
    """Whether the other side ends the connection; it may throw away what was sent to it."""
    async with asyncio.timeout(LONG):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


@pytest.mark.parametrize("sent", [b"", b"GET /v1/pro", b"\r\n", GET[:-2]])
async def test_the_head_of_a_request_does_not_take_forever(sent: bytes) -> None:
    async with connected(Shop()) as (reader, writer):
        writer.write(sent)
        assert await is_cut(reader)


async def test_nor_does_that_of_the_next() -> None:
    async with connected(Shop()) as (reader, writer):
        writer.write(GET)
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"GET /v1/pro")
        assert await is_cut(reader)


async def test_work_may_take_longer_than_a_client() -> None:
    async with connected(Shop(pause=3 * PATIENCE)) as (reader, writer):
        writer.write(GET)
        assert (await reader.readuntil(b"0\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("times", [1, 3])
async def test_who_takes_nothing_of_an_answer_is_cut(
    times: int, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop(pieces=1_000)
    async with connected(shop) as (_, writer):
        writer.write(GET * times)  # one after the other, and none of them is forgotten
        async with asyncio.timeout(LONG):
            await shop.served.wait()  # though nobody has read it
    assert [line for line in caplog.records if line.levelno >= logging.WARNING] == []


async def test_who_takes_it_piece_by_piece_gets_it_all() -> None:
    async with connected(Shop(pieces=200), patience=LONG) as (reader, writer):
        writer.write(GET)
        answer = await reader.readuntil(b"\r\n\r\n")
        while not answer.endswith(b"\r\n0\r\n\r\n"):
            answer = answer[-7:] + await reader.read(65_536)


async def test_answers_that_nobody_takes_do_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "MOST_UNSENT", 1)
    shop = Shop(pieces=1_000)
    async with connected(shop, patience=LONG * 2) as (_, writer):
        writer.write(GET)
        async with asyncio.timeout(LONG):
            await shop.served.wait()
