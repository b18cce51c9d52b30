import asyncio
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Connection, event, exc, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import (
    AsyncAdaptedQueuePool,
    ConnectionPoolEntry,
    PoolProxiedConnection,
    PoolResetState,
)
from sqlalchemy.util import await_only

from application.shared.errors import Busy, Demoted, Overloaded, Unavailable
from infrastructure.sql.failures import meaning
from infrastructure.sql.mapping import map_domain
from infrastructure.sql.servers import Servers
from infrastructure.sql.tally import count_statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long anything may take, in seconds, and how many connections there are."""

    pool_size: int = 5
    max_overflow: int = 5
    pool_timeout: float = 3.0
    connect_timeout: float = 2.0
    statement_timeout: float = 5.0
    lock_timeout: float = 2.0
    idle_in_transaction_timeout: float = 10.0

    @property
    def command_timeout(self) -> float:
        """How long we wait for a server that should have given up by itself."""
        return self.statement_timeout + 1.0


class _Pool(AsyncAdaptedQueuePool):
    """Whose time-outs speak our language too: no listener is told of them."""

    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except exc.TimeoutError as error:
            raise Overloaded("no connection became free in time") from error
        except TimeoutError as error:
            raise Unavailable("the connection does not answer") from error


def connect(url: str, limits: Limits) -> AsyncEngine:
    """An engine whose transactions are what they say, and whose errors speak our language."""
    map_domain()
    parsed = make_url(url)
    pool: dict[str, Any] = {
        "poolclass": _Pool,
        "pool_size": limits.pool_size,
        "max_overflow": limits.max_overflow,
        "pool_timeout": limits.pool_timeout,
        "pool_use_lifo": True,
        "hide_parameters": True,  # what customers send is in no log, a traceback's included
    }
    if parsed.get_backend_name() == "sqlite":
        engine = create_async_engine(parsed, **pool)
        _prepare_sqlite(engine, limits)
    else:
        engine = create_async_engine(
            parsed,
            **pool,
            pool_pre_ping=True,
            pool_recycle=1800,
            async_creator=servers_of(parsed, limits).connect,
        )
    event.listen(engine.sync_engine, "handle_error", _translate)
    event.listen(engine.sync_engine, "before_cursor_execute", count_statement)
    return engine


def session_settings(limits: Limits) -> dict[str, str]:
    """What PostgreSQL is told of each connection of ours."""
    return {
        "application_name": "tradepost",
        "timezone": "UTC",
        "random_page_cost": "1.1",  # disks have no heads any more
        "statement_timeout": _milliseconds(limits.statement_timeout),
        "lock_timeout": _milliseconds(limits.lock_timeout),
        "idle_in_transaction_session_timeout": _milliseconds(limits.idle_in_transaction_timeout),
    }


def servers_of(url: URL, limits: Limits) -> Servers:
    """Where PostgreSQL is, and how we connect to it."""
    return Servers(
        url,
        settings=session_settings(limits),
        patience=limits.connect_timeout,
        command_timeout=limits.command_timeout,
    )


def _prepare_sqlite(engine: AsyncEngine, limits: Limits) -> None:
    pragmas = {
        "journal_mode": "WAL",
        "synchronous": "FULL",  # a commit outlives a power cut, not only a crash
        "foreign_keys": "ON",
        "busy_timeout": _milliseconds(limits.statement_timeout),
    }

    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # The driver shall not begin transactions of its own, which come too late for a savepoint
        # and too early for a pragma; `begin` below does.
        connection.isolation_level = None
        cursor = connection.cursor()
        for name, value in pragmas.items():
            cursor.execute(f"PRAGMA {name}={value}")
        cursor.execute("PRAGMA foreign_keys")
        if cursor.fetchone() != (1,):
            raise Unavailable("this SQLite does not keep foreign keys")
        cursor.close()

    turn = asyncio.Lock()

    async def wait_for_turn() -> None:
        # SQLite lets waiting writers poll and some starve; within this process they queue.
        try:
            async with asyncio.timeout(limits.pool_timeout):
                await turn.acquire()
        except TimeoutError:
            raise Busy("too many writers wait") from None

    def begin(connection: Connection) -> None:
        # A writer asks for the write lock at once: an upgrade from a read may fail at any time,
        # and no busy timeout helps it.
        kind = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        if kind == "IMMEDIATE":
            await_only(wait_for_turn())
            connection.info["has_turn"] = True
        connection.exec_driver_sql(f"BEGIN {kind}")

    def end_transaction(
        connection: DBAPIConnection, _: ConnectionPoolEntry, state: PoolResetState
    ) -> None:
        # A COMMIT that SQLite refuses leaves the transaction open, which SQLAlchemy then forgets.
        if state.transaction_was_reset and state.asyncio_safe:
            connection.rollback()

    def give_turn_back(_: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        if entry.info.pop("has_turn", False):
            turn.release()

    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", begin)
    event.listen(engine.sync_engine, "reset", end_transaction)
    event.listen(engine.sync_engine, "checkin", give_turn_back)


def _translate(context: ExceptionContext) -> None:
    if not isinstance(context.original_exception, Exception):
        return  # somebody was cancelled, and must learn of it
    if context.is_pre_ping:
        return  # the pool replaces what does not answer
    error = context.sqlalchemy_exception or context.original_exception
    if isinstance(error, TimeoutError):
        # It may never answer again, so nobody shall wait for the end of its transaction.
        context.is_disconnect = True
    if context.is_disconnect:
        raise Unavailable("the connection was lost") from error
    failure = meaning(error)
    if isinstance(failure, Demoted):
        context.is_disconnect = True  # and the pool connects anew, with whoever takes writes now
    if failure:
        raise failure from error


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
