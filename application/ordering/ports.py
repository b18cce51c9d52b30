from typing import Protocol

from application.catalog.ports import CatalogWork
from domain.ordering.order import Order, OrderId


class Orders(Protocol):
    """Every order ever placed."""

    async def get(self, id: OrderId, *, lock: bool = False) -> Order:
        """The order, or OrderNotFound."""

    def add(self, order: Order) -> None: ...


class OrderingWork(CatalogWork, Protocol):
    orders: Orders
