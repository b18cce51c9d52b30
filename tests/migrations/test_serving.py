"""Which versions work with which schema, and what an embedded file keeps when it is upgraded."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from alembic import command

from infrastructure.sql.migrating import MigrationFailed, Migrations
from tests.migrations import revisions
from tests.migrations.databases import (
    Database,
    PostgresDatabase,
    SqliteFile,
    alembic,
    execute,
    rows,
    within,
)
from tests.migrations.test_offline import script
from tests.migrations.test_steps import SCRIPTS_IN_ORDER

HEAD: Final = Migrations("sqlite://").head
# Of the revisions whose every later one only adds: the first.
OLDEST: Final = [step.revision for step in SCRIPTS_IN_ORDER if not step.module.expands][-1]


def serves_since(database: Database) -> Any:
    ((since,),) = rows(database, "SELECT serves_since FROM alembic_version")
    return since


def advance(database: Database, revision: str, since: str | None) -> None:
    """What a version after this one would leave."""
    versions = sa.table("alembic_version", sa.column("version_num"), sa.column("serves_since"))
    left = versions.update().values(version_num=revision, serves_since=since)
    within(database, lambda connection: connection.execute(left))


def test_a_schema_tells_the_oldest_version_that_works_with_it(
    database: Database, migrations: Migrations
) -> None:
    migrations.upgrade()
    assert serves_since(database) == OLDEST
    migrations.downgrade("0001")
    assert rows(database, "SELECT * FROM alembic_version") == [("0001",)]
    migrations.upgrade()
    assert serves_since(database) == OLDEST


def test_so_does_one_that_was_made_by_hand(
    empty_postgresql: Callable[[], PostgresDatabase],
) -> None:
    database = empty_postgresql()
    database.execute(script(revision="head"))
    assert serves_since(database) == OLDEST


def test_a_version_works_with_a_later_schema_that_was_made_for_it_too(
    database: Database, migrations: Migrations
) -> None:
    migrations.upgrade()
    for works in (HEAD, "0001"):
        advance(database, "9999", works)
        assert migrations.objection() is None
        assert not migrations.is_behind()
    for fails in ("9998", None):  # a revision in between took something away
        advance(database, "9999", fails)
        assert migrations.objection() == f"the schema is at 9999, this version needs {HEAD}"


def test_a_version_works_with_no_earlier_schema(database: Database, migrations: Migrations) -> None:
    assert migrations.objection() == f"the schema is at nothing, this version needs {HEAD}"
    for step in SCRIPTS_IN_ORDER[:-1]:
        migrations.upgrade(step.revision)
        assert migrations.objection() == (
            f"the schema is at {step.revision}, this version needs {HEAD}"
        )
    migrations.upgrade()
    assert migrations.objection() is None


def test_a_schema_of_somebody_else_is_none_to_work_with(
    database: Database, migrations: Migrations, tmp_path: Path
) -> None:
    folder = revisions.write(tmp_path, theirs=revisions.NEW_TABLE.format(name="first"))
    command.upgrade(alembic(database.url, folder), "head")
    assert migrations.objection() == f"the schema is at theirs, this version needs {HEAD}"


@pytest.fixture
def file(empty_sqlite: Callable[[], SqliteFile]) -> SqliteFile:
    """One that an earlier version has left, with something in it."""
    database = empty_sqlite()
    Migrations(database.url).upgrade("0003")
    execute(database, "UPDATE categories SET name = 'Paper' WHERE name = 'Books'")
    return database


def copies(file: SqliteFile) -> list[Path]:
    return [path for path in sorted(file.path.parent.iterdir()) if path != file.path]


def contents_of(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [*connection.iterdump()]


def test_a_file_is_kept_as_it_was_before_it_is_upgraded(file: SqliteFile) -> None:
    before, told = contents_of(file.path), list[str]()
    Migrations(file.url).upgrade_file(told.append)
    (copy,) = copies(file)
    assert copy.name == f"{file.path.name}.0003"
    assert told[0] == f"kept as it was at 0003: {copy}"
    assert contents_of(copy) == before
    assert Migrations(file.url).check().fits

    # Whoever goes back to it may come again.
    copy.replace(file.path)
    Migrations(file.url).upgrade_file()
    assert contents_of(copy) == before


def test_a_file_that_needs_no_upgrade_is_not_copied(file: SqliteFile) -> None:
    Migrations(file.url).upgrade()
    Migrations(file.url).upgrade_file()
    advance(file, "9999", HEAD)
    Migrations(file.url).upgrade_file()
    assert copies(file) == []


def test_nor_is_one_that_is_made_only_now(empty_sqlite: Callable[[], SqliteFile]) -> None:
    database = empty_sqlite()
    Migrations(database.url).upgrade_file()
    assert Migrations(database.url).objection() is None
    assert copies(database) == []


def test_where_the_upgrade_fails_the_file_is_as_it_was_and_so_is_its_copy(
    file: SqliteFile,
) -> None:
    execute(file, "CREATE TABLE tags (in_the_way INTEGER)")
    before = contents_of(file.path)
    with pytest.raises(MigrationFailed, match="tags already exists"):
        Migrations(file.url).upgrade_file()
    (copy,) = copies(file)
    assert contents_of(file.path) == contents_of(copy) == before


def test_without_a_copy_there_is_no_upgrade(file: SqliteFile) -> None:
    file.path.with_name(f"{file.path.name}.0003").mkdir()
    with pytest.raises(MigrationFailed):
        Migrations(file.url).upgrade_file()
    assert Migrations(file.url).current() == "0003"
    assert [path.is_dir() for path in copies(file)] == [True]
