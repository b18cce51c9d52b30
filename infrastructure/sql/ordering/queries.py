from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncEngine

from application.ordering.queries import OrderDetails, OrderFilter, OrderItem, OrderSummary
from application.ordering.receipts import PaymentDetails, RefundDetails
from application.ordering.timeline import Happening, happening
from application.shared.outbox import OutboxEntry
from application.shared.pages import Page, PageRequest
from domain.identity.user import UserId
from domain.ordering.order import OrderId, OrderNumber
from domain.shared.money import Money
from infrastructure.sql.ordering.mapping import (
    order_lines,
    orders,
    payments,
    refund_parts,
    refunds,
)
from infrastructure.sql.outbox import outbox
from infrastructure.sql.pages import AnyRow, page

_UNSEEN = {"sequence", "covered_minor"}
_ORDERS = select(*(column for column in orders.c if column.name not in _UNSEEN))
_SORTS = {"placed_at": orders.c.placed_at, "total": orders.c.total_minor}

_ORDERS_AND_LINES = (
    select(
        *_ORDERS.selected_columns,
        order_lines.c.id.label("line_id"),
        order_lines.c.product_id,
        order_lines.c.sku,
        order_lines.c.name,
        order_lines.c.unit_price_minor,
        order_lines.c.quantity,
    )
    .join_from(orders, order_lines, order_lines.c.order_id == orders.c.id)
    .order_by(order_lines.c.position)
)
_ORDER = _ORDERS_AND_LINES.where(orders.c.id == bindparam("id"))
_CUSTOMER = select(orders.c.customer_id).where(orders.c.id == bindparam("id"))
_TIMELINE_SORTS = {"at": outbox.c.sequence}
_PAYMENT_SORTS = {"created_at": payments.c.created_at}
_REFUNDS = (
    select(
        refund_parts.c.payment_id,
        refund_parts.c.amount_minor,
        refund_parts.c.currency,
        refunds.c.id,
        refunds.c.reason,
        refunds.c.created_at,
    )
    .join_from(refunds, refund_parts, refund_parts.c.refund_id == refunds.c.id)
    .where(refunds.c.order_id == bindparam("id"))
    .order_by(refunds.c.created_at, refunds.c.id, refund_parts.c.position)
)
_BY_NUMBER = _ORDERS_AND_LINES.where(orders.c.number == bindparam("number"))


class SqlOrderQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, id: OrderId) -> OrderDetails | None:
        return await self._one(_ORDER, id=id)

    async def by_number(self, number: OrderNumber) -> OrderDetails | None:
        return await self._one(_BY_NUMBER, number=number)

    async def page(self, request: PageRequest, wanted: OrderFilter) -> Page[OrderSummary]:
        statement = _ORDERS
        if wanted.customer_id is not None:
            statement = statement.where(orders.c.customer_id == wanted.customer_id)
        if wanted.statuses:
            statement = statement.where(orders.c.status.in_(wanted.statuses))
        if wanted.number is not None:
            statement = statement.where(orders.c.number == wanted.number)
        if wanted.product_id is not None:
            holding = select(order_lines.c.order_id).where(
                order_lines.c.product_id == wanted.product_id
            )
            statement = statement.where(orders.c.id.in_(holding))
        if wanted.placed_from is not None:
            statement = statement.where(orders.c.placed_at >= wanted.placed_from)
        if wanted.placed_before is not None:
            statement = statement.where(orders.c.placed_at < wanted.placed_before)
        return await page(
            self._engine,
            statement,
            request,
            sorts=_SORTS,
            id=orders.c.id,
            record=lambda row: OrderSummary(**_head(row)),
        )

    async def customer_of(self, id: OrderId) -> UserId | None:
        async with self._engine.connect() as connection:
            customer_id = await connection.scalar(_CUSTOMER, {"id": id})
        return UserId(customer_id) if customer_id else None

    async def timeline(self, id: OrderId, request: PageRequest) -> Page[Happening]:
        return await page(
            self._engine,
            select(outbox).where(outbox.c.aggregate_id == id),
            request,
            sorts=_TIMELINE_SORTS,
            id=outbox.c.id,
            record=lambda row: happening(OutboxEntry(**row._mapping)),
        )

    async def payments(self, id: OrderId, request: PageRequest) -> Page[PaymentDetails]:
        refunded: dict[UUID, list[RefundDetails]] = defaultdict(list)
        async with self._engine.connect() as connection:
            for row in await connection.execute(_REFUNDS, {"id": id}):
                refunded[row.payment_id].append(_refund(row))
        return await page(
            self._engine,
            select(payments).where(payments.c.order_id == id),
            request,
            sorts=_PAYMENT_SORTS,
            id=payments.c.id,
            record=lambda row: _payment(row, refunded[row.id]),
        )

    async def _one(self, statement: Select[Any], **which: object) -> OrderDetails | None:
        async with self._engine.connect() as connection:
            rows = (await connection.execute(statement, which)).all()
        if not rows:
            return None
        return OrderDetails(**_head(rows[0]), items=[_item(row) for row in rows])


def _head(row: AnyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "number": row.number,
        "status": row.status,
        "customer_id": row.customer_id,
        "total": Money(row.total_minor, row.currency),
        "paid": Money(row.paid_minor, row.currency),
        "refunded": Money(row.refunded_minor, row.currency),
        "shipping_address": row.shipping_address,
        "note": row.note,
        "tracking_number": row.tracking_number,
        "placed_at": row.placed_at,
        "updated_at": row.updated_at,
        "version": row.version,
    }


def _item(row: AnyRow) -> OrderItem:
    unit_price = Money(row.unit_price_minor, row.currency)
    return OrderItem(
        id=row.line_id,
        product_id=row.product_id,
        sku=row.sku,
        name=row.name,
        unit_price=unit_price,
        quantity=row.quantity,
        line_total=unit_price * row.quantity,
    )


def _refund(row: AnyRow) -> RefundDetails:
    return RefundDetails(
        id=row.id,
        amount=Money(row.amount_minor, row.currency),
        reason=row.reason,
        created_at=row.created_at,
    )


def _payment(row: AnyRow, refunds: Sequence[RefundDetails]) -> PaymentDetails:
    return PaymentDetails(
        id=row.id,
        order_id=row.order_id,
        method=row.method,
        status=row.status,
        amount=Money(row.amount_minor, row.currency),
        refunded=Money(row.refunded_minor, row.currency),
        due_back=Money(row.due_back_minor, row.currency),
        reference=row.reference,
        failure=row.failure,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
        refunds=refunds,
    )
