from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import pytest

from infrastructure.sql.migrating import Migrations
from tests.http.api import Api, Opened, api_of, opened_memory, opened_sql
from tests.servers import PostgresCluster

# The clocks of tests are moved ahead.
A_LONG_TIME_HENCE: Final = datetime(2999, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with our schema."""
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('http') / 'shop.db'}"
    Migrations(url).upgrade()
    return url


@pytest.fixture(scope="session")
def postgresql_url(postgres: PostgresCluster) -> str:
    """A database with our schema."""
    postgres.create("http")
    url = postgres.url("http")
    Migrations(url).upgrade()
    return url


@pytest.fixture(scope="session")
async def memory() -> AsyncIterator[Opened]:
    async with opened_memory() as opened:
        yield opened


@pytest.fixture(scope="session")
async def sqlite(sqlite_url: str) -> AsyncIterator[Opened]:
    async with opened_sql("sqlite", sqlite_url) as opened:
        yield opened


@pytest.fixture(scope="session")
async def postgresql(postgresql_url: str) -> AsyncIterator[Opened]:
    async with opened_sql("postgresql", postgresql_url) as opened:
        yield opened


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest) -> Opened:
    """The service over each storage in its turn, or over those that the test names."""
    chosen: Opened = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
async def api(opened: Opened) -> AsyncIterator[Api]:
    """The service, in whose books everything has to be true afterwards, whatever it was asked."""
    api = await api_of(opened)
    yield api
    if opened.storage.name == "memory":  # in no time
        verdicts = await opened.container.audits().verdicts(at=A_LONG_TIME_HENCE)
        assert [verdict for verdict in verdicts if verdict.offenders] == []
