from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import asyncpg
from sqlalchemy import Column, Dialect, Table, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from infrastructure.sql.failures import meaning

Store = Callable[[], Awaitable[object]]

_BY_INDEX: Final = text("SET LOCAL enable_seqscan = off")

_HAS_GROWN: Final = text(
    "SELECT pg_relation_size(oid) > 4 * greatest(relpages, 10) * 8192"
    " FROM pg_class WHERE oid = to_regclass(:name)"
)


async def begin_inserting(session: AsyncSession) -> None:
    """What comes before the first `inserting` of a transaction."""
    connection = await session.connection()
    if connection.dialect.name == "postgresql":
        # Else, in a table that is empty yet, references would be looked up row by row: their plans
        # are made once, with the first row. It also begins the transaction, which COPY does not.
        await connection.execute(_BY_INDEX)


def inserting(session: AsyncSession, table: Table, rows: Sequence[Mapping[str, Any]]) -> Store:
    """
    What inserts as many rows as there are, all with the same columns; on PostgreSQL by COPY.

    All that is to be done with the values is done already, in the thread that calls this.
    """
    dialect = session.get_bind().dialect
    if dialect.name == "sqlite" or not rows:
        return partial(_insert, session, table, rows)
    columns = {
        name: _bound([row[name] for row in rows], table.c[name], dialect) for name in rows[0]
    }
    return partial(_copy, session, table, columns)


async def _insert(session: AsyncSession, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection = await session.connection()
        await connection.execute(insert(table), rows)


async def _copy(session: AsyncSession, table: Table, columns: Mapping[str, list[Any]]) -> None:
    connection = await session.connection()
    driver: Any = (await connection.get_raw_connection()).driver_connection
    try:
        await driver.copy_records_to_table(
            table.name, records=zip(*columns.values(), strict=True), columns=[*columns]
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise meaning(error) or error from error


async def keep_statistics(session: AsyncSession, table: Table) -> None:
    """
    Let PostgreSQL look at a table that has become four times as large since it last did.

    By itself it does so some time after the commit, and until then plans for the old size.
    """
    connection = await session.connection()
    if connection.dialect.name == "sqlite":
        return
    name = connection.dialect.identifier_preparer.format_table(table)
    if await connection.scalar(_HAS_GROWN, {"name": name}):
        await connection.execute(text(f"ANALYZE {name}"))


def _bound(values: list[Any], column: Column[Any], dialect: Dialect) -> list[Any]:
    """The values as the driver takes them."""
    bind = column.type.dialect_impl(dialect).bind_processor(dialect)
    return [bind(value) for value in values] if bind else values
