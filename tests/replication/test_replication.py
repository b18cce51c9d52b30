"""A primary and its standby: what is read where, and who is asked when one of them is gone."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import literal_column, make_url, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from application.shared.errors import Unavailable
from application.shared.unit_of_work import Runner
from infrastructure.sql.database import Limits, connect, servers_of
from infrastructure.sql.migrating import Migrations
from infrastructure.sql.pages import AnyRow
from infrastructure.sql.readers import EngineReader, reader_of
from infrastructure.sql.reading import Query, Reader
from infrastructure.sql.standby import Standby
from infrastructure.sql.unit_of_work import SqlUnitOfWork
from tests.builders import a_user
from tests.http.api import (
    Api,
    Caller,
    Opened,
    a_product,
    api_of,
    content,
    opened_sql,
    settings,
)
from tests.replication.clusters import HOST, Server, servers

DATABASE: Final = "shop"
TIMES: Final = 10
WHERE: Final = Query(select(literal_column("pg_is_in_recovery()").label("standby")))


@pytest.fixture(scope="module")
def running() -> Iterator[list[Server]]:
    with servers() as running:
        running[0].set("log_statement", "all")
        running[0].ask(f"CREATE DATABASE {DATABASE}")
        Migrations(url_of(running[0])).upgrade()
        yield running


@pytest.fixture(scope="module")
def primary(running: list[Server]) -> Server:
    return running[0]


@pytest.fixture(scope="module")
def standby(running: list[Server]) -> Server:
    return copied(running, "standby")


@pytest.fixture(scope="module")
async def shop(primary: Server, standby: Server) -> AsyncIterator[Opened]:
    async with opened(primary, standby) as shop:
        yield shop


@pytest.fixture
async def api(shop: Opened) -> Api:
    return await api_of(shop)


def copied(running: list[Server], name: str) -> Server:
    running.append(running[0].copied(running[0].folder.with_name(name)))
    return running[-1]


def url_of(server: Server) -> str:
    return server.url(DATABASE).replace("postgresql:", "postgresql+asyncpg:")


def opened(primary: Server, standby: Server) -> AbstractAsyncContextManager[Opened]:
    return opened_sql("postgresql", url_of(primary), read_database_url=url_of(standby))


@asynccontextmanager
async def another_worker(api: Api, primary: Server, standby: Server) -> AsyncIterator[Api]:
    """The same people, served by another process of the service, but for the process."""
    async with opened(primary, standby) as other:
        people = {
            name: Caller(other.http, token=getattr(api, name).token)
            for name in ("nobody", "admin", "staff", "customer", "other")
        }
        yield Api(app=other.app, container=other.container, storage=other.storage, **people)


@contextmanager
def asked(server: Server) -> Iterator[list[str]]:
    """The tables that are read from this server during the block."""
    tables: list[str] = []
    before = len(server.log.read_text(encoding="utf-8"))
    yield tables
    tables += re.findall(r"\bFROM (\w+)", server.log.read_text(encoding="utf-8")[before:])


async def until_it_is_read(api: Api) -> None:
    """After a rest, which is short."""
    for _ in range(100):
        if await api.container.standby().has_caught_up():
            return
        await asyncio.sleep(0.1)
    pytest.fail("the standby stays behind")


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("/v1/products", "products"),
        ("/v1/products/by-sku/NONE", "products"),
        ("/v1/products/export", "products"),
        ("/v1/categories/tree", "categories"),
        ("/v1/posts", "posts"),
        ("/v1/tags", "tags"),
        ("/v1/orders", "orders"),
        ("/v1/accounts", "accounts"),
        ("/v1/reports/users", "users"),
    ],
)
async def test_what_is_only_looked_at_is_looked_at_in_the_standby(
    api: Api, primary: Server, standby: Server, path: str, table: str
) -> None:
    await until_it_is_read(api)
    with asked(standby) as there, asked(primary) as here:
        assert (await api.staff.get(path)).status_code in (200, 404)
    assert table in there
    assert table not in here


@pytest.mark.parametrize("path", ["/v1/users/me", "/v1/users/me/sessions", "/v1/notifications"])
async def test_who_somebody_is_nobody_asks_the_standby(
    api: Api, standby: Server, path: str
) -> None:
    await until_it_is_read(api)
    with asked(standby) as there:
        assert (await api.customer.get(path)).status_code == 200
    assert there == []


async def test_a_view_of_a_post_is_counted_although_it_is_looked_at(api: Api) -> None:
    written = {"title": "Mugs", "content": "We fire them twice."}
    post = content(await api.staff.post("/v1/posts", written), 201)
    await api.staff.post(f"/v1/posts/{post['id']}/publish")
    for views in (1, 2):
        read = content(await api.nobody.get("/v1/posts/by-slug/mugs"), 200)
        assert read["view_count"] == views


@pytest.mark.parametrize("delay", ["20ms", "1h"])
async def test_whoever_wrote_reads_it_whichever_process_is_asked(
    api: Api, primary: Server, standby: Server, delay: str
) -> None:
    standby.set("recovery_min_apply_delay", delay)
    try:
        async with another_worker(api, primary, standby) as other:
            for stock in range(TIMES):
                mug = content(await api.staff.post("/v1/products", a_product(stock=stock)), 201)
                found = content(await other.nobody.get(f"/v1/products/{mug['id']}"), 200)
                assert found["stock"] == stock
                items = {"items": [{"product_id": mug["id"], "quantity": 1}]}
                await other.staff.post(f"/v1/products/{mug['id']}/stock", a_delivery())
                order = content(await api.customer.post("/v1/orders", items), 201)
                assert content(await other.customer.get(f"/v1/orders/{order['id']}"), 200) == order
                listed = content(await other.customer.get("/v1/orders?limit=1"), 200)["items"]
                assert [one["id"] for one in listed] == [order["id"]]
    finally:
        standby.set("recovery_min_apply_delay", "0")
    await until_it_is_read(api)


def a_delivery() -> dict[str, object]:
    return {"change": 1, "reason": "delivery"}


async def test_a_standby_that_dies_takes_no_reader_with_it(
    running: list[Server], primary: Server, standby: Server
) -> None:
    doomed = copied(running, "doomed")
    async with opened(primary, doomed) as shop:
        api = await api_of(shop)
        mug = content(await api.staff.post("/v1/products", a_product()), 201)
        await until_it_is_read(api)

        async def read() -> None:
            for _ in range(2 * TIMES):
                content(await api.nobody.get(f"/v1/products/{mug['id']}"), 200)
                content(await api.nobody.get("/v1/products"), 200)

        readers = [asyncio.create_task(read()) for _ in range(4)]
        await asyncio.sleep(0.1)
        assert not any(reader.done() for reader in readers)
        doomed.kill()
        await asyncio.gather(*readers)
        assert not await shop.container.standby().has_caught_up()


async def test_a_standby_that_was_promoted_goes_its_own_way_alone(
    running: list[Server], primary: Server
) -> None:
    promoted = copied(running, "promoted")
    async with opened(primary, promoted) as shop:
        api = await api_of(shop)
        mug = content(await api.staff.post("/v1/products", a_product(name="Mug")), 201)
        await until_it_is_read(api)
        promoted.promote()
        promoted.ask("UPDATE products SET name = 'Cup'", DATABASE)
        found = content(await api.nobody.get(f"/v1/products/{mug['id']}"), 200)
        assert found["name"] == "Mug"


class Slow(Reader):
    """Answers when it may, and always the same."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def rows(self, query: Query, **values: object) -> Sequence[AnyRow]:
        self.asked += 1
        await self.may_answer.wait()
        row: AnyRow = query.compiled.row([0])
        return [row]

    def connections(self) -> None:
        return None

    async def close(self) -> None:
        """There is nothing to close."""


