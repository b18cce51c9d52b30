"""Whether the service lives and is ready, and what it answers when something under it fails."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from dependency_injector import providers
from sqlalchemy import text

from application.identity.ports import Holder
from application.shared.errors import (
    Busy,
    Deadlock,
    Overloaded,
    SerializationFailure,
    StaleWrite,
    StorageFailure,
    Unavailable,
)
from application.shared.unit_of_work import ATTEMPTS, Runner
from domain.identity.session import SessionId
from domain.identity.user import UserId
from infrastructure.memory.database import MemoryDatabase
from infrastructure.sql import readiness
from infrastructure.sql.migrating import Migrations
from tests.http.api import (
    FORM,
    NOWHERE,
    Api,
    Caller,
    Opened,
    a_product,
    a_registration,
    api_of,
    basket,
    content,
    in_memory,
    in_sql,
    opened_sql,
    problem,
)
from tests.servers import PostgresCluster

HEAD: Final = Migrations("sqlite+aiosqlite:///shop.db").head


async def test_it_lives_and_is_ready(api: Api) -> None:
    for path in ("/livez", "/readyz"):
        assert content(await api.nobody.get(path), 200) == {"status": "ok"}


@pytest.fixture
def behind(tmp_path: Path) -> str:
    """A file whose schema is one of long ago."""
    url = f"sqlite+aiosqlite:///{tmp_path}/shop.db"
    Migrations(url).upgrade("0001")
    return url


@pytest.fixture
def untouched(postgres: PostgresCluster) -> str:
    """A database in which nothing is."""
    name = f"http_untouched_{time.monotonic_ns()}"
    postgres.create(name)
    return postgres.url(name)


async def test_with_a_schema_of_long_ago_it_is_not_ready(behind: str) -> None:
    async with opened_sql("sqlite", behind) as opened:
        await is_not_ready(opened, f"the schema is at 0001, this version needs {HEAD}")


async def test_with_no_schema_at_all_it_is_not_ready(untouched: str) -> None:
    async with opened_sql("postgresql", untouched) as opened:
        await is_not_ready(opened, f"the schema is at nothing, this version needs {HEAD}")


@pytest.mark.parametrize(("since", "ready"), [(HEAD, True), ("9999", False)])
async def test_a_schema_that_is_ahead_will_do_if_it_was_made_for_this_version_too(
    untouched: str, since: str, ready: bool
) -> None:
    await asyncio.to_thread(Migrations(untouched).upgrade)
    async with opened_sql("postgresql", untouched) as opened:
        async with opened.container.engine().begin() as connection:
            ahead = text("UPDATE alembic_version SET version_num = '9999', serves_since = :since")
            await connection.execute(ahead, {"since": since})
        if ready:
            assert content(await Caller(opened.http).get("/readyz"), 200) == {"status": "ok"}
        else:
            await is_not_ready(opened, f"the schema is at 9999, this version needs {HEAD}")


async def is_not_ready(opened: Opened, reason: str) -> None:
    nobody = Caller(opened.http)
    refused = await nobody.get("/readyz")
    assert problem(refused, 503, "unavailable")["detail"] == reason
    assert int(refused.headers["Retry-After"]) >= 1
    assert (await nobody.get("/livez")).status_code == 200


class Clock:
    """Takes the place of the module `time` where readiness looks at it."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


