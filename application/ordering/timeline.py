from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from application.shared.outbox import OutboxEntry
from domain.ordering.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderPlaced,
    OrderShipped,
)
from domain.ordering.status import OrderStatus

_STATUS_OF: Final[Mapping[str, OrderStatus]] = {
    OrderPlaced.name: OrderStatus.PENDING,
    OrderConfirmed.name: OrderStatus.CONFIRMED,
    OrderShipped.name: OrderStatus.SHIPPED,
    OrderDelivered.name: OrderStatus.DELIVERED,
    OrderCancelled.name: OrderStatus.CANCELLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """
    Something that happened to an order, `position` counting from 1.

    A change of status has `to` and, but for the first, `previous`.
    """

    id: UUID
    position: int
    at: datetime
    type: str
    previous: OrderStatus | None
    to: OrderStatus | None
    actor_id: UUID
    reason: str | None
    request_id: str | None


def happening(entry: OutboxEntry) -> Happening:
    """What a customer or a clerk sees of an event."""
    facts = entry.payload
    previous = facts.get("previous")
    return Happening(
        id=entry.id,
        position=entry.sequence,
        at=entry.at,
        type=entry.type,
        previous=OrderStatus(previous) if previous else None,
        to=_STATUS_OF.get(entry.type),
        actor_id=UUID(facts["actor_id"]),
        reason=facts.get("reason"),
        request_id=facts.get("request_id"),
    )
