"""Storages that fail once, at the one of all the things they are asked for that a test picks."""

import copy
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from typing import Any, ClassVar, Final, Self
from unittest.mock import patch

import asyncpg
from dependency_injector import providers
from sqlalchemy.util import await_only

from application.shared.errors import Busy, Deadlock, Unavailable
from infrastructure.memory.copying import Child, state_of
from infrastructure.sql.mapping import TABLES
from infrastructure.sql.servers import dsn_of
from tests.http.api import Opened

COMMIT: Final = "commit"


class Failing(ABC):
    """A storage and its faults; the service itself tries again after those that are `passing`."""

    faults: ClassVar[Sequence[str]]
    passing: ClassVar[Container[str]] = ("deadlock", "serialisation failure", "lock time-out")
    doubtful: ClassVar[Sequence[str]] = ()  # what leaves open whether a commit was done

    def __init__(self, opened: Opened) -> None:
        self._container = opened.container
        self._number = 0
        self._fault = ""
        self.asked: list[str] = []

    @contextmanager
    def at(self, number: int, fault: str) -> Iterator[None]:
        """Fail at the nth thing it is asked for; `asked` tells them all."""
        self._number, self._fault, self.asked = number, fault, []
        with ExitStack() as stack:
            for patched in self._patches():
                stack.enter_context(patched)
            yield

    def _now(self, what: str) -> str | None:
        """The fault, if this is what fails."""
        self.asked.append(what)
        return self._fault if len(self.asked) == self._number else None

    @classmethod
    @asynccontextmanager
    async def of(cls, opened: Opened) -> AsyncIterator[Self]:
        yield cls(opened)

    @abstractmethod
    def _patches(self) -> Iterator[Any]:
        """What makes it fail, for as long as a test likes."""

    @abstractmethod
    async def save(self) -> None:
        """Remember what it holds."""

    @abstractmethod
    async def restore(self) -> None:
        """Hold just that again."""

    @abstractmethod
    async def contents(self) -> list[str]:
        """All that is committed, row by row."""

    @abstractmethod
    def left_open(self) -> int:
        """How much of it somebody holds: connections, or locks."""


class FailingMemory(Failing):
    faults = ("deadlock", "lock time-out", "away")
    _ERRORS: Final = {"deadlock": Deadlock, "lock time-out": Busy, "away": Unavailable}

    def _patches(self) -> Iterator[Any]:
        database = self._container.memory()
        take, apply = database.locks.take, database.apply

        async def fail_to_take(*key: Any) -> None:
            self._raise("lock")
            await take(*key)

        def fail_to_apply(*all: Any, **more: Any) -> None:
            self._raise(COMMIT)
            apply(*all, **more)

        yield patch.object(database.locks, "take", fail_to_take)
        yield patch.object(database, "apply", fail_to_apply)

    def _raise(self, what: str) -> None:
        if fault := self._now(what):
            raise self._ERRORS[fault]

    async def save(self) -> None:
        self._saved = copy.deepcopy(self._container.memory())

    async def restore(self) -> None:
        self._container.memory.override(providers.Object(copy.deepcopy(self._saved)))

    async def contents(self) -> list[str]:
        database = self._container.memory()
        rows = [(kind.__name__, row) for kind in database.rows for row in database.all(kind)]
        others = (*database.outbox, *database.movements, *database.answers.items())
        return [*(f"{name} {laid_open(state_of(row))}" for name, row in rows), *map(repr, others)]

    def left_open(self) -> int:
        return len(self._container.memory().locks._holders)


def laid_open(value: Any) -> Any:
    """What is in a picture of an entity, and in the pictures in it."""
    if isinstance(value, Child):
        return laid_open(value.state)
    if isinstance(value, Mapping):
        return {name: laid_open(part) for name, part in value.items()}
    return [laid_open(part) for part in value] if isinstance(value, tuple) else value


class FailingSql(Failing):
    """A database whose driver fails: whatever SQLAlchemy asks it for passes one of these."""

    _ASKED_FOR: Final = ("do_execute", "do_executemany", "do_execute_no_params", "do_commit")

    def _patches(self) -> Iterator[Any]:
        dialect = self._container.engine().dialect
        for name in self._ASKED_FOR:
            yield patch.object(dialect, name, self._failing(getattr(dialect, name)))

    def _failing(self, do: Callable[..., None]) -> Callable[..., None]:
        def ask(asked: Any, *statement: Any) -> None:
            """Of a cursor, or of a connection to commit."""
            if fault := self._now(str(statement[0]) if statement else COMMIT):
                if fault.endswith("too late"):
                    do(asked, *statement)
                self._fail(fault, asked if statement else asked.cursor())
            do(asked, *statement)

        return ask

    @abstractmethod
    def _fail(self, fault: str, cursor: Any) -> None:
        """Raise, or make it sure that the statement will."""

    def left_open(self) -> int:
        pool: Any = self._container.engine().pool
        return int(pool.checkedout())


