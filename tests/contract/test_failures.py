import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from sqlalchemy import Connection, event, exc, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from application.ordering.ports import OrderingWork
from application.shared.errors import (
    Busy,
    Deadlock,
    InUse,
    Overloaded,
    SerializationFailure,
    StorageFailure,
    Unavailable,
)
from infrastructure.sql.database import Limits
from infrastructure.sql.failures import meaning
from infrastructure.sql.migrating import Migrations
from tests.builders import BY_HAND, NOON, a_product
from tests.contract.backends import IMPATIENT, PostgresqlBackend, SqlBackend, SqliteBackend
from tests.contract.steps import product_in, waits
from tests.servers import postgres_cluster

NOBODY: Final = "postgresql+asyncpg://postgres@/contract?host="


@asynccontextmanager
async def another(backend: SqlBackend, limits: Limits) -> AsyncIterator[SqlBackend]:
    """The same database, seen by somebody who has other limits."""
    url = backend.engine.url.render_as_string(hide_password=False)
    async with type(backend).open(url, limits) as opened:
        yield opened


async def run(connection: AsyncConnection, *statements: str) -> None:
    for statement in statements:
        await connection.execute(text(statement))


# What happens where, by the code that PostgreSQL gives it.
SQLSTATES: Final[dict[str, type[StorageFailure] | type[InUse]]] = {
    "40001": SerializationFailure,
    "40P01": Deadlock,
    "55P03": Busy,
    "57014": Unavailable,
    "53000": Unavailable,
    "53100": Unavailable,
    "53200": Unavailable,
    "53300": Overloaded,
    "57P01": Unavailable,
    "57P02": Unavailable,
    "57P03": Unavailable,
    "57P05": Unavailable,
    "25P03": Unavailable,
    "58030": Unavailable,
    "08006": Unavailable,
    "08P01": Unavailable,
    "23503": InUse,
}


@pytest.mark.parametrize(("sqlstate", "failure"), SQLSTATES.items())
async def test_what_postgresql_reports_is_told_in_our_words(
    postgresql: PostgresqlBackend, sqlstate: str, failure: type[Exception]
) -> None:
    async with postgresql.engine.connect() as connection:
        with pytest.raises(failure):
            await run(
                connection, f"DO $$ BEGIN RAISE 'so it is' USING ERRCODE = '{sqlstate}'; END $$"
            )


@pytest.mark.parametrize("statement", ["SELECT nothing", "SELEC 1"])
async def test_what_is_a_defect_of_ours_stays_one(sql: SqlBackend, statement: str) -> None:
    async with sql.engine.connect() as connection:
        with pytest.raises(DBAPIError):
            await run(connection, statement)


async def test_a_broken_constraint_that_no_business_rule_explains_is_a_defect(
    sql: SqlBackend,
) -> None:
    mug = a_product()
    await sql.keep(mug)
    for statement in ("UPDATE products SET stock = -1", "UPDATE products SET name = NULL"):
        async with sql.engine.connect() as connection:
            with pytest.raises(IntegrityError):
                await run(connection, statement)


async def test_a_statement_that_takes_too_long_is_stopped(postgresql: PostgresqlBackend) -> None:
    async with (
        another(postgresql, Limits(statement_timeout=0.05)) as hasty,
        hasty.engine.connect() as connection,
    ):
        with pytest.raises(Unavailable, match="57014"):
            await run(connection, "SELECT pg_sleep(30)")


async def test_whoever_is_cancelled_meanwhile_learns_that_and_nothing_else(
    postgresql: PostgresqlBackend,
) -> None:
    async def sleep() -> None:
        async with postgresql.engine.connect() as connection:
            await run(connection, "SELECT pg_sleep(30)")

    sleeping = asyncio.create_task(sleep())
    assert await waits(sleeping)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping


async def test_whoever_waits_too_long_for_a_lock_is_stopped(postgresql: PostgresqlBackend) -> None:
    mug = a_product()
    await postgresql.keep(mug)
    async with another(postgresql, IMPATIENT) as hasty, postgresql.begin() as work:
        await product_in(work, mug, lock=True)
        async with hasty.engine.connect() as connection:
            with pytest.raises(Busy, match="55P03"):
                await run(connection, "UPDATE products SET stock = 0")


async def test_a_transaction_that_idles_too_long_is_ended(postgresql: PostgresqlBackend) -> None:
    mug = a_product()
    await postgresql.keep(mug)
    async with (
        another(postgresql, Limits(idle_in_transaction_timeout=0.05)) as hasty,
        hasty.begin() as work,
    ):
        product = await product_in(work, mug, lock=True)
        product.take(1, BY_HAND, at=NOON)
        await asyncio.sleep(0.3)
        with pytest.raises(Unavailable):
            await work.commit()
    assert await postgresql.stock(mug) == [10]


