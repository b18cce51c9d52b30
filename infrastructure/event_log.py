from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from application.shared.outbox import OutboxEntry
from domain.shared.aggregate import Aggregate
from domain.shared.events import Event, Recorded
from domain.shared.ids import new_id
from domain.shared.money import Money


class EventLog:
    """The events of one unit of work, gathered in step with its savepoints."""

    def __init__(self, aggregates: Callable[[], Iterable[Aggregate]]) -> None:
        self._aggregates = aggregates
        self._entries: list[OutboxEntry] = []

    @contextmanager
    def rewinding(self) -> Iterator[None]:
        """Forget what was recorded inside the block if it raises."""
        self._gather()
        mark = len(self._entries)
        try:
            yield
        except BaseException:
            # Not gathered: whom a rollback has undone may not even know its own id.
            for aggregate in self._aggregates():
                aggregate.release_events()
            del self._entries[mark:]
            raise

    def drain(self) -> list[OutboxEntry]:
        """Everything recorded since the last time."""
        self._gather()
        drained, self._entries = self._entries, []
        return drained

    def _gather(self) -> None:
        for aggregate in self._aggregates():
            self._entries += [
                _entry(aggregate.id, recorded) for recorded in aggregate.release_events()
            ]


def _entry(aggregate_id: UUID, recorded: Recorded) -> OutboxEntry:
    event = recorded.event
    return OutboxEntry(
        id=new_id(event.at),
        type=event.name,
        aggregate_id=aggregate_id,
        sequence=recorded.sequence,
        payload=payload(event),
        at=event.at,
    )


def payload(event: Event) -> Mapping[str, Any]:
    """The event's own facts as JSON values: money and times in the spelling of the HTTP API."""
    return {
        field.name: _json(getattr(event, field.name))
        for field in fields(event)
        if field.name != "at"
    }


def _json(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Money):
        return {"amount": value.amount, "currency": value.currency.code}
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    if is_dataclass(value):
        return {field.name: _json(getattr(value, field.name)) for field in fields(value)}
    return str(value)
