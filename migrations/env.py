"""
How a revision reaches a database: what Alembic runs for every command that needs one.

`config.attributes` may hold `connection` (a synchronous one, which its owner guards against other
upgrades), `database_url` (else it is the one of the settings), `report` (told of every step) and
`pauses` (the seconds before each further try of a step that waited for a lock in vain).
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Collection, Iterator
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
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from infrastructure.sql.migrating import (
    CONNECT_WITHIN,
    SERVES_SINCE_IS_THERE_SINCE,
    VERSIONS,
    Report,
    comparison,
    oldest_served,
)
from infrastructure.sql.schema import AddressJson, CurrencyCode, EnumText, SlugList, UtcDateTime
from interfaces import settings
from migrations.online import LIMITS

LOCK: Final = int.from_bytes(b"tradepos")  # what everybody who migrates this database asks for
PATIENCE: Final = 600  # seconds, as all times here
PAUSE: Final = 0.1
PATIENCE_WITH_A_FILE: Final = 60  # less, because nothing can interrupt SQLite while it waits
TRIES: Final = 30  # to get the locks of a step
BETWEEN_TRIES: Final = (1.0, 10.0)
KEPT_WAITING: Final = {"55P03": "for its lock was not free", "40P01": "for it was in a deadlock"}
POSTGRESQL_SETTINGS: Final = {
    "application_name": "tradepost db",
    "timezone": "UTC",
    **LIMITS,
    "idle_in_transaction_session_timeout": "60s",
}

config: Final = context.config
TELL: Final[Report] = config.attributes.get("report", config.print_stdout)


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
    dialect = url.get_backend_name()
    context.configure(
        url=url, literal_binds=True, on_version_apply=note_whom_it_serves, **options(dialect)
    )
    if dialect != "sqlite":
        for name, value in POSTGRESQL_SETTINGS.items():
            context.execute(f"SET {name} = '{value}'")
    with context.begin_transaction():
        context.run_migrations()


def migrate(connection: Connection, tell: Report) -> None:
    """Run the steps and report each once it cannot be undone by the failure of a later one."""
    if connection.dialect.name != "sqlite":
        run(connection, tell)
        return
    done: list[str] = []
    with foreign_keys_aside(connection):
        run(connection, done.append)
    for line in done:
        tell(line)


def run(connection: Connection, tell: Report) -> None:
    def applied(
        ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: object
    ) -> None:
        note_whom_it_serves(ctx, step, heads, run_args)
        if isinstance(step.up_revision, Script) and step.is_migration:
            done = "upgraded to" if step.is_upgrade else "downgraded from"
            tell(f"{done} {step.up_revision.revision}: {step.up_revision.doc}")

    dialect = connection.dialect.name
    context.configure(connection=connection, on_version_apply=applied, **options(dialect))
    with context.begin_transaction():
        context.run_migrations()
        if dialect == "sqlite":
            refuse_orphans(connection)


def note_whom_it_serves(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: object
) -> None:
    """Write down the oldest version that works with the schema: it does not know of this step."""
    history = [*context.script.iterate_revisions(tuple(heads), "base")]
    if any(script.revision == SERVES_SINCE_IS_THERE_SINCE for script in history):
        ctx.execute(VERSIONS.update().values(serves_since=oldest_served(history)))


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
        migrate(connection, TELL)


async def migrate_server(url: URL) -> None:
    arguments = {"server_settings": POSTGRESQL_SETTINGS, "timeout": CONNECT_WITHIN}
    engine = create_async_engine(url, poolclass=NullPool, connect_args=arguments)
    at_random = [random.uniform(*BETWEEN_TRIES) for _ in range(TRIES - 1)]  # noqa: S311 (no secret)
    pauses = config.attributes.get("pauses", at_random)
    done: list[str] = []

    def tell(line: str) -> None:
        done.append(line)
        TELL(line)

    async with our_turn(engine):
        for pause in (*pauses, None):
            try:
                async with engine.connect() as connection:
                    await connection.run_sync(migrate, tell)
                return
            except DBAPIError as error:
                state = getattr(error.driver_exception, "sqlstate", None)
                if state not in KEPT_WAITING or pause is None or (done and counts_steps()):
                    raise
                statement = " ".join(str(error.statement).split())
            TELL(f"tried again in {pause:.0f} s, {KEPT_WAITING[state]}: {statement:.70}")
            await asyncio.sleep(pause)


def counts_steps() -> bool:
    """Whether we were asked for a number of steps: another try would do as many again."""
    return str(context.get_context().opts["destination_rev"]).startswith(("+", "-"))


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
    migrate(handed_in, TELL)
elif (url := database_url()).get_backend_name() == "sqlite":
    migrate_file(url)
else:
    asyncio.run(migrate_server(url))
