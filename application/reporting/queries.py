from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Protocol, Self
from uuid import UUID

from application.reporting.periods import Period
from application.shared.pages import Page, PageRequest
from domain.identity.user import Role, UserId
from domain.ordering.status import OrderStatus
from domain.shared.money import Currency, Money


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` on and before `end`; None where there is no bound."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Takings:
    """What some orders come to, in minor units, and how many they are."""

    order_count: int = 0
    minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersReport:
    """`revenue` is what all but the cancelled orders come to, one amount for each currency."""

    total_orders: int
    revenue: Sequence[Money]
    orders_by_status: Mapping[OrderStatus, int]

    @classmethod
    def of(cls, found: Mapping[tuple[OrderStatus, Currency], Takings]) -> Self:
        by_status = dict.fromkeys(OrderStatus, 0)
        revenue: dict[Currency, int] = {}
        for (status, currency), takings in found.items():
            by_status[status] += takings.order_count
            if status is not OrderStatus.CANCELLED:
                revenue[currency] = revenue.get(currency, 0) + takings.minor
        return cls(
            total_orders=sum(by_status.values()),
            revenue=[Money(revenue[each], each) for each in _by_code(revenue)],
            orders_by_status=by_status,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TopCustomer:
    """What a customer's orders in one currency come to, without the cancelled ones."""

    customer_id: UUID
    username: str
    email: str
    order_count: int
    total_spent: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryReport:
    """
    The products on sale of one category, without those of the categories below it.

    Of the prices only those in one currency are looked at, and None is told where there are none.
    """

    category_id: UUID
    name: str
    product_count: int
    avg_price: Money | None
    min_price: Money | None
    max_price: Money | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodRevenue:
    """What the orders of a period come to, without the cancelled ones."""

    period: Period
    order_count: int
    revenue: Sequence[Money]


@dataclass(frozen=True, slots=True, kw_only=True)
class LowStock:
    id: UUID
    sku: str
    name: str
    stock: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersReport:
    """`by_role` counts all of them, whether they are active or not."""

    total: int
    active: int
    by_role: Mapping[Role, int]

    @classmethod
    def of(cls, found: Mapping[tuple[Role, bool], int]) -> Self:
        return cls(
            total=sum(found.values()),
            active=sum(count for (_, is_active), count in found.items() if is_active),
            by_role={
                role: sum(count for (each, _), count in found.items() if each is role)
                for role in Role
            },
        )


class Reports(Protocol):
    async def orders(self, window: Window, customer_id: UserId | None) -> OrdersReport:
        """The orders that were placed in the window, by all customers or by one."""

    async def top_customers(
        self, window: Window, currency: Currency, limit: int
    ) -> Sequence[TopCustomer]:
        """Those who spent most in this currency and window; among equals by their ids."""

    async def categories(self, currency: Currency) -> Sequence[CategoryReport]:
        """Every category, also one without products, by name and id."""

    async def revenue(self, periods: Sequence[Period]) -> Sequence[PeriodRevenue]:
        """What was sold in each of these periods, which follow each other without a gap."""

    async def low_stock(self, threshold: int, request: PageRequest) -> Page[LowStock]:
        """The products on sale of which there are so many or fewer, sorted by `stock`."""

    async def users(self) -> UsersReport: ...


def mean(total: int, count: int, currency: Currency) -> Money | None:
    """What so many amounts are on average; a half goes to the even minor unit, as banks do it."""
    return Money(round(Fraction(total, count)), currency) if count else None


def series(
    periods: Sequence[Period], found: Mapping[tuple[int, Currency], Takings]
) -> Sequence[PeriodRevenue]:
    """
    The periods, by their place, with what was found for each and zero where that was nothing.

    Each of them names every currency in which anything was sold in any of them.
    """
    currencies = _by_code({currency for _, currency in found})
    rows = []
    for place, period in enumerate(periods):
        takings = [found.get((place, currency), Takings()) for currency in currencies]
        rows.append(
            PeriodRevenue(
                period=period,
                order_count=sum(each.order_count for each in takings),
                revenue=[
                    Money(each.minor, currency)
                    for each, currency in zip(takings, currencies, strict=True)
                ],
            )
        )
    return rows


def _by_code(currencies: Iterable[Currency]) -> Sequence[Currency]:
    return sorted(currencies, key=lambda currency: currency.code)
