from collections import Counter, defaultdict
from collections.abc import Collection
from datetime import datetime
from itertools import pairwise
from typing import Final
from uuid import UUID

from application.auditing import checks
from domain.catalog.stock import Cause
from domain.ordering.order import Order
from domain.ordering.status import OrderStatus
from infrastructure.memory.auditing.rules import Offenders, Rule, sums_up
from infrastructure.memory.database import MemoryDatabase


def _orders(database: MemoryDatabase) -> Collection[UUID]:
    return database.rows[Order]


def _lines(database: MemoryDatabase, _: datetime) -> Offenders:
    for order in database.all(Order):
        positions = sorted(line.position for line in order.lines)
        smallest = min((line.quantity for line in order.lines), default=0)
        if positions != [*range(1, len(positions) + 1)] or smallest < 1:
            yield checks.LINES.finding(
                order.id,
                lines=len(positions),
                first=min(positions, default=0),
                last=max(positions, default=0),
                quantity=smallest,
            )


def _totals(database: MemoryDatabase, _: datetime) -> Offenders:
    for order in database.all(Order):
        yield from sums_up(
            checks.TOTALS,
            order.id,
            ("total", order.total),
            [line.total for line in order.lines],
        )


def _sold(database: MemoryDatabase, _: datetime) -> Offenders:
    moved: dict[UUID, Counter[UUID]] = defaultdict(Counter)
    took = set()
    for movement in database.movements:
        if order_id := movement.because.order_id:
            moved[order_id][movement.product_id] += movement.change
            if movement.because.cause is Cause.ORDER:
                took.add(order_id)
    for order in database.all(Order):
        if order.status is not OrderStatus.CANCELLED:
            for line in order.lines:
                moved[order.id][line.product_id] += line.quantity
    for id in took:
        if quantity := sum(abs(change) for change in moved[id].values()):
            yield checks.SOLD.finding(id, quantity=quantity)


def _status(database: MemoryDatabase, _: datetime) -> Offenders:
    steps: dict[UUID, list[str]] = defaultdict(list)
    for entry in sorted(database.outbox, key=lambda entry: entry.sequence):
        if entry.type in checks.ARRIVALS.values():
            steps[entry.aggregate_id].append(entry.type)
    for order in database.all(Order):
        told = steps[order.id]
        placed, arrived = checks.ARRIVALS[OrderStatus.PENDING], checks.ARRIVALS[order.status]
        is_legal = told and told[0] == placed and {*pairwise(told)} <= checks.STEPS
        if not is_legal or told[-1] != arrived:
            yield checks.STATUS.finding(order.id, status=order.status)


RULES: Final = (
    Rule(checks.LINES, _orders, _lines),
    Rule(checks.TOTALS, _orders, _totals),
    Rule(checks.SOLD, _orders, _sold),
    Rule(checks.STATUS, _orders, _status),
)
