import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from infrastructure.memory.unit_of_work import open_shop
from infrastructure.sql.migrating import Migrations
from tests.contract.backends import (
    Backend,
    MemoryBackend,
    PostgresqlBackend,
    SqlBackend,
    SqliteBackend,
)
from tests.contract.side_by_side import SideBySide
from tests.servers import PostgresCluster


@pytest.fixture(scope="session")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with our schema."""
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sqlite') / 'contract.db'}"
    Migrations(url).upgrade()
    return url


@pytest.fixture(scope="session")
def postgresql_url(postgres: PostgresCluster) -> str:
    """A database with our schema."""
    postgres.create("contract")
    url = postgres.url("contract")
    Migrations(url).upgrade()
    return url


@pytest.fixture(scope="session")
async def open_sqlite(sqlite_url: str) -> AsyncIterator[SqliteBackend]:
    async with SqliteBackend.open(sqlite_url) as backend:
        yield backend


@pytest.fixture(scope="session")
async def open_postgresql(postgresql_url: str) -> AsyncIterator[PostgresqlBackend]:
    async with PostgresqlBackend.open(postgresql_url) as backend:
        await backend.notice_deadlocks_soon()
        yield backend


@pytest.fixture
async def memory() -> AsyncIterator[MemoryBackend]:
    backend = MemoryBackend(open_shop())
    yield backend
    assert not await backend.left_open()


@pytest.fixture
async def sqlite(open_sqlite: SqliteBackend) -> AsyncIterator[SqliteBackend]:
    await open_sqlite.clear()
    yield open_sqlite
    assert not await open_sqlite.left_open()


@pytest.fixture
async def postgresql(open_postgresql: PostgresqlBackend) -> AsyncIterator[PostgresqlBackend]:
    await open_postgresql.clear()
    yield open_postgresql
    assert not await open_postgresql.left_open()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each storage in its turn. One more is one more name here and a fixture of that name."""
    chosen: Backend = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture(params=["memory", "postgresql"])
def overlapping(request: pytest.FixtureRequest) -> Backend:
    """
    Each storage in which somebody else may write between what a unit of work reads and writes.

    In SQLite nobody may: there the second one waits, which test_locking.py shows.
    """
    chosen: Backend = request.getfixturevalue(request.param)
    assert chosen.writers_overlap
    return chosen


@pytest.fixture(params=["sqlite", "postgresql"])
def sql(request: pytest.FixtureRequest) -> SqlBackend:
    chosen: SqlBackend = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
async def impatient(backend: Backend) -> AsyncIterator[Backend]:
    """Each storage in its turn, but one that soon gives up waiting for a lock."""
    async with backend.impatient() as chosen:
        yield chosen
        assert not await chosen.left_open()


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """A loop of its own for what is no coroutine: connections belong to one loop."""
    with asyncio.Runner() as loop:
        yield loop


@pytest.fixture
def empty_shops(
    loop: asyncio.Runner, sqlite_url: str, postgresql_url: str
) -> Iterator[Callable[[], SideBySide]]:
    """Every storage side by side, as often as wanted, each time empty."""
    stack = AsyncExitStack()

    async def open_both() -> tuple[SqliteBackend, PostgresqlBackend]:
        return (
            await stack.enter_async_context(SqliteBackend.open(sqlite_url)),
            await stack.enter_async_context(PostgresqlBackend.open(postgresql_url)),
        )

    sqlite, postgresql = loop.run(open_both())

    def empty() -> SideBySide:
        for backend in (sqlite, postgresql):
            loop.run(backend.clear())
        return SideBySide([MemoryBackend(open_shop()), sqlite, postgresql], loop)

    try:
        yield empty
    finally:
        loop.run(stack.aclose())