async def test_what_a_snapshot_cannot_show_is_a_failure_to_serialise(
    postgresql: PostgresqlBackend,
) -> None:
    mug = a_product(stock=5)
    await postgresql.keep(mug)
    async with postgresql.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        await run(connection, "SELECT stock FROM products")
        async with postgresql.begin() as faster:
            (await product_in(faster, mug)).take(1, BY_HAND, at=NOON)
            await faster.commit()
        with pytest.raises(SerializationFailure, match="40001"):
            await run(connection, "UPDATE products SET stock = stock - 1")


async def test_a_commit_can_fail_to_serialise_as_well(postgresql: PostgresqlBackend) -> None:
    mug, pot = a_product(stock=5), a_product(stock=5)
    await postgresql.keep(mug, pot)
    engine = postgresql.engine
    async with engine.connect() as first, engine.connect() as second:
        for connection, product in ((first, mug), (second, pot)):
            await connection.execution_options(isolation_level="SERIALIZABLE")
            await run(connection, "SELECT sum(stock) FROM products")
            await connection.execute(
                text("UPDATE products SET stock = 0 WHERE id = :id"), {"id": product.id}
            )
        await first.commit()
        with pytest.raises(SerializationFailure, match="40001"):
            await second.commit()
    assert await postgresql.stock(mug, pot) == [0, 5]


async def killed(postgresql: PostgresqlBackend, work: OrderingWork) -> None:
    """End the server's process that serves this unit of work, the only one that is busy."""
    await work.flush()
    async with postgresql.engine.connect() as connection:
        await run(
            connection,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'idle in transaction'"
            " AND pid <> pg_backend_pid()",
        )


@pytest.mark.parametrize("moment", ["read", "flush", "savepoint", "end of a savepoint", "commit"])
async def test_a_lost_connection_is_told_at_whatever_moment(
    postgresql: PostgresqlBackend, moment: str
) -> None:
    mug = a_product(stock=5)
    await postgresql.keep(mug)

    async def take_one() -> None:
        async with postgresql.begin() as work:
            product = await product_in(work, mug, lock=True)
            if moment == "end of a savepoint":
                async with work.savepoint():
                    product.take(1, BY_HAND, at=NOON)
                    await killed(postgresql, work)
            product.take(1, BY_HAND, at=NOON)
            await killed(postgresql, work)
            if moment == "read":
                await product_in(work, mug)
            elif moment == "savepoint":
                async with work.savepoint():
                    pytest.fail("it was set")
            elif moment == "flush":
                product.take(1, BY_HAND, at=NOON)
                await work.flush()
            await work.commit()

    with pytest.raises(Unavailable):
        await take_one()
    assert await postgresql.stock(mug) == [5]


