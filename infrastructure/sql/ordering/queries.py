from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncEngine

from application.ordering.queries import OrderDetails, OrderFilter, OrderItem, OrderSummary
from application.shared.pages import Page, PageRequest
from domain.ordering.order import OrderId, OrderNumber
from domain.shared.money import Money
from infrastructure.sql.ordering.mapping import order_lines, orders
from infrastructure.sql.pages import AnyRow, page

_ORDERS = select(*(column for column in orders.c if column.name != "sequence"))
_SORTS = {"placed_at": orders.c.placed_at, "total": orders.c.total_minor}

_ORDERS_AND_LINES = (
    select(
        *(column for column in orders.c if column.name != "sequence"),
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
