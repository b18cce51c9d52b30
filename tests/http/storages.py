"""What is kept behind the service, seen past it: how to empty it, and whether anything changed."""

from typing import Any, Protocol

from dependency_injector import providers
from sqlalchemy import Select, delete, literal_column, select

from infrastructure.memory.copying import state_of
from infrastructure.memory.database import MemoryDatabase
from infrastructure.memory.unit_of_work import open_shop
from infrastructure.sql.mapping import TABLES
from interfaces.container import Container

Contents = dict[str, Any]


class Storage(Protocol):
    name: str

    async def clear(self) -> None:
        """Make it a shop in which nothing ever happened, without the categories of a new one."""

    async def contents(self) -> Contents:
        """Everything that is committed, in a form that can be compared."""


class MemoryStorage:
    name = "memory"

    def __init__(self, container: Container, *, lock_timeout: float = 2.0) -> None:
        self._container = container
        self._lock_timeout = lock_timeout

    @property
    def database(self) -> MemoryDatabase:
        database: MemoryDatabase = self._container.memory()
        return database

    async def clear(self) -> None:
        self._container.memory.reset_override()
        self._container.memory.override(
            providers.Object(open_shop(lock_timeout=self._lock_timeout))
        )

    async def contents(self) -> Contents:
        database = self.database
        rows = {
            kind.__name__: {id: state_of(entity) for id, entity in entities.items()}
            for kind, entities in database.rows.items()
            if entities
        }
        return {
            **rows,
            "outbox": [*database.outbox],
            "movements": [*database.movements],
            "keys": {**database.answers},
        }


class SqlStorage:
    def __init__(self, container: Container, name: str) -> None:
        self.name = name
        self._engine = container.engine()

    async def clear(self) -> None:
        async with self._engine.begin() as connection:
            for table in reversed(TABLES):
                await connection.execute(delete(table))

    async def contents(self) -> Contents:
        # By a star, because the columns of what products are searched by are each database's own.
        everything: Select[Any] = select(literal_column("*"))
        async with self._engine.connect() as connection:
            return {
                table.name: sorted(
                    map(repr, (await connection.execute(everything.select_from(table))).all())
                )
                for table in TABLES
            }
