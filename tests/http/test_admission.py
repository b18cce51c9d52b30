"""Who is let in, who waits, and who is sent away, and what a client may not take its time for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import pytest
from starlette.types import Message, Receive, Scope, Send

from domain.catalog.product import ProductId
from interfaces.http.admission import Admission, Admissions
from interfaces.http.problems import Problem
from tests.http.api import JSON, a_product, api_of, basket, content, opened_memory, problem

EXPORT: Final = "/v1/products/export"
ROOM: Final = {"places": 1, "requests": 2, "files": 1, "bytes": 10}


class Work:
    """An operation that begins its answer when it may, and ends it when that may be."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_answer, self.may_end = asyncio.Event(), asyncio.Event()
        self.may_end.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.append(scope["path"])
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await self.may_end.wait()
        await send({"type": "http.response.body", "body": b"done"})


class House:
    """Some work behind an admission with little room."""

    def __init__(self, **timeouts: float) -> None:
        self.work = Work()
        self.admissions = Admissions(ROOM, asyncio.Semaphore(ROOM["places"]))
        options = {"client_timeout": 60.0, "request_timeout": 60.0} | timeouts
        self.admission = Admission(self.work, self.admissions, files={EXPORT}, **options)
        self.tasks: list[asyncio.Task[list[Message]]] = []

    async def comes(self, path: str, *pieces: bytes, is_all: bool = True) -> asyncio.Task[Any]:
        """Somebody with a request, which is looked at before this returns."""
        task = asyncio.create_task(self._ask(path, pieces, is_all))
        self.tasks.append(task)
        for _ in range(5):
            await asyncio.sleep(0)
        return task

    async def _ask(self, path: str, pieces: Sequence[bytes], is_all: bool) -> list[Message]:
        coming = [*pieces]
        sent: list[Message] = []

        async def receive() -> Message:
            if not coming and not is_all:
                await asyncio.Event().wait()
            return {
                "type": "http.request",
                "body": coming.pop(0) if coming else b"",
                "more_body": bool(coming) or not is_all,
            }

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"transfer-encoding", b"chunked")] if pieces else []
        await self.admission({"type": "http", "path": path, "headers": headers}, receive, send)
        return sent


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    for task in house.tasks:
        task.cancel()
    await asyncio.gather(*house.tasks, return_exceptions=True)
    assert house.admissions.taken.total() == 0
    assert not house.admissions.places.locked()


async def refused(task: asyncio.Task[Any]) -> Problem:
    with pytest.raises(Problem) as refusal:
        await task
    return refusal.value


async def test_who_finds_no_place_waits_and_comes_next(house: House) -> None:
    first, second = await house.comes("/1"), await house.comes("/2")
    assert house.work.begun == ["/1"]
    house.work.may_answer.set()
    await asyncio.gather(first, second)
    assert house.work.begun == ["/1", "/2"]


async def test_when_too_many_wait_the_next_is_sent_away_at_once(house: House) -> None:
    await house.comes("/1")
    await house.comes("/2")
    away = await refused(await house.comes("/3"))
    assert (away.status, away.code) == (HTTPStatus.SERVICE_UNAVAILABLE, "overloaded")
    assert int(away.headers["Retry-After"]) >= 1
    assert house.admissions.shed == {"requests": 1}
    assert house.work.begun == ["/1"]


async def test_whoever_is_slow_to_receive_takes_nobodys_place(house: House) -> None:
    house.work.may_answer.set()
    house.work.may_end.clear()
    for path in ("/1", "/2", "/3"):
        await house.comes(path)
    assert house.work.begun == ["/1", "/2", "/3"]


async def test_whoever_is_slow_to_send_takes_nobodys_place(house: House) -> None:
    for _ in range(3):
        await house.comes("/slow", b"a", is_all=False)
    await house.comes("/1", b"abc")
    assert house.work.begun == ["/1"]


async def test_bodies_share_the_memory_that_there_is_for_them(house: House) -> None:
    await house.comes("/1", b"a" * 6)
    away = await refused(await house.comes("/2", b"a", b"a" * 4))
    assert away.code == "overloaded"
    await house.comes("/3", b"a" * 4)
    assert house.admissions.shed == {"bytes": 1}
    assert house.admissions.taken == {"requests": 2, "bytes": 10}


async def test_a_file_has_its_place_to_the_end(house: House) -> None:
    house.work.may_answer.set()
    house.work.may_end.clear()
    await house.comes(EXPORT)
    assert (await refused(await house.comes(EXPORT))).code == "overloaded"
    await house.comes("/1")
    assert house.work.begun == [EXPORT, "/1"]
    assert house.admissions.shed == {"files": 1}


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_how_it_is_can_be_asked_however_full_it_is(house: House, path: str) -> None:
    await house.comes("/1")
    await house.comes("/2")
    await house.comes(path)
    assert house.work.begun == ["/1", path]


async def test_work_that_takes_too_long_is_waited_for_no_longer() -> None:
    house = House(request_timeout=0.01)
    working, waiting = await house.comes("/1"), await house.comes("/2")
    for late in (working, waiting):
        assert (await refused(late)).code == "unavailable"
    assert house.admissions.shed == {"time": 2}
    assert house.admissions.taken.total() == 0


async def test_an_answer_that_has_begun_may_take_its_time() -> None:
    house = House(request_timeout=0.01)
    house.work.may_answer.set()
    house.work.may_end.clear()
    task = await house.comes("/1")
    await asyncio.sleep(0.05)
    house.work.may_end.set()
    assert (await task)[-1]["body"] == b"done"


async def test_a_longer_body_may_take_longer() -> None:
    house = House(client_timeout=0.01)
    house.work.may_answer.set()
    done = await house.comes("/v1/products", *[b"a"] * 10)
    assert (await done)[-1]["body"] == b"done"


async def test_who_does_not_send_it_all_in_time_is_told_so() -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with opened_memory(client_timeout=0.05) as opened:
        api = await api_of(opened)
        for path, kind in (("/v1/products", JSON), ("/v1/products/import", "text/csv")):
            async with api.unchanged():
                late = await api.staff.post(path, content=stuck(), content_type=kind)
            problem(late, 408, "request-timeout")
            assert late.headers["Connection"] == "close"


async def test_what_is_not_waited_for_is_done_all_the_same_and_once() -> None:
    async with opened_memory(request_timeout=0.1) as opened:
        api = await api_of(opened)
        product = content(await api.staff.post("/v1/products", a_product(stock=10)), 201)
        locked = asyncio.Event()

        async def hold() -> None:
            async with opened.container.work() as work:
                await work.products.get(ProductId(UUID(product["id"])), lock=True)
                locked.set()
                await asyncio.sleep(0.3)

        holding = asyncio.create_task(hold())
        await locked.wait()
        late = await api.customer.post("/v1/orders", basket((product, 1)), key="key")
        problem(late, 503, "unavailable")
        await holding
        await opened.container.runner().drain(5.0)
        again = await api.customer.post("/v1/orders", basket((product, 1)), key="key")
        assert content(again, 201)["status"] == "pending"
        assert again.headers["Idempotent-Replayed"] == "true"
        assert await api.stock(product) == [9]
