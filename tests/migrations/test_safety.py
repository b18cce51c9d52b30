"""What a step that alters tables, or fails, leaves of the rows."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from infrastructure.sql.database import Limits, connect
from infrastructure.sql.migrating import Migrations
from tests.migrations import revisions
from tests.migrations.databases import Database, SqliteFile, alembic, rows

CHILDREN: Final = (
    "SELECT 'c', id, parent_id FROM child_c UNION ALL SELECT 's', id, parent_id FROM child_s"
)
ALL: Final = [(kind, number, number) for kind in "cs" for number in (1, 2, 3)]


@pytest.fixture
def family(empty_sqlite: Callable[[], SqliteFile], tmp_path: Path) -> SqliteFile:
    """Three parents, each with a child that goes with it and one that would forget it."""
    database = empty_sqlite()
    (tmp_path / "first").mkdir()
    folder = revisions.write(tmp_path / "first", a=revisions.PARENT_AND_CHILDREN)
    command.upgrade(alembic(database.url, folder), "head")
    return database


def upgrade_through_the_application(database: Database, folder: Path) -> list[int]:
    """Upgrade on a connection that keeps foreign keys; returns whether it does, then and after."""
    config = alembic(database.url, folder)

    def migrate(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async def run() -> list[int]:
        engine = connect(database.url, Limits())
        kept = []
        async with engine.connect() as connection:
            for work in (lambda _: None, migrate):
                await connection.run_sync(work)
                kept.append((await connection.exec_driver_sql("PRAGMA foreign_keys")).scalar_one())
                await connection.rollback()
        await engine.dispose()
        return kept

    return asyncio.run(run())


def test_a_table_that_is_altered_keeps_what_refers_to_it(
    family: SqliteFile, tmp_path: Path
) -> None:
    before = family.schema()
    steps = {"a": revisions.PARENT_AND_CHILDREN, "b": revisions.NEW_COLUMN}
    command.upgrade(alembic(family.url, revisions.write(tmp_path, **steps)), "head")
    assert rows(family, CHILDREN) == ALL
    assert set(family.schema()) - set(before) == {"parent: name VARCHAR(20)"}
    assert set(before) <= set(family.schema())


def test_the_same_holds_on_a_connection_that_keeps_foreign_keys(
    family: SqliteFile, tmp_path: Path
) -> None:
    steps = {"a": revisions.PARENT_AND_CHILDREN, "b": revisions.NEW_COLUMN}
    kept = upgrade_through_the_application(family, revisions.write(tmp_path, **steps))
    assert kept == [1, 1]
    assert rows(family, CHILDREN) == ALL
    assert "parent: name VARCHAR(20)" in family.schema()


async def test_a_transaction_that_keeps_foreign_keys_is_refused(
    family: SqliteFile, tmp_path: Path
) -> None:
    steps = {"a": revisions.PARENT_AND_CHILDREN, "b": revisions.NEW_COLUMN}
    config = alembic(family.url, revisions.write(tmp_path, **steps))
    engine = connect(family.url, Limits())

    def migrate(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with engine.begin() as connection:
        with pytest.raises(CommandError, match="a transaction is open"):
            await connection.run_sync(migrate)
    await engine.dispose()


def test_rows_that_would_refer_to_nothing_stop_the_upgrade(
    family: SqliteFile, tmp_path: Path
) -> None:
    steps = {"a": revisions.PARENT_AND_CHILDREN, "b": revisions.ORPHANS}
    with pytest.raises(CommandError, match=r"2 rows .*child_c to parent, child_s to parent"):
        command.upgrade(alembic(family.url, revisions.write(tmp_path, **steps)), "head")
    assert rows(family, "SELECT count(*) FROM parent") == [(3,)]
    assert Migrations(family.url).current() == "a"


def test_what_fails_half_way_leaves_nothing_behind(database: Database, tmp_path: Path) -> None:
    reported: list[str] = []
    steps = {
        "a": revisions.NEW_TABLE.format(name="first"),
        "b": revisions.NEW_TABLE.format(name="second") + "\n" + revisions.FAILURE,
    }
    config = alembic(database.url, revisions.write(tmp_path, **steps))
    config.attributes["report"] = reported.append
    with pytest.raises(DBAPIError, match="no_such_table"):
        command.upgrade(config, "head")

    assert not any("second" in part for part in database.schema())
    current = Migrations(database.url).current()
    # What was reported is there: on PostgreSQL each step for itself, on SQLite all or none.
    assert reported == ([] if current is None else ["upgraded to a: step a"])
    assert any("first" in part for part in database.schema()) is (current == "a")
    assert current == (None if isinstance(database, SqliteFile) else "a")
