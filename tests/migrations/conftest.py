from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from infrastructure.sql.migrating import Migrations
from tests.migrations.databases import Database, PostgresDatabase, SqliteFile
from tests.servers import PostgresCluster

_NUMBERS: Final = count()


@pytest.fixture
def empty_sqlite(tmp_path: Path) -> Callable[[], SqliteFile]:
    return lambda: SqliteFile(tmp_path / f"shop{next(_NUMBERS)}.db")


@pytest.fixture
def empty_postgresql(cluster: PostgresCluster) -> Callable[[], PostgresDatabase]:
    def create() -> PostgresDatabase:
        name = f"migrations{next(_NUMBERS)}"
        cluster.create(name)
        return PostgresDatabase(cluster, name)

    return create


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest) -> Callable[[], Database]:
    """Makes a database without a table, as often as it is called."""
    create: Callable[[], Database] = request.getfixturevalue(f"empty_{request.param}")
    return create


@pytest.fixture
def database(empty_database: Callable[[], Database]) -> Database:
    return empty_database()


@pytest.fixture
def migrations(database: Database) -> Migrations:
    return Migrations(database.url)
