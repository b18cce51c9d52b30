from typing import Any, Final

from sqlalchemy import Select, case, func, literal, or_, select, union_all

from application.auditing import checks
from domain.catalog.stock import Cause
from domain.ordering.status import OrderStatus
from infrastructure.sql.auditing.rules import Rule, written
from infrastructure.sql.catalog.mapping import stock_movements
from infrastructure.sql.ordering.mapping import order_lines, orders
from infrastructure.sql.outbox import outbox


def _lines() -> Select[Any]:
    lines = func.count(order_lines.c.id)
    first, last, smallest = (
        func.coalesce(found, 0)
        for found in (
            func.min(order_lines.c.position),
            func.max(order_lines.c.position),
            func.min(order_lines.c.quantity),
        )
    )
    return (
        select(
            orders.c.id,
            lines.label("lines"),
            first.label("first"),
            last.label("last"),
            smallest.label("quantity"),
        )
        .outerjoin_from(orders, order_lines, order_lines.c.order_id == orders.c.id)
        .group_by(orders.c.id)
        .having(or_(first != 1, last != lines, smallest < 1))
    )


def _totals() -> Select[Any]:
    sum_ = func.coalesce(func.sum(order_lines.c.unit_price_minor * order_lines.c.quantity), 0)
    currency = written(orders.c.currency)
    foreign = func.max(
        case((order_lines.c.currency != orders.c.currency, written(order_lines.c.currency)))
    )
    return (
        select(
            orders.c.id,
            orders.c.total_minor.label("total"),
            currency.label("currency"),
            sum_.label("sum"),
            func.coalesce(foreign, currency).label("other"),
        )
        .outerjoin_from(orders, order_lines, order_lines.c.order_id == orders.c.id)
        .group_by(orders.c.id)
        .having(or_(orders.c.total_minor != sum_, foreign.is_not(None)))
    )


def _sold() -> Select[Any]:
    """What an order took must be what it has not given back, product by product."""
    kept = case((orders.c.status == OrderStatus.CANCELLED, 0), else_=order_lines.c.quantity)
    took = case((stock_movements.c.cause == Cause.ORDER, 1), else_=0)
    changes = union_all(
        select(
            order_lines.c.order_id,
            order_lines.c.product_id,
            kept.label("change"),
            literal(0).label("took"),
        ).join_from(order_lines, orders, orders.c.id == order_lines.c.order_id),
        select(
            stock_movements.c.order_id,
            stock_movements.c.product_id,
            stock_movements.c.change,
            took,
        ).where(stock_movements.c.order_id.is_not(None)),
    ).subquery()
    by_product = (
        select(
            changes.c.order_id,
            func.abs(func.sum(changes.c.change)).label("off"),
            func.sum(changes.c.took).label("took"),
        )
        .group_by(changes.c.order_id, changes.c.product_id)
        .subquery()
    )
    off = func.sum(by_product.c.off)
    return (
        select(by_product.c.order_id.label("id"), off.label("quantity"))
        .group_by(by_product.c.order_id)
        # What was placed before there were movements took none.
        .having(off != 0, func.sum(by_product.c.took) > 0)
    )


def _status() -> Select[Any]:
    order, sequence = outbox.c.aggregate_id, outbox.c.sequence
    told = (
        select(
            outbox.c.aggregate_id,
            outbox.c.type,
            func.lag(outbox.c.type).over(partition_by=order, order_by=sequence).label("before"),
            func.lead(outbox.c.type).over(partition_by=order, order_by=sequence).label("after"),
        )
        .where(outbox.c.type.in_([*checks.ARRIVALS.values()]))
        .subquery()
    )
    step = func.coalesce(told.c.before, "") + ">" + told.c.type
    legal = [f">{checks.ARRIVALS[OrderStatus.PENDING]}", *map(">".join, sorted(checks.STEPS))]
    arrived = case(
        {event: status.value for status, event in checks.ARRIVALS.items()}, value=told.c.type
    )
    history = (
        select(
            told.c.aggregate_id,
            func.max(case((step.not_in(legal), 1), else_=0)).label("illegal"),
            func.max(case((told.c.after.is_(None), arrived))).label("status"),
        )
        .group_by(told.c.aggregate_id)
        .subquery()
    )
    status = written(orders.c.status)
    return (
        select(orders.c.id, status.label("status"))
        .outerjoin_from(orders, history, history.c.aggregate_id == orders.c.id)
        .where(or_(history.c.status.is_(None), history.c.illegal == 1, history.c.status != status))
    )


RULES: Final = (
    Rule.over(orders, checks.LINES, _lines()),
    Rule.over(orders, checks.TOTALS, _totals()),
    Rule.over(orders, checks.SOLD, _sold()),
    Rule.over(orders, checks.STATUS, _status()),
)