async def test_one_question_is_asked_for_all_who_came_before_it() -> None:
    primary, copy = Slow(), Slow()
    standby = Standby(primary, copy)
    copy.may_answer.set()
    waiting = [asyncio.create_task(standby.has_caught_up())]
    await asyncio.sleep(0.01)
    assert primary.asked == 1
    # These may know of what is not in the answer to the question that is under way.
    waiting += [asyncio.create_task(standby.has_caught_up()) for _ in range(5)]
    await asyncio.sleep(0.01)
    assert primary.asked == 1
    primary.may_answer.set()
    assert all(await asyncio.gather(*waiting))
    assert primary.asked == 2


@pytest.fixture
async def both(primary: Server, standby: Server) -> AsyncIterator[AsyncEngine]:
    """The standby first, which takes no writes."""
    engine = connect(several(standby, primary), Limits())
    yield engine
    await engine.dispose()


def several(*of: Server) -> str:
    places = ",".join(f"{HOST}:{server.port}" for server in of)
    url = f"postgresql://postgres@{places}/{DATABASE}"
    return settings(database_url=url).database_url


async def test_of_several_servers_the_one_that_takes_writes_is_found(both: AsyncEngine) -> None:
    reader = reader_of(both, Limits())
    async with both.begin() as connection:
        await connection.execute(text("DELETE FROM tags"))
    assert await reader.rows(WHERE) == [(False,)]
    await reader.close()


async def test_a_server_that_says_nothing_costs_only_its_own_time(primary: Server) -> None:
    with socket.create_server((HOST, 0)) as silent:
        limits = Limits(connect_timeout=0.5)
        url = several(Server(Path(), None, silent.getsockname()[1]), primary)
        engine = connect(url, limits)
        try:
            async with engine.connect() as one, engine.connect() as another:
                for connection in (one, another):
                    assert (await connection.execute(WHERE.select)).all() == [(False,)]
            # Who answered is asked first from then on.
            silent.settimeout(0.1)
            silent.accept()[0].close()
            with pytest.raises(TimeoutError):
                silent.accept()
        finally:
            await engine.dispose()


async def test_where_no_server_takes_writes_the_database_is_away(standby: Server) -> None:
    engine = connect(several(standby, standby), Limits())
    for reader in (EngineReader(engine), reader_of(engine, Limits())):
        with pytest.raises(Unavailable):
            await reader.rows(WHERE)
        await reader.close()
    await engine.dispose()


async def test_a_server_that_stops_taking_writes_is_left_and_the_work_done_again(
    primary: Server,
) -> None:
    engine = connect(url_of(primary), Limits(pool_size=1, max_overflow=0))
    async with engine.begin() as connection:
        await connection.execute(text("SET default_transaction_read_only = on"))
    attempts = 0

    async def write() -> None:
        nonlocal attempts
        attempts += 1
        async with SqlUnitOfWork(engine) as work:
            work.users.add(a_user(username="grace"))
            await work.commit()

    await Runner()(write)
    assert attempts == 2
    await engine.dispose()


async def test_a_machine_that_vanishes_is_missed_before_long(primary: Server) -> None:
    connection = await servers_of(make_url(url_of(primary)), Limits()).connect()
    stream = connection._transport.get_extra_info("socket")
    assert stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
    await connection.close()
