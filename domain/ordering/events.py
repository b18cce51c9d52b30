from dataclasses import dataclass
from uuid import UUID

from domain.shared.events import Event
from domain.shared.money import Money


@dataclass(frozen=True, kw_only=True)
class OrderEvent(Event):
    order_id: UUID
    actor_id: UUID


@dataclass(frozen=True, slots=True)
class Quantity:
    """So many of one product."""

    product_id: UUID
    sku: str
    quantity: int


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(OrderEvent):
    name = "order.placed"
    number: str
    customer_id: UUID
    total: Money
    items: tuple[Quantity, ...]


@dataclass(frozen=True, kw_only=True)
class OrderConfirmed(OrderEvent):
    name = "order.confirmed"
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class OrderShipped(OrderEvent):
    name = "order.shipped"
    reason: str | None
    tracking_number: str | None


@dataclass(frozen=True, kw_only=True)
class OrderDelivered(OrderEvent):
    name = "order.delivered"
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class OrderCancelled(OrderEvent):
    """The items went back into stock."""

    name = "order.cancelled"
    reason: str | None
    items: tuple[Quantity, ...]
