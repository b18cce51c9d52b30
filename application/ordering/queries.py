from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self
from uuid import UUID

from application.ordering.receipts import PaymentDetails
from application.ordering.timeline import Happening
from application.shared.pages import Page, PageRequest
from domain.catalog.product import ProductId
from domain.identity.user import UserId
from domain.ordering.address import Address
from domain.ordering.order import Order, OrderId, OrderLine, OrderNumber
from domain.ordering.status import OrderStatus
from domain.shared.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSummary:
    """An order without its lines."""

    id: UUID
    number: str
    status: OrderStatus
    customer_id: UUID
    total: Money
    paid: Money
    refunded: Money
    shipping_address: Address | None
    note: str | None
    tracking_number: str | None
    placed_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderItem:
    id: UUID
    product_id: UUID
    sku: str
    name: str
    unit_price: Money
    quantity: int
    line_total: Money

    @classmethod
    def of(cls, line: OrderLine) -> Self:
        return cls(
            id=line.id,
            product_id=line.product_id,
            sku=line.sku,
            name=line.name,
            unit_price=line.unit_price,
            quantity=line.quantity,
            line_total=line.total,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDetails(OrderSummary):
    items: Sequence[OrderItem]

    @classmethod
    def of(cls, order: Order) -> "OrderDetails":
        return OrderDetails(
            id=order.id,
            number=order.number,
            status=order.status,
            customer_id=order.customer_id,
            total=order.total,
            paid=order.paid,
            refunded=order.refunded,
            shipping_address=order.shipping_address,
            note=order.note,
            tracking_number=order.tracking_number,
            placed_at=order.placed_at,
            updated_at=order.updated_at,
            version=order.version,
            items=[OrderItem.of(line) for line in order.lines],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders: each condition narrows, None and an empty tuple do not."""

    customer_id: UserId | None = None
    statuses: tuple[OrderStatus, ...] = ()
    number: OrderNumber | None = None
    product_id: ProductId | None = None
    placed_from: datetime | None = None
    placed_before: datetime | None = None


class OrderQueries(Protocol):
    async def find(self, id: OrderId) -> OrderDetails | None: ...

    async def by_number(self, number: OrderNumber) -> OrderDetails | None: ...

    async def page(self, request: PageRequest, wanted: OrderFilter) -> Page[OrderSummary]:
        """Sorted by `placed_at` or `total`."""

    async def customer_of(self, id: OrderId) -> UserId | None:
        """Whose order it is; None if there is no such."""

    async def timeline(self, id: OrderId, request: PageRequest) -> Page[Happening]:
        """What was told of this order, sorted by `at`, in the order in which it happened."""

    async def payments(self, id: OrderId, request: PageRequest) -> Page[PaymentDetails]:
        """Of this order, with what went back of each, the oldest first; sorted by `created_at`."""
