from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from application.shared.outbox import OutboxEntry
from domain.catalog.product import NewProduct, Product
from domain.catalog.stock import StockMovement
from domain.shared.aggregate import Aggregate
from domain.shared.events import Event, Recorded
from domain.shared.ids import new_id
from domain.shared.money import Money


@dataclass(slots=True)
class Journal:
    """What happened, and what moved in and out of stock."""

    events: list[OutboxEntry] = field(default_factory=list)
    movements: list[StockMovement] = field(default_factory=list)

    def gather(self, aggregates: Iterable[Aggregate]) -> None:
        """Take over what the aggregates have recorded since they were last asked."""
        for aggregate in aggregates:
            released = aggregate.release_events()
            self.events += [_entry(aggregate.id, recorded) for recorded in released]
            if isinstance(aggregate, Product):
                self.movements += aggregate.release_movements()

    def begin_with(self, products: Iterable[NewProduct]) -> None:
        """Take over what there is to tell of new products."""
        for new in products:
            self.events.append(_entry(new.id, Recorded(1, new.created())))
            if movement := new.movement():
                self.movements.append(movement)

    def add(self, later: "Journal") -> None:
        self.events += later.events
        self.movements += later.movements

    def copy(self) -> "Journal":
        return Journal([*self.events], [*self.movements])

    def forget(self, aggregates: Iterable[Aggregate], *, since: tuple[int, int]) -> None:
        """Go back to the marks, as if the aggregates had recorded nothing since."""
        # Not gathered: whom a rollback has undone may not even know its own id.
        for aggregate in aggregates:
            aggregate.release_events()
            if isinstance(aggregate, Product):
                aggregate.release_movements()
        events, movements = since
        del self.events[events:]
        del self.movements[movements:]

    @property
    def marks(self) -> tuple[int, int]:
        return len(self.events), len(self.movements)


class EventLog:
    """The journal of one unit of work, written in step with its savepoints."""

    def __init__(self, aggregates: Callable[[], Iterable[Aggregate]]) -> None:
        self._aggregates = aggregates
        self._journal = Journal()

    @contextmanager
    def rewinding(self) -> Iterator[None]:
        """Forget what was recorded inside the block if it raises."""
        self._journal.gather(self._aggregates())
        marks = self._journal.marks
        try:
            yield
        except BaseException:
            self._journal.forget(self._aggregates(), since=marks)
            raise

    def drain(self) -> Journal:
        """Everything recorded since the last time."""
        self._journal.gather(self._aggregates())
        drained, self._journal = self._journal, Journal()
        return drained


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
    return {name: _json(value) for name, value in vars(event).items() if name != "at"}


def _json(value: Any) -> Any:
    if isinstance(value, (str, UUID)):
        return str(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Money):
        return {"amount": value.amount, "currency": value.currency.code}
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    if is_dataclass(value):
        return {part.name: _json(getattr(value, part.name)) for part in fields(value)}
    return str(value)
