from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncEngine

from application.ordering.queries import OrderDetails, OrderFilter, OrderItem, OrderSummary
from application.ordering.receipts import PaymentDetails, RefundDetails
from application.ordering.timeline import Happening, happening
from application.shared.outbox import OutboxEntry
from application.shared.pages import Page, PageRequest, Position
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
from infrastructure.sql.pages import AnyRow, count, cut, following, page, shown
from infrastructure.sql.reading import Query, Reader

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
_ORDER = Query(_ORDERS_AND_LINES.where(orders.c.id == bindparam("id")))
_CUSTOMER = select(orders.c.customer_id).where(orders.c.id == bindparam("id"))
_TIMELINE_SORTS = {"at": outbox.c.sequence}
_BY_AGE = (payments.c.created_at, payments.c.id)
_BY_NUMBER = Query(_ORDERS_AND_LINES.where(orders.c.number == bindparam("number")))


class SqlOrderQueries:
    def __init__(self, engine: AsyncEngine, reader: Reader) -> None:
        self._engine = engine
        self._reader = reader

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
        everything = select(payments).where(payments.c.order_id == id)
        rows = cut(following(everything, request, *_BY_AGE), request)
        async with self._engine.connect() as connection:
            total = await connection.scalar(count(everything)) if request.with_total else None
            found = (await connection.execute(_with_refunds(rows, request))).all()
        return shown(
            [[*parts] for _, parts in groupby(found, attrgetter("id"))],
            request,
            record=_payment,
            position=lambda parts: Position(parts[0].created_at, parts[0].id),
            total=total,
        )

    async def _one(self, query: Query, **which: object) -> OrderDetails | None:
        rows = await self._reader.rows(query, **which)
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


def _with_refunds(rows: Select[Any], request: PageRequest) -> Select[Any]:
    """Each of these payments once for each refund of it, in one look at both."""
    these = rows.subquery()
    parts = (
        select(
            these,
            refunds.c.id.label("refund_id"),
            refund_parts.c.amount_minor.label("part_minor"),
            refunds.c.reason,
            refunds.c.created_at.label("given_back_at"),
        )
        .outerjoin_from(these, refund_parts, refund_parts.c.payment_id == these.c.id)
        .outerjoin(refunds, refunds.c.id == refund_parts.c.refund_id)
    )
    # `after` has done its part inside.
    in_order = following(parts, replace(request, after=None), these.c.created_at, these.c.id)
    return in_order.order_by(refunds.c.created_at, refunds.c.id)


def _payment(rows: Sequence[AnyRow]) -> PaymentDetails:
    row = rows[0]
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
        refunds=[
            RefundDetails(
                id=part.refund_id,
                amount=Money(part.part_minor, row.currency),
                reason=part.reason,
                created_at=part.given_back_at,
            )
            for part in rows
            if part.refund_id
        ],
    )
