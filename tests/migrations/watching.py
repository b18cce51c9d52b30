"""What a step of the history really does to the tables that were there before it."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
from alembic import command
from sqlalchemy import Connection, NullPool, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from infrastructure.sql.servers import dsn_of
from tests.migrations.databases import PostgresDatabase, alembic

# The weakest first; what is above ROW EXCLUSIVE is more than a writer takes.
MODES: Final = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
KEEPS_WRITERS_OUT: Final = MODES[4:]
_TABLES: Final = """
    SELECT oid, relname, relfilenode FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
_VERSIONS: Final = "alembic_version"  # one row, which is read and written at every step
_INDEXES: Final = "SELECT indexrelid, relname FROM pg_index JOIN pg_class ON oid = indrelid"
_LOCKS: Final = """
    SELECT relation, mode FROM pg_locks
    WHERE locktype = 'relation' AND pid = {pid} AND granted = {granted}
"""
_SCANS: Final = "SELECT relid, seq_scan FROM pg_stat_{xact}user_tables"


@dataclass(slots=True)
class Deeds:
    """`locks`: the strongest on each table. `scanned`: read as a whole while nobody could write."""

    locks: dict[str, str] = field(default_factory=dict)
    rewritten: set[str] = field(default_factory=set)
    scanned: set[str] = field(default_factory=set)
    in_transaction: list[bool] = field(default_factory=list)  # statement by statement


async def watched_upgrade(
    database: PostgresDatabase, revision: str, revisions: Path | None = None
) -> Deeds:
    """Upgrade to the revision and see what is done on the way."""
    engine = create_async_engine(database.url, poolclass=NullPool)
    config = alembic(database.url, revisions)

    def migrate(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    observer = await asyncpg.connect(dsn_of(engine.url))
    before = await observer.fetch(_TABLES)
    indexes = dict(await observer.fetch(_INDEXES))
    tables = {row["oid"]: row["relname"] for row in before}
    watch = _Watch(tables, indexes, observer, dsn_of(engine.url))
    with watch.over(engine):
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
    after = {row["oid"]: row["relfilenode"] for row in await observer.fetch(_TABLES)}
    watch.deeds.rewritten = {
        row["relname"]
        for row in before
        if row["oid"] in after and after[row["oid"]] != row["relfilenode"]
    }
    await watch.close()
    await observer.close()
    return watch.deeds


class _Watch:
    """
    Looks after each statement which locks its transaction holds. What is done outside of one has
    none left by then; so it finds every table locked, and tells what it is after by waiting for it.
    """

    def __init__(
        self,
        tables: dict[int, str],
        indexes: dict[int, str],
        observer: asyncpg.Connection,
        dsn: str,
    ) -> None:
        self.deeds = Deeds()
        self._tables, self._observer, self._dsn = tables, observer, dsn
        self._table_of = indexes | tables
        self._holders: dict[int, asyncpg.Connection] = {}  # of a table each
        self._held: set[int] = set()
        self._waiting: asyncio.Task[None] | None = None
        self._scans: dict[int, int] = {}

    @contextmanager
    def over(self, engine: AsyncEngine) -> Iterator[None]:
        event.listen(engine.sync_engine, "before_cursor_execute", self._before)
        event.listen(engine.sync_engine, "after_cursor_execute", self._after)
        yield

    def _before(self, connection: Connection, *_: Any) -> None:
        if not _is_autocommit(connection):
            return
        self._scans = _counted(connection, _SCANS.format(xact=""))
        ((pid,),) = _fetched(connection, "SELECT pg_backend_pid()")
        await_only(self._lock_everything(pid))

    def _after(self, connection: Connection, _: Any, statement: str, *__: Any) -> None:
        if _is_autocommit(connection):
            await_only(self._let_go())
            _fetched(connection, "SELECT pg_stat_force_next_flush()")
            scans = _counted(connection, _SCANS.format(xact=""))
            seen = self._seen
        else:
            self._scans = {}
            scans = _counted(connection, _SCANS.format(xact="xact_"))
            held = _LOCKS.format(pid="pg_backend_pid()", granted="true")
            seen = [(oid, mode) for oid, mode in _fetched(connection, held)]
        if not statement.lstrip().startswith("SELECT"):
            self.deeds.in_transaction.append(not _is_autocommit(connection))
        self._note(seen, {oid for oid in scans if scans[oid] > self._scans.get(oid, 0)})

    def _note(self, seen: list[tuple[int, str]], scanned: set[int]) -> None:
        for oid, lock in seen:
            name = self._table_of.get(oid)
            mode = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", lock.removesuffix("Lock")).upper()
            if name is None or MODES.index(mode) <= MODES.index("ROW EXCLUSIVE"):
                continue
            before = self.deeds.locks.get(name, mode)
            self.deeds.locks[name] = max(before, mode, key=MODES.index)
            if mode in KEEPS_WRITERS_OUT and oid in scanned and name != _VERSIONS:
                self.deeds.scanned.add(name)

    async def _lock_everything(self, pid: int) -> None:
        for oid, name in self._tables.items():
            if oid not in self._holders:
                self._holders[oid] = await asyncpg.connect(self._dsn)
            await self._holders[oid].execute(f"BEGIN; LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
            self._held.add(oid)
        self._seen: list[tuple[int, str]] = []
        self._waiting = asyncio.create_task(self._see_what_it_waits_for(pid))

    async def _see_what_it_waits_for(self, pid: int) -> None:
        wanted = _LOCKS.format(pid=pid, granted="false")
        while True:
            for oid, mode in await self._observer.fetch(wanted):
                if oid in self._held:
                    self._seen.append((oid, mode))
                    await self._release(oid)
            await asyncio.sleep(0.002)

    async def _let_go(self) -> None:
        assert self._waiting is not None
        self._waiting.cancel()
        with suppress(asyncio.CancelledError):
            await self._waiting
        for oid in [*self._held]:
            await self._release(oid)

    async def _release(self, oid: int) -> None:
        self._held.remove(oid)
        await self._holders[oid].execute("ROLLBACK")

    async def close(self) -> None:
        for holder in self._holders.values():
            await holder.close()


def _is_autocommit(connection: Connection) -> bool:
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def _fetched(connection: Connection, query: str) -> list[Any]:
    # Past SQLAlchemy, which would tell us of our own statement.
    cursor = connection.connection.cursor()
    cursor.execute(query)
    found = [*cursor.fetchall()]
    cursor.close()
    return found


def _counted(connection: Connection, query: str) -> dict[int, int]:
    return {oid: count or 0 for oid, count in _fetched(connection, query)}
