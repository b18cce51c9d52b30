from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from application.ordering.queries import OrderDetails, OrderFilter, OrderSummary
from application.ordering.receipts import PaymentDetails, RefundDetails
from application.ordering.timeline import Happening, happening
from application.shared.errors import NameCollision
from application.shared.pages import Page, PageRequest
from domain.accounts.transfer import Transfer
from domain.catalog.product import Product
from domain.identity.user import User, UserId
from domain.notifications.notification import Notification
from domain.ordering.order import Order, OrderId, OrderNotFound, OrderNumber
from domain.ordering.payment import Payment, PaymentId, PaymentNotFound, PaymentStatus
from domain.ordering.refund import Refund
from infrastructure.memory.database import MemoryDatabase, MemorySession, Reference, Unique
from infrastructure.memory.pages import page

UNIQUES: Final = (Unique(Order, "uq_orders_number", attrgetter("number"), NameCollision),)

REFERENCES: Final = (
    Reference(Order, User, lambda order: [order.customer_id]),
    Reference(Order, Product, lambda order: [line.product_id for line in order.lines]),
    Reference(Payment, Order, lambda payment: [payment.order_id]),
    Reference(Payment, Transfer, lambda payment: [payment.transfer_id]),
    Reference(Payment, User, lambda payment: [payment.actor_id]),
    Reference(Refund, Order, lambda refund: [refund.order_id]),
    Reference(Refund, Payment, lambda refund: [part.payment_id for part in refund.parts]),
    Reference(Refund, Transfer, lambda refund: [part.transfer_id for part in refund.parts]),
    Reference(Refund, User, lambda refund: [refund.actor_id]),
    Reference(Notification, Order, lambda notification: [notification.order_id]),
)


class MemoryOrders:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def get(self, id: OrderId, *, lock: bool = False) -> Order:
        order = await self._session.find(Order, id, lock=lock)
        if order is None:
            raise OrderNotFound
        return order

    async def unpaid(
        self, *, placed_before: datetime, after: OrderId | None, most: int
    ) -> Sequence[OrderId]:
        found = await self._session.select(
            Order, lambda order: order.is_unpaid and order.placed_at < placed_before
        )
        return [OrderId(order.id) for order in found if not after or order.id > after][:most]

    def add(self, order: Order) -> None:
        self._session.add(order)


class MemoryPayments:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def get(self, id: PaymentId, *, lock: bool = False) -> Payment:
        payment = await self._session.find(Payment, id, lock=lock)
        if payment is None:
            raise PaymentNotFound
        return payment

    async def of_order(self, order_id: OrderId) -> Sequence[Payment]:
        found = await self._session.select(Payment, lambda payment: payment.order_id == order_id)
        return sorted(found, key=attrgetter("created_at", "id"))

    async def pending(
        self, *, asked_before: datetime, after: PaymentId | None, most: int
    ) -> Sequence[PaymentId]:
        found = await self._session.select(
            Payment,
            lambda payment: (
                payment.status is PaymentStatus.PENDING and payment.created_at < asked_before
            ),
        )
        ids = [PaymentId(payment.id) for payment in found]
        return [id for id in ids if not after or id > after][:most]

    def add(self, payment: Payment) -> None:
        self._session.add(payment)


class MemoryRefunds:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def add(self, refund: Refund) -> None:
        self._session.add(refund)


_SORTS: Final[dict[str, Callable[[OrderSummary], Any]]] = {
    "placed_at": attrgetter("placed_at"),
    "total": attrgetter("total.minor"),
}


_TIMELINE_SORTS: Final[dict[str, Callable[[Happening], Any]]] = {"at": attrgetter("position")}
_PAYMENT_SORTS: Final[dict[str, Callable[[PaymentDetails], Any]]] = {
    "created_at": attrgetter("created_at")
}


class MemoryOrderQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def find(self, id: OrderId) -> OrderDetails | None:
        order = self._database.get(Order, id)
        return OrderDetails.of(order) if order else None

    async def by_number(self, number: OrderNumber) -> OrderDetails | None:
        for order in self._database.all(Order):
            if order.number == number:
                return OrderDetails.of(order)
        return None

    async def page(self, request: PageRequest, wanted: OrderFilter) -> Page[OrderSummary]:
        def fits(order: Order) -> bool:
            since, until = wanted.placed_from, wanted.placed_before
            products = {line.product_id for line in order.lines}
            return (
                wanted.customer_id in (None, order.customer_id)
                and (not wanted.statuses or order.status in wanted.statuses)
                and wanted.number in (None, order.number)
                and (wanted.product_id is None or wanted.product_id in products)
                and (since is None or order.placed_at >= since)
                and (until is None or order.placed_at < until)
            )

        orders = filter(fits, self._database.all(Order))
        return page(map(_summary, orders), request, sorts=_SORTS, id=attrgetter("id"))

    async def customer_of(self, id: OrderId) -> UserId | None:
        order = self._database.get(Order, id)
        return order.customer_id if order else None

    async def timeline(self, id: OrderId, request: PageRequest) -> Page[Happening]:
        told = (happening(entry) for entry in self._database.outbox if entry.aggregate_id == id)
        return page(told, request, sorts=_TIMELINE_SORTS, id=attrgetter("id"))

    async def payments(self, id: OrderId, request: PageRequest) -> Page[PaymentDetails]:
        refunds = [refund for refund in self._database.all(Refund) if refund.order_id == id]
        refunds.sort(key=attrgetter("created_at", "id"))
        found = (
            PaymentDetails.of(payment, _of_payment(payment, refunds))
            for payment in self._database.all(Payment)
            if payment.order_id == id
        )
        return page(found, request, sorts=_PAYMENT_SORTS, id=attrgetter("id"))


def _of_payment(payment: Payment, refunds: Sequence[Refund]) -> list[RefundDetails]:
    return [
        RefundDetails(
            id=refund.id, amount=part.amount, reason=refund.reason, created_at=refund.created_at
        )
        for refund in refunds
        for part in refund.parts
        if part.payment_id == payment.id
    ]


def _summary(order: Order) -> OrderSummary:
    details = OrderDetails.of(order)
    return OrderSummary(**{part.name: getattr(details, part.name) for part in fields(OrderSummary)})
