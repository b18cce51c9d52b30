"""What each revision declares to lock and to rewrite, and what PostgreSQL says of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from alembic import command
from sqlalchemy import Connection, NullPool, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from tests.migrations import revisions
from tests.migrations.databases import (
    ROWS,
    PostgresDatabase,
    alembic,
    execute,
    fill,
    rows,
    tables_of,
)
from tests.migrations.test_steps import SCRIPTS_IN_ORDER
from tests.migrations.watching import Deeds, watched_upgrade
from tests.servers import PostgresCluster

REVISIONS: Final = {script.revision: script.module for script in SCRIPTS_IN_ORDER}
EXPANDING: Final = [name for name, module in REVISIONS.items() if module.expands]


@dataclass(frozen=True, slots=True)
class Step:
    deeds: Deeds
    refused: str | None  # what is wrong with rows that the version before writes


@pytest.fixture(scope="module")
def steps(cluster: PostgresCluster) -> dict[str, Step]:
    """Every step, on tables with rows in them."""
    cluster.create("watched")
    database = PostgresDatabase(cluster, "watched")
    taken = {}
    for number, revision in enumerate(REVISIONS):
        tables = tables_of(database)
        fill(database, first=2 * number * ROWS, tables=tables)
        deeds = asyncio.run(watched_upgrade(database, revision))
        refused = None
        if revision in EXPANDING:
            try:
                fill(database, first=(2 * number + 1) * ROWS, tables=tables)
            except DBAPIError as error:
                refused = str(error)
        taken[revision] = Step(deeds, refused)
    return taken


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_revision_locks_what_it_declares(steps: dict[str, Step], revision: str) -> None:
    assert steps[revision].deeds.locks == REVISIONS[revision].locks


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_revision_rewrites_what_it_declares(steps: dict[str, Step], revision: str) -> None:
    assert steps[revision].deeds.rewritten == {*REVISIONS[revision].rewrites}


@pytest.mark.parametrize("revision", EXPANDING)
def test_while_the_shop_is_open_no_writer_waits_for_a_whole_table(
    steps: dict[str, Step], revision: str
) -> None:
    assert steps[revision].deeds.scanned == set()
    assert steps[revision].deeds.rewritten == set()


@pytest.mark.parametrize("revision", EXPANDING)
def test_what_the_version_before_writes_is_taken_afterwards(
    steps: dict[str, Step], revision: str
) -> None:
    assert steps[revision].refused is None


@pytest.mark.parametrize("revision", REVISIONS)
def test_what_cannot_be_undone_comes_first_so_that_it_can_be_done_again(
    steps: dict[str, Step], revision: str
) -> None:
    in_transaction = steps[revision].deeds.in_transaction
    assert in_transaction == sorted(in_transaction)


BUSY: Final = """\
op.execute("CREATE TABLE busy (id INTEGER PRIMARY KEY, amount INTEGER)")
op.execute("INSERT INTO busy SELECT number, number FROM generate_series(1, 100) AS number")
"""
ONLINE: Final = """\
online.add_column("busy", "paid", "INTEGER DEFAULT 0 NOT NULL", {"ck_busy_paid": "paid >= 0"})
online.create_index("ix_busy_amount", "busy", ["amount"], where="amount > 0")
op.execute("CREATE TABLE quiet (id INTEGER PRIMARY KEY REFERENCES busy)")
"""
WRITERS_WAIT: Final = "SHARE ROW EXCLUSIVE"
NOBODY_READS: Final = "ACCESS EXCLUSIVE"
# What a revision may do to a busy table -> the lock, and whether it reads or writes all of it then.
DEEDS: Final = {
    "an index": ("CREATE INDEX ix ON busy (amount)", "SHARE", True, False),
    "a rule": ("ALTER TABLE busy ADD CHECK (amount > 0)", NOBODY_READS, True, False),
    "a later rule": ("ALTER TABLE busy ADD CHECK (id > 0) NOT VALID", NOBODY_READS, False, False),
    "a column": ("ALTER TABLE busy ADD paid INTEGER DEFAULT 0", NOBODY_READS, False, False),
    "a type": ("ALTER TABLE busy ALTER amount TYPE BIGINT", NOBODY_READS, True, True),
    "a reference": ("CREATE TABLE q (id INTEGER REFERENCES busy)", WRITERS_WAIT, False, False),
    "a row": ("INSERT INTO busy VALUES (0, 0)", None, False, False),
}


@pytest.mark.parametrize(("statement", "mode", "scans", "rewrites"), DEEDS.values(), ids=DEEDS)
async def test_what_a_revision_does_is_seen(
    empty_postgresql: Callable[[], PostgresDatabase],
    tmp_path: Path,
    statement: str,
    mode: str | None,
    scans: bool,
    rewrites: bool,
) -> None:
    database = empty_postgresql()
    folder = revisions.write(tmp_path, a=BUSY, b=f"op.execute({statement!r})")
    await asyncio.to_thread(command.upgrade, alembic(database.url, folder), "a")
    deeds = await watched_upgrade(database, "b", folder)
    assert deeds.locks == ({} if mode is None else {"busy": mode})
    assert deeds.scanned == ({"busy"} if scans else set())
    assert deeds.rewritten == ({"busy"} if rewrites else set())


class BrokenOff(Exception):
    """Somebody pulled the plug."""


async def break_off(database: PostgresDatabase, folder: Path, number: int) -> bool:
    """Upgrade, but be stopped in front of this statement; returns whether there was one."""
    engine = create_async_engine(database.url, poolclass=NullPool)
    config = alembic(database.url, folder)
    left = number

    def migrate(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise BrokenOff

    event.listen(engine.sync_engine, "before_cursor_execute", count)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
    except BrokenOff:
        return True
    return False


def test_what_was_broken_off_anywhere_can_be_done_again(
    empty_postgresql: Callable[[], PostgresDatabase], tmp_path: Path
) -> None:
    database = empty_postgresql()
    folder = revisions.write(tmp_path, a=BUSY, b=ONLINE)
    config = alembic(database.url, folder)
    command.upgrade(config, "head")
    wanted = database.schema()
    number = 0
    broken_off = True
    while broken_off:
        execute(database, "DROP TABLE quiet, busy", "DELETE FROM alembic_version")
        command.upgrade(config, "a")
        broken_off = asyncio.run(break_off(database, folder, number))
        command.upgrade(config, "head")
        assert database.schema() == wanted
        number += 1
    assert number > 10


async def leave_an_invalid_index(database: PostgresDatabase) -> None:
    engine = create_async_engine(database.url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(DBAPIError, match="division by zero"):
            await connection.exec_driver_sql(
                "CREATE INDEX CONCURRENTLY ix_busy_amount ON busy ((1 / (amount - 100)))"
            )


def test_an_index_that_could_not_be_built_is_built_the_next_time(
    empty_postgresql: Callable[[], PostgresDatabase], tmp_path: Path
) -> None:
    database = empty_postgresql()
    config = alembic(database.url, revisions.write(tmp_path, a=BUSY, b=ONLINE))
    command.upgrade(config, "a")
    asyncio.run(leave_an_invalid_index(database))
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_busy_amount'::regclass"
    assert rows(database, valid) == [(False,)]
    command.upgrade(config, "head")
    assert rows(database, valid) == [(True,)]
