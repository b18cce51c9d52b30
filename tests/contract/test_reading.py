"""PostgreSQL, read by its own driver: the same rows, and the same words for what goes wrong."""

import asyncio
from typing import Final

import pytest
from sqlalchemy import bindparam, func, literal_column, select, text

from application.shared.errors import Overloaded, Unavailable
from domain.catalog.product import ProductId
from infrastructure.sql.catalog.mapping import products
from infrastructure.sql.database import Limits, connect
from infrastructure.sql.readers import PoolReader, reader_of
from infrastructure.sql.reading import Query
from tests.builders import a_product
from tests.contract.backends import PostgresqlBackend

NAMES: Final = Query(select(products.c.name).where(products.c.sku == bindparam("sku")))
SLOW: Final = Query(select(literal_column("pg_sleep(0.3)").label("slept")).select_from(products))
HOW_PLANNED: Final = select(func.current_setting("plan_cache_mode").label("plans"))
END_OF_READERS: Final = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%products%'"
)


async def test_a_connection_that_died_meanwhile_is_replaced(postgresql: PostgresqlBackend) -> None:
    mug = a_product(name="Mug")
    await postgresql.keep(mug)
    assert await postgresql.products.find(ProductId(mug.id))
    async with postgresql.engine.connect() as connection:
        ended = (await connection.execute(END_OF_READERS)).all()
    assert ended
    found = await postgresql.products.find(ProductId(mug.id))
    assert found is not None
    assert found.name == "Mug"


async def test_a_statement_survives_a_change_of_its_table(postgresql: PostgresqlBackend) -> None:
    mug = a_product()
    await postgresql.keep(mug)
    before = await postgresql.products.find(ProductId(mug.id))
    async with postgresql.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE products ADD COLUMN later integer"))
    try:
        assert await postgresql.products.find(ProductId(mug.id)) == before
    finally:
        async with postgresql.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE products DROP COLUMN later"))
    assert await postgresql.products.find(ProductId(mug.id)) == before


async def test_who_finds_no_connection_free_is_told_so(postgresql: PostgresqlBackend) -> None:
    await postgresql.keep(a_product())
    reader = PoolReader(postgresql.engine, Limits(pool_size=1, max_overflow=0, pool_timeout=0.05))
    try:
        first = asyncio.create_task(reader.rows(SLOW))
        await asyncio.sleep(0.1)
        with pytest.raises(Overloaded):
            await reader.rows(NAMES, sku="MUG")
        assert len(await first) == 1
        assert await reader.rows(NAMES, sku="MUG") == []
    finally:
        await reader.close()


async def test_a_statement_that_may_find_few_or_all_is_planned_each_time(
    postgresql: PostgresqlBackend,
) -> None:
    reader = PoolReader(postgresql.engine, Limits(pool_size=1, max_overflow=0))
    try:
        for varies, plans in ((False, "auto"), (True, "force_custom_plan"), (False, "auto")):
            [row] = await reader.rows(Query(HOW_PLANNED, varies=varies))
            assert row.plans == plans
    finally:
        await reader.close()


async def test_a_database_that_is_away_is_unavailable() -> None:
    engine = connect("postgresql+asyncpg://postgres@127.0.0.1:1/shop", Limits())
    reader = reader_of(engine, Limits())
    with pytest.raises(Unavailable):
        await reader.rows(NAMES, sku="MUG")
    await reader.close()
    await engine.dispose()
