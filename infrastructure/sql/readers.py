"""Who looks into the database: without a transaction, by the shortest way that there is."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from pydantic_core import from_json
from sqlalchemy.ext.asyncio import AsyncEngine

from application.shared.errors import Overloaded
from infrastructure.sql.database import Limits, servers_of
from infrastructure.sql.failures import meaning
from infrastructure.sql.pages import AnyRow
from infrastructure.sql.reading import Connections, Query, Reader
from infrastructure.sql.tally import count_statement

_STATEMENTS_KEPT: Final = 200  # prepared, in each connection
_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
)


class EngineReader(Reader):
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.dialect = engine.dialect.name

    async def rows(self, query: Query, **values: Any) -> Sequence[AnyRow]:
        async with self._engine.connect() as connection:
            found: Sequence[AnyRow] = (await connection.execute(query.select, values)).all()
        return found

    def connections(self) -> None:
        """The engine is somebody else's."""

    async def close(self) -> None:
        """As its connections are."""


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    _plans = "auto"

    async def plan(self, plans: str) -> None:
        """How prepared statements are planned from now on, if it is not so already."""
        if plans != self._plans:
            await self.execute(f"SET plan_cache_mode = {plans}")
            self._plans = plans

    async def reset(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 (not ours)
        """Whoever had it read with single statements, which leave nothing behind."""


class PoolReader(Reader):
    """PostgreSQL by its own driver: no transaction, no ping before and no reset after."""

    def __init__(self, engine: AsyncEngine, limits: Limits) -> None:
        self._servers = servers_of(engine.url, limits)
        self.dialect = engine.dialect.name
        self._limits = limits
        self._opening = asyncio.Lock()
        self._pool: asyncpg.Pool | None = None

    async def rows(self, query: Query, **values: Any) -> Sequence[AnyRow]:
        compiled = query.compiled
        arguments = compiled.arguments(values)
        plans = "force_custom_plan" if query.varies else "auto"
        try:
            try:
                records = await self.fetch(compiled.text, arguments, plans)
            except _LOST:
                # One that died while nobody used it is found out by its next user.
                records = await self.fetch(compiled.text, arguments, plans)
        except Exception as error:
            if failure := meaning(error):
                raise failure from error
            raise
        return compiled.rows(records)

    def connections(self) -> Connections | None:
        if self._pool is None:
            return None
        idle = self._pool.get_idle_size()
        return Connections(self._limits.pool_size, idle, self._pool.get_size() - idle)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()

    async def fetch(
        self, text: str, arguments: Sequence[Any], plans: str
    ) -> Sequence[asyncpg.Record]:
        """One statement, once, by one connection; with the errors of the driver."""
        count_statement()
        pool = self._pool or await self._opened()
        connection = await self._acquired(pool)
        try:
            await connection.plan(plans)
            found: Sequence[asyncpg.Record] = await connection.fetch(text, *arguments)
        except TimeoutError:
            # It may never answer again, and neither may the others that are as old.
            connection.terminate()
            await pool.expire_connections()
            raise
        finally:
            await pool.release(connection)
        return found

    async def _acquired(self, pool: asyncpg.Pool) -> Any:
        if pool.get_idle_size():
            return await pool.acquire()
        try:
            return await pool.acquire(timeout=self._limits.pool_timeout)
        except TimeoutError as late:
            raise Overloaded("no connection became free in time") from late

    async def _opened(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    connect=lambda _, **options: self._servers.connect(**options),
                    min_size=0,
                    max_size=self._limits.pool_size + self._limits.max_overflow,
                    connection_class=_Connection,
                    init=_teach_json,
                    statement_cache_size=_STATEMENTS_KEPT,
                )
            return self._pool


async def _teach_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=from_json
    )


def reader_of(engine: AsyncEngine, limits: Limits) -> Reader:
    """The shortest way into the database of this engine."""
    if engine.dialect.name == "sqlite":
        return EngineReader(engine)
    return PoolReader(engine, limits)
