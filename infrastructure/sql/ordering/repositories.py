from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ordering.order import Order, OrderId, OrderNotFound
from domain.ordering.payment import Payment, PaymentId, PaymentNotFound
from domain.ordering.refund import Refund
from infrastructure.sql.ordering.mapping import UNDECIDED, UNPAID, orders, payments
from infrastructure.sql.session import add_at_once, found


class SqlOrders:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, id: OrderId, *, lock: bool = False) -> Order:
        order = await found(self._session, select(Order).where(orders.c.id == id), lock=lock)
        if order is None:
            raise OrderNotFound
        return order

    async def unpaid(
        self, *, placed_before: datetime, after: OrderId | None, most: int
    ) -> Sequence[OrderId]:
        statement = select(orders.c.id).where(UNPAID, orders.c.placed_at < placed_before)
        if after is not None:
            statement = statement.where(orders.c.id > after)
        ids = await self._session.scalars(statement.order_by(orders.c.id).limit(most))
        return [OrderId(id) for id in ids]

    def add(self, order: Order) -> None:
        add_at_once(self._session, order)


class SqlPayments:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, id: PaymentId, *, lock: bool = False) -> Payment:
        payment = await found(self._session, select(Payment).where(payments.c.id == id), lock=lock)
        if payment is None:
            raise PaymentNotFound
        return payment

    async def of_order(self, order_id: OrderId) -> Sequence[Payment]:
        statement = select(Payment).where(payments.c.order_id == order_id)
        in_order = statement.order_by(payments.c.created_at, payments.c.id)
        return (await self._session.scalars(in_order)).all()

    async def pending(
        self, *, asked_before: datetime, after: PaymentId | None, most: int
    ) -> Sequence[PaymentId]:
        statement = select(payments.c.id).where(UNDECIDED, payments.c.created_at < asked_before)
        if after is not None:
            statement = statement.where(payments.c.id > after)
        ids = await self._session.scalars(statement.order_by(payments.c.id).limit(most))
        return [PaymentId(id) for id in ids]

    def add(self, payment: Payment) -> None:
        self._session.add(payment)


class SqlRefunds:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, refund: Refund) -> None:
        self._session.add(refund)
