"""What has to be true of every table, be it new: these rules come out of the metadata."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import (
    Column,
    Select,
    Subquery,
    Table,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)

from application.auditing import checks
from infrastructure.sql.auditing.rules import Rule
from infrastructure.sql.catalog.mapping import stock_movements
from infrastructure.sql.idempotency import idempotency_keys
from infrastructure.sql.mapping import TABLES
from infrastructure.sql.ordering.mapping import orders
from infrastructure.sql.outbox import outbox
from infrastructure.sql.schema import UtcDateTime

# What refers to a row without a foreign key to say so.
_UNDECLARED: Final = ((stock_movements.c.order_id, orders.c.id),)


def _subject(table: Table) -> Column[Any]:
    """What a row is known by; of a key of several columns the last, which tells most."""
    last: Column[Any] = [*table.primary_key.columns][-1]
    return last


def _there() -> Subquery:
    """Every aggregate there is."""
    return union_all(
        *(
            select(table.c.id, table.c.sequence, literal(table.name).label("what"))
            for table in TABLES
            if {"version", "sequence"} <= {*table.c.keys()}
        )
    ).subquery()


def _told() -> Subquery:
    """How much the outbox tells of each."""
    return (
        select(
            outbox.c.aggregate_id,
            func.count().label("events"),
            func.min(outbox.c.sequence).label("first"),
            func.max(outbox.c.sequence).label("last"),
        )
        .group_by(outbox.c.aggregate_id)
        .subquery()
    )


def _events() -> Rule:
    there, told = _there(), _told()
    events, last = func.coalesce(told.c.events, 0), func.coalesce(told.c.last, 0)
    differing = (
        select(
            there.c.id,
            there.c.what,
            there.c.sequence,
            events.label("events"),
            last.label("last"),
        )
        .outerjoin_from(there, told, told.c.aggregate_id == there.c.id)
        .where(or_(there.c.sequence != events, there.c.sequence != last, told.c.first < 1))
    )
    return Rule.over(there, checks.EVENTS, differing)


def _of_nothing() -> Rule:
    there, told = _there(), _told()
    is_last_word = or_(
        outbox.c.type.like("%.deleted"),
        *(outbox.c.type.startswith(kind) for kind in checks.GONE_SILENTLY),
    )
    missing = (
        select(told.c.aggregate_id.label("id"), told.c.events, told.c.last, outbox.c.type)
        .outerjoin_from(told, there, there.c.id == told.c.aggregate_id)
        .join(
            outbox,
            and_(outbox.c.aggregate_id == told.c.aggregate_id, outbox.c.sequence == told.c.last),
        )
        .where(
            there.c.id.is_(None),
            or_(told.c.events != told.c.last, told.c.first < 1, ~is_last_word),
        )
    )
    return Rule.over(outbox, checks.TOLD, missing)


def _references() -> Iterator[Rule]:
    declared = (
        (key.parent, key.column)
        for table in TABLES
        for key in sorted(table.foreign_keys, key=lambda key: key.parent.name)
    )
    for column, target in (*declared, *_UNDECLARED):
        table, there = column.table, target.table.alias()
        yield Rule.over(
            table,
            checks.REFERENCES,
            select(
                _subject(table).label("id"),
                literal(f"{table.name}.{column.name}").label("what"),
                column.label("missing"),
            ).where(column.is_not(None), ~exists().where(there.c[target.name] == column)),
            count=column,
        )


def _times() -> Iterator[Rule]:
    latest = bindparam("latest", type_=UtcDateTime)
    for table in TABLES:
        past = [
            column
            for column in table.c
            if isinstance(column.type, UtcDateTime) and column.name not in checks.YET_TO_COME
        ]
        if past:
            yield Rule.over(table, checks.TIMES, _ahead(table, past, latest))


def _ahead(table: Table, past: list[Column[Any]], latest: Any) -> Select[Any]:
    late = [(column, column > latest) for column in past]
    return select(
        _subject(table).label("id"),
        case(*((is_late, f"{table.name}.{column.name}") for column, is_late in late)).label("what"),
        case(*((is_late, column) for column, is_late in late)).label("time"),
    ).where(or_(*(is_late for _, is_late in late)))


def _answers() -> Rule:
    column = idempotency_keys.c
    parts = (column.request_hash, column.status, column.headers, column.body)
    unanswered = select(column.key.label("id")).where(or_(*(part.is_(None) for part in parts)))
    return Rule.over(idempotency_keys, checks.ANSWERS, unanswered)


RULES: Final = (_events(), _of_nothing(), *_references(), *_times(), _answers())
