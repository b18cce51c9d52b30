"""
New entities, stored without the detours of the session.

The session looks at every single entity to find out in which order to store what. Here each kind
takes one statement, and so does each kind of its parts, however many there are.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Self, cast

from sqlalchemy import Table, insert, inspect
from sqlalchemy.orm import Mapper, Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from domain.shared.aggregate import Aggregate

Row = Mapping[str, Any]

_NEW: Final = "new"


@dataclass(frozen=True, slots=True)
class _Shape:
    """Where entities of one kind are stored."""

    table: Table
    columns: Sequence[tuple[str, str]]  # each attribute and its column
    parts: Sequence[tuple[str, str]]  # lists of other entities, and the column that refers to this

    @classmethod
    @cache
    def of(cls, mapper: Mapper[Any]) -> Self:
        return cls(
            cast(Table, mapper.local_table),
            [(each.key, each.columns[0].name) for each in mapper.column_attrs],
            [(each.key, next(iter(each.remote_side)).name) for each in mapper.relationships],
        )

    def row(self, entity: object) -> Row:
        values = vars(entity)
        return {column: values.get(name) for name, column in self.columns}


def add_new(session: Session, aggregate: Aggregate) -> None:
    """Have it stored with the next flush."""
    session.info.setdefault(_NEW, []).append(aggregate)


def drop_new(session: Session) -> None:
    """Forget what has not been stored yet."""
    session.info.pop(_NEW, None)


def store_new(session: Session) -> None:
    """Store what was added, in that order, which from then on is the session's own."""
    added: Sequence[Aggregate] = session.info.pop(_NEW, ())
    if session.new:  # which may be what they refer to, and the session knows what comes first
        session.add_all(added)
        return
    rows: dict[Table, list[Row]] = defaultdict(list)
    for aggregate in added:
        shape = _shape(aggregate)
        rows[shape.table].append({**shape.row(aggregate), "version": 1})
        for part, column in _parts(aggregate):
            its = _shape(part)
            rows[its.table].append({**its.row(part), column: aggregate.id})
    for table, all_of_it in rows.items():
        session.connection().execute(insert(table), all_of_it)
    for aggregate in added:
        set_committed_value(aggregate, "version", 1)
        for part, _ in _parts(aggregate):
            make_transient_to_detached(part)
        make_transient_to_detached(aggregate)
        session.add(aggregate)


def _shape(entity: object) -> _Shape:
    return _Shape.of(inspect(type(entity), raiseerr=True))


def _parts(aggregate: Aggregate) -> Iterator[tuple[Any, str]]:
    """Each, with the name of its column that refers to the aggregate."""
    for name, column in _shape(aggregate).parts:
        for part in vars(aggregate)[name]:
            yield part, column
