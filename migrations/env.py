"""
How a revision reaches a database: what Alembic runs for every command that needs one.

`config.attributes` may hold `connection` (a synchronous one, which its owner guards against other
upgrades), `database_url` (else it is the one of the settings) and `report` (told of every step).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy import (
    JSON,
    URL,
    Connection,
    NullPool,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from infrastructure.sql.migrating import CONNECT_WITHIN, comparison
from infrastructure.sql.schema import AddressJson, CurrencyCode, EnumText, SlugList, UtcDateTime
from interfaces import settings

LOCK: Final = int.from_bytes(b"tradepos")  # what everybody who migrates this database asks for
PATIENCE: Final = 600  # seconds, as all times here
PAUSE: Final = 0.1
PATIENCE_WITH_A_FILE: Final = 60  # less, because nothing can interrupt SQLite while it waits
# What waits for a lock makes all who come later wait for it, so it must not wait for long.
POSTGRESQL_SETTINGS: Final = {
    "application_name": "tradepost db",
    "timezone": "UTC",
    "lock_timeout": "500ms",
    "statement_timeout": "15min",
    "idle_in_transaction_session_timeout": "60s",
}

config: Final = context.config


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our types as those of SQLAlchemy: a revision must outlive the application's code."""
    if kind != "type":
        return False
    match item:
        case UtcDateTime():
            return "sa.DateTime(timezone=True)"
        case CurrencyCode():
            return "sa.String(3)"
        case EnumText():
            return "sa.String(20)"
        case JSON() | AddressJson() | SlugList():
            autogen.imports.add("from sqlalchemy.dialects import postgresql")
            return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


def options(dialect: str) -> dict[str, Any]:
    embedded = dialect == "sqlite"
    return {
        **comparison(dialect),
        "render_item": render_item,
        "render_as_batch": embedded,
        "transactional_ddl": True,
        # SQLite has no other lock than that of the one transaction in which all steps are done.
        "transaction_per_migration": not embedded,
    }


def database_url() -> URL:
    if given := config.attributes.get("database_url"):
        return make_url(given)
    try:
        return make_url(settings.load().database_url)
    except settings.UnusableSettings as error:
        raise CommandError(str(error)) from error


def write_sql(url: URL) -> None:
    context.configure(url=url, literal_binds=True, **options(url.get_backend_name()))
    with context.begin_transaction():
        context.run_migrations()


def migrate(connection: Connection) -> None:
    """Run the steps and report each once it cannot be undone by the failure of a later one."""
    tell = config.attributes.get("report", config.print_stdout)
    if connection.dialect.name != "sqlite":
        run(connection, tell)
        return
    done: list[str] = []
    with foreign_keys_aside(connection):
        run(connection, done.append)
    for line in done:
        tell(line)


def run(connection: Connection, tell: Callable[[str], object]) -> None:
    def applied(
        ctx: MigrationContext, step: MigrationInfo, heads: object, run_args: object
    ) -> None:
        if isinstance(step.up_revision, Script) and step.is_migration:
            done = "upgraded to" if step.is_upgrade else "downgraded from"
            tell(f"{done} {step.up_revision.revision}: {step.up_revision.doc}")

    dialect = connection.dialect.name
    context.configure(connection=connection, on_version_apply=applied, **options(dialect))
    with context.begin_transaction():
        context.run_migrations()
        if dialect == "sqlite":
            refuse_orphans(connection)


@contextmanager
def foreign_keys_aside(connection: Connection) -> Iterator[None]:
    """
    Let SQLite forget foreign keys meanwhile: a table is altered by replacing it, and DROP TABLE
    would delete, or set to NULL, what refers to the old one.
    """
    # Not through SQLAlchemy, which would begin a transaction: inside one the pragma does nothing.
    cursor = connection.connection.cursor()
    before = foreign_keys(cursor)
    cursor.execute("PRAGMA foreign_keys=OFF")
    if foreign_keys(cursor):
        raise CommandError("foreign keys cannot be set aside: a transaction is open already")
    try:
        yield
    finally:
        cursor.execute(f"PRAGMA foreign_keys={before:d}")
        cursor.close()


def foreign_keys(cursor: DBAPICursor) -> bool:
    cursor.execute("PRAGMA foreign_keys")
    return cursor.fetchone() == (1,)


def refuse_orphans(connection: Connection) -> None:
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if orphans:
        tables = ", ".join(sorted({f"{row.table} to {row.parent}" for row in orphans}))
        raise CommandError(f"{len(orphans)} rows would refer to nothing ({tables}): undone")


def migrate_file(url: URL) -> None:
    # Not through aiosqlite, whose thread has nobody to tell when a file cannot be opened.
    engine = create_engine(
        url.set(drivername="sqlite"),
        poolclass=NullPool,
        connect_args={"timeout": PATIENCE_WITH_A_FILE},
    )

    def leave_begin_to_us(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None

    def begin(connection: Connection) -> None:
        # Before anything is read: who comes second waits here and then finds nothing to do.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", leave_begin_to_us)
    event.listen(engine, "begin", begin)
    with engine.connect() as connection:
        migrate(connection)


async def migrate_server(url: URL) -> None:
    arguments = {"server_settings": POSTGRESQL_SETTINGS, "timeout": CONNECT_WITHIN}
    engine = create_async_engine(url, poolclass=NullPool, connect_args=arguments)
    async with our_turn(engine), engine.connect() as connection:
        await connection.run_sync(migrate)


@asynccontextmanager
async def our_turn(engine: AsyncEngine) -> AsyncIterator[None]:
    """The right to migrate this PostgreSQL database; it ends with the session that holds it."""
    async with engine.connect() as connection:
        # To wait in the server would hold a snapshot, which CREATE INDEX CONCURRENTLY waits for:
        # a deadlock. So we ask again and again, and outside of a transaction.
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        ask = select(func.pg_try_advisory_lock(LOCK))
        give_up = time.monotonic() + PATIENCE
        while not await connection.scalar(ask):
            if time.monotonic() > give_up:
                raise CommandError(f"another upgrade has held the lock for {PATIENCE} s")
            await asyncio.sleep(PAUSE)
        yield


if context.is_offline_mode():
    write_sql(database_url())
elif (handed_in := config.attributes.get("connection")) is not None:
    migrate(handed_in)
elif (url := database_url()).get_backend_name() == "sqlite":
    migrate_file(url)
else:
    asyncio.run(migrate_server(url))
