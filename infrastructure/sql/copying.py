from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg
from sqlalchemy import Column, Dialect, Table, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from infrastructure.sql.failures import meaning

_BY_INDEX: Final = text("SET LOCAL enable_seqscan = off")

_HAS_DOUBLED: Final = text(
    "SELECT pg_relation_size(oid) > 2 * greatest(relpages, 10) * 8192"
    " FROM pg_class WHERE oid = to_regclass(:name)"
)


async def insert_many(
    session: AsyncSession, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """As many rows as there are, all with the same columns; on PostgreSQL by COPY."""
    if not rows:
        return
    connection = await session.connection()
    if connection.dialect.name == "sqlite":
        await connection.execute(insert(table), rows)
        return
    driver: Any = (await connection.get_raw_connection()).driver_connection
    # Else, in a table that is empty yet, references would be looked up row by row: their plans are
    # made once, with the first row. It also begins the transaction, if nothing else has.
    await connection.execute(_BY_INDEX)
    names = [*rows[0]]
    columns = [
        _bound([row[name] for row in rows], table.c[name], connection.dialect) for name in names
    ]
    try:
        await driver.copy_records_to_table(
            table.name, records=zip(*columns, strict=True), columns=names
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise meaning(error) or error from error


async def keep_statistics(session: AsyncSession, table: Table) -> None:
    """
    Let PostgreSQL look at a table that has doubled since it last did.

    By itself it does so some time after the commit, and until then plans for the old size.
    """
    connection = await session.connection()
    if connection.dialect.name == "sqlite":
        return
    name = connection.dialect.identifier_preparer.format_table(table)
    if await connection.scalar(_HAS_DOUBLED, {"name": name}):
        await connection.execute(text(f"ANALYZE {name}"))


def _bound(values: list[Any], column: Column[Any], dialect: Dialect) -> list[Any]:
    """The values as the driver takes them."""
    bind = column.type.dialect_impl(dialect).bind_processor(dialect)
    return [bind(value) for value in values] if bind else values
