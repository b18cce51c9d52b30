"""What single looks into the database consist of; `readers` has those who take them."""

from abc import ABC, abstractmethod
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import asyncpg
from sqlalchemy import Dialect, Select
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

from infrastructure.sql.pages import AnyRow

Convert = Callable[[Any], Any]

_DIALECT: Final[Dialect] = asyncpg_dialect()  # type: ignore[no-untyped-call]


class Query:
    """
    A statement that is always the same but for its parameters: made once.

    Where what it finds `varies` by them, from a few rows to all of them, it is planned each time.
    """

    def __init__(self, select: Select[Any], *, varies: bool = False) -> None:
        self.select = select
        self.varies = varies

    @cached_property
    def compiled(self) -> "Compiled":
        """For PostgreSQL."""
        return Compiled.of(self.select)


@dataclass(frozen=True, slots=True)
class Compiled:
    """The text of a statement, and what has to be done to what goes in and comes out."""

    text: str
    parameters: Sequence[tuple[str, Convert | None]]
    fixed: Mapping[str, Any]
    row: Callable[[Sequence[Any]], Any]
    columns: Sequence[tuple[int, Convert]]

    @classmethod
    def of(cls, select: Select[Any]) -> "Compiled":
        compiled = select.compile(dialect=_DIALECT)
        parameters = [
            (name, compiled.binds[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT))
            for name in compiled.positiontup or ()
        ]
        columns = [*select.selected_columns]
        results = [
            column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None)
            for column in columns
        ]
        kind = namedtuple("Row", [column.name for column in columns])  # type: ignore[misc]
        return cls(
            text=str(compiled),
            parameters=parameters,
            fixed=compiled.params,
            row=kind._make,
            columns=[(place, convert) for place, convert in enumerate(results) if convert],
        )

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        given = {**self.fixed, **values}
        return [
            convert(given[name]) if convert else given[name] for name, convert in self.parameters
        ]

    def rows(self, records: Sequence[asyncpg.Record]) -> list[AnyRow]:
        return [self._row(record) for record in records]

    def _row(self, record: asyncpg.Record) -> AnyRow:
        values = [*record]
        for place, convert in self.columns:
            values[place] = convert(values[place])
        row: AnyRow = self.row(values)
        return row


@dataclass(frozen=True, slots=True)
class Connections:
    """Those of one pool by what they do; `size` is how many of them it keeps."""

    size: int
    idle: int
    used: int


class Reader(ABC):
    """Runs queries, each by itself, as of its own moment."""

    dialect: str

    @abstractmethod
    async def rows(self, query: Query, **values: Any) -> Sequence[AnyRow]: ...

    @abstractmethod
    def connections(self) -> Connections | None:
        """Those that are its own, if it has opened any."""

    @abstractmethod
    async def close(self) -> None: ...