async def test_what_it_says_is_kept_for_a_second(
    behind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(readiness, "time", clock)
    async with opened_sql("sqlite", behind) as opened:
        nobody = Caller(opened.http)
        assert (await nobody.get("/readyz")).status_code == 503
        await asyncio.to_thread(Migrations(behind).upgrade)
        clock.now += 0.9
        assert (await nobody.get("/readyz")).status_code == 503
        clock.now += 0.2
        assert (await nobody.get("/readyz")).status_code == 200
        await asyncio.to_thread(Migrations(behind).downgrade, "0001")
        clock.now += 0.9
        assert (await nobody.get("/readyz")).status_code == 200
        clock.now += 0.2
        assert (await nobody.get("/readyz")).status_code == 503


@pytest.fixture
async def away(postgresql_url: str, tmp_path: Path) -> AsyncIterator[Opened]:
    """The service over a server that is not there."""
    nowhere, _, _ = postgresql_url.partition("?host=")
    async with opened_sql("postgresql", f"{nowhere}?host={tmp_path}") as opened:
        yield opened


async def test_while_the_database_is_away_it_lives_and_is_not_ready(away: Opened) -> None:
    await is_not_ready(away, "the database does not answer")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/products", None),
        ("GET", f"/v1/products/{NOWHERE}", None),
        ("GET", "/v1/categories", None),
        ("GET", "/v1/orders", None),
        ("POST", "/v1/orders", {"items": [{"sku": "A", "quantity": 1}]}),
        ("POST", "/v1/products", a_product()),
        ("POST", "/v1/products?dry_run=true", a_product()),
        ("PATCH", f"/v1/products/{NOWHERE}", {"name": "x"}),
        ("DELETE", f"/v1/products/{NOWHERE}", None),
        ("POST", "/v1/users", a_registration()),
    ],
)
async def test_a_database_that_is_away_is_503_and_never_500(
    away: Opened, method: str, path: str, body: Any
) -> None:
    nobody = UUID(NOWHERE)
    token = away.container.tokens().issue(Holder(UserId(nobody), SessionId(nobody)))
    for key in (None, "key"):
        refused = await Caller(away.http, token=token).send(method, path, body, key=key)
        problem(refused, 503, "unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
    form = b"grant_type=password&username=a&password=b"
    refused = await Caller(away.http).post("/v1/auth/token", content=form, content_type=FORM)
    problem(refused, 503, "unavailable")


async def test_connections_that_were_cut_are_replaced_without_a_word(postgresql: Opened) -> None:
    api = await api_of(postgresql)
    await asyncio.gather(*(api.nobody.get("/v1/products") for _ in range(20)))
    async with postgresql.container.engine().connect() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    answers = await asyncio.gather(*(api.nobody.get("/v1/products") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}


@pytest.fixture(params=["sqlite", "postgresql"])
def stored(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The name and the URL of a database."""
    return request.param, request.getfixturevalue(f"{request.param}_url")


async def test_when_no_connection_is_free_in_time_it_says_so(stored: tuple[str, str]) -> None:
    async with opened_sql(*stored, pool_size=1, max_overflow=0, pool_timeout=0.05) as opened:
        api = await api_of(opened)
        async with opened.container.engine().connect():
            for refused in (
                await api.nobody.get("/v1/tags"),
                await api.staff.post("/v1/products", a_product(), key="key"),
            ):
                problem(refused, 503, "overloaded")
                assert int(refused.headers["Retry-After"]) >= 1
        assert (await api.nobody.get("/v1/tags")).status_code == 200


@pytest.fixture
def database(api: Api) -> MemoryDatabase:
    found: MemoryDatabase = api.container.memory()
    return found


@in_memory
@pytest.mark.parametrize("key", [None, "key"])
async def test_a_commit_that_fails_keeps_nothing_and_can_be_tried_again(
    api: Api, database: MemoryDatabase, key: str | None
) -> None:
    product = await api.product()
    async with api.unchanged():
        database.fail_next_commit(Unavailable())
        refused = await api.customer.post("/v1/orders", basket((product, 1)), key=key)
    problem(refused, 503, "unavailable")
    assert int(refused.headers["Retry-After"]) >= 1
    placed = await api.customer.post("/v1/orders", basket((product, 1)), key=key)
    assert content(placed, 201)["status"] == "pending"
    assert "Idempotent-Replayed" not in placed.headers


PASSING: Final = (StaleWrite, Deadlock, SerializationFailure, Busy)


@in_memory
@pytest.mark.parametrize("failure", PASSING)
@pytest.mark.parametrize("key", [None, "key"])
async def test_what_passes_is_tried_again_by_itself(
    api: Api, database: MemoryDatabase, failure: type[StorageFailure], key: str | None
) -> None:
    product = await api.product()
    database.fail_next_commit(failure())
    placed = await api.customer.post("/v1/orders", basket((product, 1)), key=key)
    assert content(placed, 201)["status"] == "pending"
    assert await api.stock(product) == [9]
    assert await api.total("/v1/orders") == 1


@pytest.fixture
def at_once(api: Api) -> Iterator[Runner]:
    """Tries again without a pause."""

    async def no_pause(_: float) -> None:
        return

    runner = Runner(pause=no_pause)
    with api.container.runner.override(providers.Object(runner)):
        yield runner


@in_memory
@pytest.mark.parametrize("failure", [*PASSING, Overloaded])
@pytest.mark.parametrize("key", [None, "key"])
async def test_what_does_not_pass_is_given_up_at_last(
    api: Api,
    database: MemoryDatabase,
    at_once: Runner,
    monkeypatch: pytest.MonkeyPatch,
    failure: type[StorageFailure],
    key: str | None,
) -> None:
    product = await api.product()
    tries = 0

    def fail(*_: object, **__: object) -> None:
        nonlocal tries
        tries += 1
        raise failure

    async with api.unchanged():
        with monkeypatch.context() as patch:
            patch.setattr(database, "apply", fail)
            refused = await api.customer.post("/v1/orders", basket((product, 1)), key=key)
    problem(refused, 503, "overloaded")
    assert int(refused.headers["Retry-After"]) >= 1
    assert tries == (ATTEMPTS if failure in PASSING else 1)
    assert at_once.retries.total() == tries - 1
    again = await api.customer.post("/v1/orders", basket((product, 1)), key=key)
    assert content(again, 201)["status"] == "pending"


class Mishap(Exception):
    """Something that nobody foresaw."""


@in_memory
async def test_what_nobody_foresaw_is_a_problem_without_details(api: Api) -> None:
    def fail() -> None:
        raise Mishap("SELECT password_hash FROM users")

    with api.container.browsing.override(providers.Callable(fail)):
        refused = await api.nobody.get("/v1/products", headers={"X-Request-Id": "mishap-1"})
    assert problem(refused, 500, "internal-error")["request_id"] == "mishap-1"


@in_memory
async def test_what_nobody_foresaw_keeps_nothing_not_even_its_key(
    api: Api, database: MemoryDatabase
) -> None:
    product = await api.product()
    async with api.unchanged():
        database.fail_next_commit(Mishap())
        refused = await api.customer.post("/v1/orders", basket((product, 1)), key="key")
    problem(refused, 500, "internal-error")
    placed = await api.customer.post("/v1/orders", basket((product, 1)), key="key")
    assert content(placed, 201)["status"] == "pending"


@in_sql
async def test_a_client_that_goes_away_leaves_nothing_half_done(api: Api) -> None:
    product = await api.product(stock=1_000)
    for n in range(40):
        request = asyncio.create_task(api.customer.post("/v1/orders", basket((product, 1))))
        await asyncio.sleep(n * 0.0005)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
    await api.container.runner().drain(30)
    orders = await api.total("/v1/orders")
    assert await api.stock(product) == [1_000 - orders]
