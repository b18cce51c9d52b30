from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from application.ordering.queries import OrderDetails, OrderFilter, OrderSummary
from application.shared.errors import NameCollision
from application.shared.pages import Page, PageRequest
from domain.catalog.product import Product
from domain.identity.user import User
from domain.ordering.order import Order, OrderId, OrderNotFound, OrderNumber
from infrastructure.memory.database import MemoryDatabase, MemorySession, Reference, Unique
from infrastructure.memory.pages import page

UNIQUES: Final = (Unique(Order, "uq_orders_number", attrgetter("number"), NameCollision),)

REFERENCES: Final = (
    Reference(Order, User, lambda order: [order.customer_id]),
    Reference(Order, Product, lambda order: [line.product_id for line in order.lines]),
)


class MemoryOrders:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def get(self, id: OrderId, *, lock: bool = False) -> Order:
        order = await self._session.find(Order, id, lock=lock)
        if order is None:
            raise OrderNotFound
        return order

    def add(self, order: Order) -> None:
        self._session.add(order)


_SORTS: Final[dict[str, Callable[[OrderSummary], Any]]] = {
    "placed_at": attrgetter("placed_at"),
    "total": attrgetter("total.minor"),
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


def _summary(order: Order) -> OrderSummary:
    details = OrderDetails.of(order)
    return OrderSummary(**{part.name: getattr(details, part.name) for part in fields(OrderSummary)})
