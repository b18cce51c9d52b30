"""The SQL that an operator reads first, and may apply by hand."""

from collections.abc import Callable
from typing import Final

from infrastructure.sql.migrating import Migrations
from tests.migrations.databases import PostgresDatabase, contents

NOWHERE: Final = "postgresql+asyncpg://nobody@127.0.0.1:1/nowhere"


def script(*, revision: str, back: bool = False) -> str:
    """What would be done, without a database."""
    parts: list[str] = []
    migrations = Migrations(NOWHERE)
    migrate = migrations.downgrade if back else migrations.upgrade
    migrate(revision, sql=True, report=parts.append)
    (text,) = parts
    return text


def test_the_script_does_what_an_upgrade_does(
    empty_postgresql: Callable[[], PostgresDatabase],
) -> None:
    online, offline = empty_postgresql(), empty_postgresql()
    Migrations(online.url).upgrade()
    offline.execute(script(revision="head"))
    assert offline.schema() == online.schema()
    assert contents(offline) == contents(online)
    assert Migrations(offline.url).check().fits


def test_the_script_leads_back_as_well(empty_postgresql: Callable[[], PostgresDatabase]) -> None:
    database = empty_postgresql()
    empty = database.schema()
    migrations = Migrations(database.url)
    migrations.upgrade()
    database.execute(script(revision=f"{migrations.head}:base", back=True))
    assert database.schema() == empty
    assert migrations.current() is None


def test_a_script_may_begin_at_a_revision(
    empty_postgresql: Callable[[], PostgresDatabase],
) -> None:
    database = empty_postgresql()
    migrations = Migrations(database.url)
    migrations.upgrade("0001")
    database.execute(script(revision="0001:head"))
    assert migrations.check().fits


def test_the_script_waits_no_longer_for_a_lock_than_an_upgrade_does() -> None:
    settings, _, _ = script(revision="0007:0008").partition("BEGIN;")
    assert "SET lock_timeout = '500ms';" in settings.splitlines()


def test_the_script_is_the_same_every_time() -> None:
    assert script(revision="head") == script(revision="head")
