"""What has to be true of all there is, whatever it is."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from application.auditing import checks
from application.shared.outbox import OutboxEntry
from domain.catalog.product import Product
from domain.ordering.order import Order
from domain.shared.aggregate import Aggregate
from infrastructure.memory.auditing.rules import Offenders, Rule
from infrastructure.memory.database import MemoryDatabase


def _aggregates(database: MemoryDatabase) -> list[Aggregate]:
    return [row for rows in database.rows.values() for row in rows.values()]


def _told(database: MemoryDatabase) -> Mapping[UUID, Sequence[OutboxEntry]]:
    told: dict[UUID, list[OutboxEntry]] = defaultdict(list)
    for entry in sorted(database.outbox, key=lambda entry: entry.sequence):
        told[entry.aggregate_id].append(entry)
    return told


def _is_whole(entries: Sequence[OutboxEntry], last: int) -> bool:
    """Whether they are numbered from 1 up to the last."""
    return [entry.sequence for entry in entries] == [*range(1, last + 1)]


def _events(database: MemoryDatabase, _: datetime) -> Offenders:
    told = _told(database)
    for row in _aggregates(database):
        entries = told.get(row.id, [])
        if not _is_whole(entries, row.sequence):
            yield checks.EVENTS.finding(
                row.id,
                what=type(row).__name__,
                sequence=row.sequence,
                events=len(entries),
                last=entries[-1].sequence if entries else 0,
            )


def _of_nothing(database: MemoryDatabase, _: datetime) -> Offenders:
    there = {row.id for row in _aggregates(database)}
    for id, entries in _told(database).items():
        last = entries[-1]
        is_last_word = last.type.endswith(".deleted") or last.type.startswith(checks.GONE_SILENTLY)
        if id not in there and not (is_last_word and _is_whole(entries, last.sequence)):
            yield checks.TOLD.finding(id, events=len(entries), type=last.type, last=last.sequence)


def _references(database: MemoryDatabase, _: datetime) -> Offenders:
    for reference in database.references:
        there = {
            reference.key(row) if reference.key else row.id
            for row in database.all(reference.target)
        }
        for row in database.all(reference.kind):
            for key in reference.keys(row):
                if key is not None and key not in there:
                    what = f"{reference.kind.__name__} to {reference.target.__name__}"
                    yield checks.REFERENCES.finding(row.id, what=what, missing=key)
    for movement in database.movements:
        for kind, id in ((Product, movement.product_id), (Order, movement.because.order_id)):
            if id is not None and id not in database.rows[kind]:
                what = f"StockMovement to {kind.__name__}"
                yield checks.REFERENCES.finding(movement.id, what=what, missing=id)


def _times(database: MemoryDatabase, at: datetime) -> Offenders:
    latest = at + checks.AHEAD
    for thing in _dated(database):
        past = {
            field.name: getattr(thing, field.name)
            for field in fields(thing)
            if field.name not in checks.YET_TO_COME
        }
        for name, time in past.items():
            if isinstance(time, datetime) and time > latest:
                what = f"{type(thing).__name__}.{name}"
                yield checks.TIMES.finding(thing.id, what=what, time=time)
                break


def _dated(database: MemoryDatabase) -> list[Any]:
    """All that has an id, the parts of aggregates included."""
    rows = _aggregates(database)
    parts = [
        part
        for row in rows
        for field in fields(row)
        if isinstance(getattr(row, field.name), list)
        for part in getattr(row, field.name)
        if is_dataclass(part)
    ]
    return [*rows, *parts, *database.movements, *database.outbox]


RULES: Final = (
    Rule(checks.EVENTS, _aggregates, _events),
    Rule(checks.TOLD, lambda database: database.outbox, _of_nothing),
    Rule(checks.REFERENCES, _aggregates, _references),
    Rule(checks.TIMES, _dated, _times),
)
