"""A database that does not answer: nobody waits long, and nothing has to be started again."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import make_url

from tests.http.api import Api, Opened, a_product, api_of, basket, content, opened_sql

TRIES: Final = 100
SOON: Final = {
    "request_timeout": 0.5,
    "statement_timeout": 0.5,
    "pool_timeout": 0.2,
    "connect_timeout": 0.5,
}


class Wire:
    """Between the service and PostgreSQL; while it is `slack` nothing passes."""

    def __init__(self, there: Path) -> None:
        self._there = there
        self._taut = asyncio.Event()
        self._taut.set()
        self._passing: set[asyncio.Task[None]] = set()

    async def __call__(self, reader: StreamReader, writer: StreamWriter) -> None:
        back, forth = await asyncio.open_unix_connection(self._there)
        for source, sink in ((reader, forth), (back, writer)):
            self._passing.add(asyncio.create_task(self._pass(source, sink)))

    async def _pass(self, source: StreamReader, sink: StreamWriter) -> None:
        taut = self._taut
        try:
            while data := await source.read(65_536):
                await taut.wait()
                sink.write(data)
        finally:
            sink.transport.abort()

    def slacken(self) -> None:
        self._taut.clear()

    def tighten(self) -> None:
        self._taut.set()

    def tear(self) -> None:
        """What was on its way never arrives, nor is that told; who connects anew gets through."""
        self._taut = asyncio.Event()
        self._taut.set()

    async def remove(self) -> None:
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)
        await asyncio.sleep(0)  # as long as it takes to close what was aborted


@pytest.fixture
async def wire(postgresql_url: str, own_folder: Path) -> AsyncIterator[Wire]:
    folder = make_url(postgresql_url).query["host"]
    wire = Wire(Path(str(folder)) / ".s.PGSQL.5432")
    server = await asyncio.start_unix_server(wire, own_folder / ".s.PGSQL.5432")
    yield wire
    server.close()
    await wire.remove()


@pytest.fixture
async def opened(wire: Wire, postgresql_url: str, own_folder: Path) -> AsyncIterator[Opened]:
    url = make_url(postgresql_url).update_query_dict({"host": str(own_folder)})
    there = url.render_as_string(hide_password=False)
    async with opened_sql("postgresql", there, **SOON) as opened:
        yield opened
        await wire.remove()


@pytest.mark.parametrize("end", [Wire.tighten, Wire.tear])
async def test_nobody_waits_long_and_all_is_well_again(
    opened: Opened, wire: Wire, end: Callable[[Wire], None]
) -> None:
    api = await api_of(opened)
    product = content(await api.staff.post("/v1/products", a_product(stock=1_000)), 201)
    reading, buying = f"/v1/products/{product['id']}", basket((product, 1))
    assert (await api.nobody.get("/readyz")).status_code == 200
    assert (await api.nobody.get(reading)).status_code == 200
    wire.slacken()
    for _ in range(3):
        answers = await asyncio.gather(
            *(api.nobody.get(reading) for _ in range(15)),
            *(api.customer.post("/v1/orders", buying) for _ in range(15)),
        )
        for answer in answers:
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["Retry-After"]) >= 1
    assert (await api.nobody.get("/livez")).status_code == 200
    end(wire)
    await is_well(api, reading, buying)


async def is_well(api: Api, reading: str, buying: object) -> None:
    for _ in range(TRIES):
        asked = [api.nobody.get(reading), api.customer.post("/v1/orders", buying)]
        found = [answer.status_code for answer in await asyncio.gather(*asked)]
        if found == [200, 201]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(found)
