from dataclasses import dataclass
from uuid import UUID

from domain.shared.events import Event
from domain.shared.money import Money


@dataclass(frozen=True, kw_only=True)
class OrderEvent(Event):
    """`request_id` is that of the HTTP request, where it was one."""

    order_id: UUID
    actor_id: UUID
    request_id: str | None = None


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
class OrderMoved(OrderEvent):
    """`previous` is the status that it left."""

    previous: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class OrderConfirmed(OrderMoved):
    name = "order.confirmed"


@dataclass(frozen=True, kw_only=True)
class OrderShipped(OrderMoved):
    name = "order.shipped"
    tracking_number: str | None


@dataclass(frozen=True, kw_only=True)
class OrderDelivered(OrderMoved):
    name = "order.delivered"


@dataclass(frozen=True, kw_only=True)
class OrderCancelled(OrderMoved):
    """The items went back into stock."""

    name = "order.cancelled"
    items: tuple[Quantity, ...]


@dataclass(frozen=True, kw_only=True)
class PaymentEvent(OrderEvent):
    """`method` is `store_credit` or `external`."""

    payment_id: UUID
    method: str
    amount: Money


@dataclass(frozen=True, kw_only=True)
class PaymentAsked(PaymentEvent):
    """Somebody else decides about it, and has not yet."""

    name = "payment.asked"


@dataclass(frozen=True, kw_only=True)
class PaymentReceived(PaymentEvent):
    name = "payment.received"


@dataclass(frozen=True, kw_only=True)
class PaymentFailed(PaymentEvent):
    name = "payment.failed"
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class PaymentDueBack(PaymentEvent):
    """The order is cancelled, and this much of what came from outside has to go back."""

    name = "payment.due_back"


@dataclass(frozen=True, kw_only=True)
class RefundMade(OrderEvent):
    name = "refund.made"
    refund_id: UUID
    amount: Money
    reason: str
