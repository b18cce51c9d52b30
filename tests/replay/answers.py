"""What the service says, as far as anybody here wants to know it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Self

CURRENCY: Final = "GBP"

Json = dict[str, Any]


class UnexpectedAnswer(Exception):
    """The service said something that a client of its contract need not expect."""


@dataclass(frozen=True, slots=True)
class Product:
    sku: str
    price: Decimal
    stock: int

    @classmethod
    def of(cls, row: Json) -> Self:
        return cls(row["sku"], amount(row["price"]), row["stock"])


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it was read back; `invoice` is what the note says, `prices` are by sku."""

    id: str
    customer_id: str
    invoice: str
    status: str
    total: Decimal
    paid: Decimal
    refunded: Decimal
    tracking_number: str | None
    sum_of_lines: Decimal
    units: Counter[str]
    prices: dict[str, Decimal]

    @classmethod
    def of(cls, row: Json) -> Self:
        units: Counter[str] = Counter()
        for item in row["items"]:
            units[item["sku"]] += item["quantity"]
        return cls(
            id=row["id"],
            customer_id=row["customer_id"],
            invoice=row["note"],
            status=row["status"],
            total=amount(row["total"]),
            paid=amount(row["paid"]),
            refunded=amount(row["refunded"]),
            tracking_number=row["tracking_number"],
            sum_of_lines=sum((amount(item["line_total"]) for item in row["items"]), Decimal()),
            units=units,
            prices={item["sku"]: amount(item["unit_price"]) for item in row["items"]},
        )


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment of an order; `refunds` is what of it went back, for each reason."""

    method: str
    status: str
    amount: Decimal
    refunded: Decimal
    due_back: Decimal
    refunds: dict[str, Decimal]

    @classmethod
    def of(cls, row: Json) -> Self:
        refunds: dict[str, Decimal] = {}
        for refund in row["refunds"]:
            earlier = refunds.get(refund["reason"], Decimal())
            refunds[refund["reason"]] = earlier + amount(refund["amount"])
        return cls(
            method=row["method"],
            status=row["status"],
            amount=amount(row["amount"]),
            refunded=amount(row["refunded"]),
            due_back=amount(row["due_back"]),
            refunds=refunds,
        )


@dataclass(frozen=True, slots=True)
class Takings:
    """So many orders, and what they come to."""

    orders: int
    revenue: Decimal

    def __str__(self) -> str:
        return f"{self.revenue} for {self.orders} orders"

    @classmethod
    def of_periods(cls, rows: Sequence[Json]) -> Self:
        """All of the periods together."""
        return cls(
            orders=sum(row["order_count"] for row in rows),
            revenue=total(each for row in rows for each in row["revenue"]),
        )

    @classmethod
    def of_customer(cls, row: Json) -> Self:
        return cls(row["order_count"], amount(row["total_spent"]))


@dataclass(frozen=True, slots=True)
class Figures:
    """
    The service's reports on the time of the replay.

    `placed` counts all orders and is worth those that are not cancelled. `series` holds what the
    periods of each interval come to together; `best` are the customers (by id) who spent most.
    """

    placed: Takings
    by_status: dict[str, int]
    series: dict[str, Takings]
    best: list[tuple[str, Takings]]


def total(amounts: Iterable[Json]) -> Decimal:
    return sum(map(amount, amounts), Decimal())


def amount(money: Json) -> Decimal:
    if money["currency"] != CURRENCY:
        raise UnexpectedAnswer(f"an amount in {money['currency']}, not in {CURRENCY}")
    return Decimal(money["amount"])
