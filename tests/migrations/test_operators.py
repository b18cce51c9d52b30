"""Several operators, each of whom thinks that the upgrade is theirs to do."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from alembic import command
from sqlalchemy import NullPool, create_engine, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from infrastructure.sql.migrating import Migrations
from tests.migrations import revisions
from tests.migrations.databases import Database, PostgresDatabase, alembic, contents, rows

LOCK: Final = 0x7472_6164_6570_6F73
PATIENCE: Final = 60.0  # seconds

Operator = subprocess.Popen[str]


@contextmanager
def operators(folder: Path, number: int, *arguments: str) -> Iterator[list[Operator]]:
    """That many, who stand ready and wait for a word."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.migrations.upgrading", *arguments],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(number)
    ]
    try:
        for operator in started:
            assert operator.stdout is not None
            assert operator.stdout.readline() == "ready\n"
        yield started
    finally:
        for operator in started:
            operator.kill()
            operator.communicate()


def give_the_word(operator: Operator) -> None:
    assert operator.stdin is not None
    operator.stdin.write("\n")
    operator.stdin.flush()


def steps_of(operator: Operator) -> list[str]:
    """What was done by one who must have succeeded."""
    output, errors = operator.communicate(timeout=PATIENCE)
    assert operator.returncode == 0, errors
    return output.splitlines()


def test_of_five_who_upgrade_at_once_one_does_it(database: Database, tmp_path: Path) -> None:
    with operators(tmp_path, 5, database.url) as team:
        for operator in team:
            give_the_word(operator)
        done = [steps_of(operator) for operator in team]
    assert sorted(map(len, done))[:4] == [0, 0, 0, 0]
    migrations = Migrations(database.url)
    assert max(map(len, done)) == len(migrations.history())
    assert migrations.check().fits
    assert len(contents(database)["categories"]) == 4


@pytest.fixture
def postgresql(empty_postgresql: Callable[[], PostgresDatabase]) -> PostgresDatabase:
    return empty_postgresql()


def test_an_index_is_built_while_others_wait_for_their_turn(
    postgresql: PostgresDatabase, tmp_path: Path
) -> None:
    step = revisions.NEW_TABLE.format(name="first")
    folder = revisions.write(tmp_path, a=step, b=revisions.INDEX)
    with operators(tmp_path, 4, postgresql.url, str(folder)) as team:
        for operator in team:
            give_the_word(operator)
        done = [steps_of(operator) for operator in team]
    assert sorted(done) == [[], [], [], ["upgraded to a: step a", "upgraded to b: step b"]]
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_first_id'::regclass"
    assert rows(postgresql, valid) == [(True,)]


async def count(connection: AsyncConnection, query: str) -> int:
    return int(await connection.scalar(text(query)) or 0)


async def test_when_the_one_who_upgrades_dies_the_next_goes_on(
    postgresql: PostgresDatabase, tmp_path: Path
) -> None:
    # Each look by itself: an index is not made while an older transaction is open.
    engine = create_async_engine(postgresql.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    holder, observer = await engine.connect(), await engine.connect()
    # Within a transaction the view of activity stays the same, and new indexes wait for its end.
    await observer.execution_options(isolation_level="AUTOCOMMIT")
    await holder.execute(select(func.pg_advisory_lock(LOCK)))
    pid = await holder.scalar(select(func.pg_backend_pid()))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_try_advisory_lock%'"
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    with operators(tmp_path, 1, postgresql.url) as (operator,):
        give_the_word(operator)
        give_up = time.monotonic() + PATIENCE
        while await count(observer, f"{waiting} AND pid <> pg_backend_pid()") == 0:
            assert time.monotonic() < give_up
            assert operator.poll() is None
        assert await count(observer, tables) == 0
        await observer.execute(select(func.pg_terminate_backend(pid)))
        assert steps_of(operator)[0] == "upgraded to 0001: initial schema"
    assert await count(observer, tables) > 1
    await holder.invalidate()
    await holder.close()
    await observer.close()


SHOP: Final = {
    "a": revisions.NEW_TABLE.format(name="first"),
    "b": revisions.NEW_TABLE.format(name="second"),
    "c": 'op.execute("ALTER TABLE first ADD COLUMN name TEXT")',
}
WAITED: Final = (
    "tried again in 0 s, for its lock was not free: ALTER TABLE first ADD COLUMN name TEXT"
)


class Reader:
    """Somebody who reads a table of the shop and takes their time."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._engine = create_engine(database.url.replace("asyncpg", "psycopg"))
        self._connection = self._engine.connect()

    def read(self) -> None:
        self._connection.execute(text("SELECT count(*) FROM first"))

    def leave(self) -> None:
        self._connection.close()
        self._engine.dispose()


@pytest.fixture
def reader(postgresql: PostgresDatabase) -> Iterator[Reader]:
    reader = Reader(postgresql)
    yield reader
    reader.leave()


def test_a_step_that_waited_in_vain_is_tried_again_and_those_before_it_are_not(
    postgresql: PostgresDatabase, reader: Reader, tmp_path: Path
) -> None:
    config = alembic(postgresql.url, revisions.write(tmp_path, **SHOP))
    command.upgrade(config, "a")
    told: list[str] = []

    def listen(line: str) -> None:
        told.append(line)
        if told.count(WAITED) == 2:
            reader.leave()

    config.attributes.update(report=listen, pauses=[0.0] * 3)
    reader.read()
    command.upgrade(config, "head")
    assert told == ["upgraded to b: step b", WAITED, WAITED, "upgraded to c: step c"]


def test_who_waited_in_vain_too_often_gives_up_and_can_come_back(
    postgresql: PostgresDatabase, reader: Reader, tmp_path: Path
) -> None:
    config = alembic(postgresql.url, revisions.write(tmp_path, **SHOP))
    command.upgrade(config, "a")
    config.attributes["pauses"] = [0.0]
    reader.read()
    with pytest.raises(DBAPIError, match="lock timeout"):
        command.upgrade(config, "head")
    assert Migrations(postgresql.url).current() == "b"
    reader.leave()
    command.upgrade(config, "head")
    assert Migrations(postgresql.url).current() == "c"


def test_a_number_of_steps_is_never_more_than_that(
    postgresql: PostgresDatabase, reader: Reader, tmp_path: Path
) -> None:
    """To try two again after one of them was done would be three."""
    config = alembic(postgresql.url, revisions.write(tmp_path, **SHOP))
    command.upgrade(config, "a")
    config.attributes["pauses"] = [0.0] * 3
    reader.read()
    with pytest.raises(DBAPIError, match="lock timeout"):
        command.upgrade(config, "+2")
    assert Migrations(postgresql.url).current() == "b"


def test_a_failure_that_time_does_not_heal_is_not_tried_again(
    postgresql: PostgresDatabase, tmp_path: Path
) -> None:
    told: list[str] = []
    config = alembic(postgresql.url, revisions.write(tmp_path, a=revisions.FAILURE))
    config.attributes["report"] = told.append
    with pytest.raises(DBAPIError, match="no_such_table"):
        command.upgrade(config, "head")
    assert told == []


def test_a_busy_table_is_not_waited_for_long(postgresql: PostgresDatabase, tmp_path: Path) -> None:
    """All who come later would wait behind a migration that waits."""
    shown = "op.execute(f\"CREATE TABLE limits AS SELECT current_setting('lock_timeout') AS lock\")"
    command.upgrade(alembic(postgresql.url, revisions.write(tmp_path, a=shown)), "head")
    assert rows(postgresql, "SELECT lock FROM limits") == [("500ms",)]
