from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ordering.order import Order, OrderId, OrderNotFound
from infrastructure.sql.ordering.mapping import orders
from infrastructure.sql.session import found


class SqlOrders:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, id: OrderId, *, lock: bool = False) -> Order:
        order = await found(self._session, select(Order).where(orders.c.id == id), lock=lock)
        if order is None:
            raise OrderNotFound
        return order

    def add(self, order: Order) -> None:
        self._session.add(order)