async def test_a_lost_connection_is_replaced_before_anybody_notices(
    postgresql: PostgresqlBackend,
) -> None:
    mug = a_product(stock=5)
    await postgresql.keep(mug)
    async with postgresql.engine.connect() as connection:
        await run(
            connection,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        for _ in range(3):
            assert await postgresql.stock(mug) == [5]


async def test_a_database_that_was_stopped_is_away() -> None:
    mug = a_product()
    with TemporaryDirectory(prefix="tradepost-") as folder:
        async with AsyncExitStack() as stack:
            with postgres_cluster(Path(folder) / "cluster", durable=False) as cluster:
                cluster.create("shop")
                url = cluster.url("shop")
                await asyncio.to_thread(Migrations(url).upgrade)
                backend = await stack.enter_async_context(PostgresqlBackend.open(url))
                await backend.keep(mug)
                work = await stack.enter_async_context(backend.begin())
                (await product_in(work, mug)).take(1, BY_HAND, at=NOON)
                await work.flush()
            with pytest.raises(Unavailable):
                await work.commit()
            with pytest.raises(Unavailable):
                await backend.keep(a_product())
            with pytest.raises(Unavailable):
                await backend.stock(mug)


async def test_a_server_that_is_not_there_is_away(tmp_path: Path) -> None:
    async with PostgresqlBackend.open(f"{NOBODY}{tmp_path}") as backend:
        with pytest.raises(Unavailable):
            await backend.keep(a_product())


async def test_a_server_that_does_not_answer_is_away() -> None:
    silent = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    with TemporaryDirectory(prefix="tradepost-") as folder:
        server = await asyncio.start_unix_server(say_nothing, f"{folder}/.s.PGSQL.5432")
        async with server:
            async with PostgresqlBackend.open(
                f"{NOBODY}{folder}", Limits(connect_timeout=0.05)
            ) as backend:
                with pytest.raises(Unavailable):
                    await backend.keep(a_product())
            silent.set()


async def test_a_server_that_lets_nobody_in_is_away(postgresql: PostgresqlBackend) -> None:
    url = postgresql.engine.url.set(database="no_such_database")
    async with PostgresqlBackend.open(url.render_as_string()) as backend:
        with pytest.raises(Unavailable):
            await backend.keep(a_product())


async def test_a_server_with_too_many_guests_has_too_much_to_do(
    postgresql: PostgresqlBackend,
) -> None:
    async with postgresql.engine.begin() as connection:
        await run(connection, "CREATE ROLE guest LOGIN CONNECTION LIMIT 0")
    url = postgresql.engine.url.set(username="guest")
    async with PostgresqlBackend.open(url.render_as_string()) as backend:
        with pytest.raises(Overloaded):
            await backend.stock(a_product())


async def test_whoever_gets_no_connection_in_time_is_told_of_the_overload(sql: SqlBackend) -> None:
    mug = a_product()
    await sql.keep(mug)
    async with (
        another(sql, Limits(pool_size=1, max_overflow=0, pool_timeout=0.05)) as narrow,
        narrow.begin() as work,
    ):
        await product_in(work, mug)
        with pytest.raises(Overloaded):
            await narrow.categories.tree()
        with pytest.raises(Overloaded):
            await narrow.keep(a_product())


async def test_two_processes_do_not_write_the_same_file_at_once(sqlite: SqliteBackend) -> None:
    mug = a_product()
    await sqlite.keep(mug)
    async with another(sqlite, IMPATIENT) as elsewhere, sqlite.begin() as work:
        await product_in(work, mug)
        with pytest.raises(Busy, match="SQLITE_BUSY"):
            await elsewhere.keep(a_product())
        assert await elsewhere.left_open() == 0
        await work.commit()
        await elsewhere.keep(a_product())


@pytest.mark.parametrize(
    ("pragma", "reason"),
    [("max_page_count = 1", "SQLITE_FULL"), ("query_only = ON", "SQLITE_READONLY")],
)
async def test_a_file_that_cannot_be_written_to_is_away(
    sqlite: SqliteBackend, pragma: str, reason: str
) -> None:
    async with another(sqlite, Limits()) as unlucky, unlucky.engine.connect() as connection:
        await run(connection, f"PRAGMA {pragma}")
        with pytest.raises(Unavailable, match=reason):
            # More than fits into the pages that the file has, the empty ones included.
            await run(
                connection,
                "INSERT INTO outbox SELECT value, hex(zeroblob(999999)), value, 1, '', ''"
                " FROM json_each('[1, 2, 3, 4, 5, 6, 7, 8, 9]')",
            )


async def test_a_file_that_cannot_be_opened_is_away(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'nowhere' / 'shop.db'}"
    async with SqliteBackend.open(url) as backend:
        with pytest.raises(Unavailable, match="SQLITE_CANTOPEN"):
            await backend.keep(a_product())


def test_a_table_that_is_in_use_is_busy() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript("CREATE TABLE mugs (id); INSERT INTO mugs VALUES (1), (2)")
        reading = connection.execute("SELECT id FROM mugs")
        reading.fetchone()
        with pytest.raises(sqlite3.OperationalError) as raised:
            connection.execute("DROP TABLE mugs")
        reading.close()
    assert type(meaning(raised.value)) is Busy


async def test_a_commit_that_sqlite_refuses_leaves_no_transaction_behind(
    sqlite: SqliteBackend,
) -> None:
    def orphan(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.exec_driver_sql(
            "INSERT INTO order_lines VALUES ('a', 'nowhere', 1, 'nothing', '', '', 1, 'GBP', 1)"
        )

    async with another(sqlite, Limits(pool_size=1, max_overflow=0)) as narrow:
        event.listen(narrow.engine.sync_engine, "commit", orphan, once=True)
        with pytest.raises(InUse):
            await narrow.keep(a_product())
        await narrow.keep(mug := a_product())
        await sqlite.keep(pot := a_product())
        assert await narrow.stock(mug, pot) == [10, 10]


@pytest.mark.parametrize("error", [ValueError("no"), exc.InvalidRequestError("no")])
def test_what_is_no_error_of_a_database_means_nothing(error: Exception) -> None:
    assert meaning(error) is None