class FailingSqlite(FailingSql):
    faults = ("lock time-out", "disk full", "disk full, and all undone")

    def _fail(self, fault: str, cursor: Any) -> None:
        if fault.endswith("undone"):  # as SQLite may do by itself
            cursor._adapt_connection.rollback()
        error = sqlite3.OperationalError(fault)
        error.sqlite_errorname = "SQLITE_BUSY" if fault in self.passing else "SQLITE_FULL"
        raise error

    async def save(self) -> None:
        self._saved = sqlite3.connect(":memory:")
        with closing(self._file()) as file:
            file.backup(self._saved)

    async def restore(self) -> None:
        with closing(self._file()) as file:
            self._saved.backup(file)

    async def contents(self) -> list[str]:
        with closing(self._file()) as file:
            return [
                f"{table.name} {row}"
                for table in TABLES
                for row in file.execute(f"SELECT * FROM {table.name}")
            ]

    def _file(self) -> sqlite3.Connection:
        return sqlite3.connect(str(self._container.engine().url.database))


class FailingPostgresql(FailingSql):
    _elsewhere: asyncpg.Connection
    _CODES: Final = {
        "deadlock": "40P01",
        "serialisation failure": "40001",
        "lock time-out": "55P03",
        "statement time-out": "57014",
        "disk full": "53100",
    }
    # Too late is when what was asked for is done already.
    doubtful = ("connection lost", "connection lost too late")
    faults = (*doubtful, *_CODES)

    @classmethod
    @asynccontextmanager
    async def of(cls, opened: Opened) -> AsyncIterator[Self]:
        failing = cls(opened)
        failing._elsewhere = await asyncpg.connect(dsn_of(opened.container.engine().url))
        yield failing
        await failing._elsewhere.execute("DROP SCHEMA saved CASCADE")
        await failing._elsewhere.close()

    def _patches(self) -> Iterator[Any]:
        yield from super()._patches()
        for name in ("fetch", "copy_records_to_table"):  # what we ask of it without SQLAlchemy
            do = getattr(asyncpg.Connection, name)
            yield patch.object(asyncpg.Connection, name, self._failing_by_itself(do))

    def _failing_by_itself(self, do: Callable[..., Any]) -> Callable[..., Any]:
        async def ask(connection: asyncpg.Connection, *all: Any, **more: Any) -> Any:
            if fault := self._now(do.__name__):
                if fault in self._CODES:
                    await connection.execute(self._raising(fault))
                await self._end(connection)
            return await do(connection, *all, **more)

        return ask

    def _fail(self, fault: str, cursor: Any) -> None:
        if fault in self._CODES:
            try:
                cursor.execute(self._raising(fault))
            finally:
                if self.asked[-1] == COMMIT:  # which ends the transaction where it is refused
                    cursor._adapt_connection.rollback()
        await_only(self._end(cursor._adapt_connection._connection))
        cursor.execute("SELECT")

    def _raising(self, fault: str) -> str:
        return f"DO $$ BEGIN RAISE '{fault}' USING ERRCODE = '{self._CODES[fault]}'; END $$"

    async def _end(self, connection: asyncpg.Connection) -> None:
        pid = connection.get_server_pid()
        await self._elsewhere.execute(f"SELECT pg_terminate_backend({pid}, 5000)")

    async def save(self) -> None:
        copies = (f"CREATE TABLE saved.{t.name} AS TABLE {t.name}" for t in TABLES)
        await self._elsewhere.execute(";".join(("CREATE SCHEMA saved", *copies)))

    async def restore(self) -> None:
        gone = (f"DELETE FROM {t.name}" for t in reversed(TABLES))
        back = (f"INSERT INTO {t.name} TABLE saved.{t.name}" for t in TABLES)
        await self._elsewhere.execute(";".join((*gone, *back)))

    async def contents(self) -> list[str]:
        tables = (f"SELECT '{t.name}' || {t.name}::text FROM {t.name}" for t in TABLES)
        return [row for (row,) in await self._elsewhere.fetch(" UNION ALL ".join(tables))]

    def left_open(self) -> int:
        reader: Any = self._container.reader()
        pool = reader._pool
        return super().left_open() + (pool.get_size() - pool.get_idle_size() if pool else 0)


KINDS: Final[Mapping[str, type[Failing]]] = {
    "memory": FailingMemory,
    "sqlite": FailingSqlite,
    "postgresql": FailingPostgresql,
}
