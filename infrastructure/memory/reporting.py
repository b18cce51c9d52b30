from bisect import bisect
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, TypeVar
from uuid import UUID

from application.reporting.periods import Period
from application.reporting.queries import (
    CategoryReport,
    LowStock,
    OrdersReport,
    PeriodRevenue,
    Takings,
    TopCustomer,
    UsersReport,
    Window,
    mean,
    series,
)
from application.shared.pages import Page, PageRequest
from domain.catalog.category import Category
from domain.catalog.product import Product
from domain.identity.user import User, UserId
from domain.ordering.order import Order
from domain.ordering.status import OrderStatus
from domain.shared.money import Currency, Money
from infrastructure.memory.database import MemoryDatabase
from infrastructure.memory.pages import page

K = TypeVar("K", bound=Hashable)

_LOW_STOCK_SORTS: Final[dict[str, Callable[[LowStock], Any]]] = {"stock": attrgetter("stock")}


class MemoryReports:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def orders(self, window: Window, customer_id: UserId | None) -> OrdersReport:
        placed = (
            order for order in self._placed(window) if customer_id in (None, order.customer_id)
        )
        return OrdersReport.of(_takings(placed, lambda order: (order.status, order.total.currency)))

    async def top_customers(
        self, window: Window, currency: Currency, limit: int
    ) -> Sequence[TopCustomer]:
        sold = (order for order in self._sold(window) if order.total.currency == currency)
        spent: Mapping[UUID, Takings] = _takings(sold, lambda order: order.customer_id)
        found = [
            TopCustomer(
                customer_id=user.id,
                username=user.username,
                email=user.email,
                order_count=spent[user.id].order_count,
                total_spent=Money(spent[user.id].minor, currency),
            )
            for user in self._database.all(User)
            if user.id in spent
        ]
        return sorted(found, key=lambda row: (-row.total_spent.minor, row.customer_id))[:limit]

    async def categories(self, currency: Currency) -> Sequence[CategoryReport]:
        categories = sorted(self._database.all(Category), key=attrgetter("name", "id"))
        return [self._category(category, currency) for category in categories]

    async def revenue(self, periods: Sequence[Period]) -> Sequence[PeriodRevenue]:
        starts = [period.start for period in periods]
        takings = _takings(
            self._sold(Window(starts[0], periods[-1].end)),
            lambda order: (bisect(starts, order.placed_at) - 1, order.total.currency),
        )
        return series(periods, takings)

    async def low_stock(self, threshold: int, request: PageRequest) -> Page[LowStock]:
        rows = (
            LowStock(id=product.id, sku=product.sku, name=product.name, stock=product.stock)
            for product in self._on_sale()
            if product.stock <= threshold
        )
        return page(rows, request, sorts=_LOW_STOCK_SORTS, id=attrgetter("id"))

    async def users(self) -> UsersReport:
        users = self._database.all(User)
        return UsersReport.of(Counter((user.role, user.is_active) for user in users))

    def _placed(self, window: Window) -> Iterable[Order]:
        return (
            order
            for order in self._database.all(Order)
            if (window.start is None or order.placed_at >= window.start)
            and (window.end is None or order.placed_at < window.end)
        )

    def _sold(self, window: Window) -> Iterable[Order]:
        return (
            order for order in self._placed(window) if order.status is not OrderStatus.CANCELLED
        )

    def _on_sale(self) -> Iterable[Product]:
        return (
            product
            for product in self._database.all(Product)
            if product.is_active and product.deleted_at is None
        )

    def _category(self, category: Category, currency: Currency) -> CategoryReport:
        own = [product for product in self._on_sale() if product.category_id == category.id]
        prices = [product.price for product in own if product.price.currency == currency]
        return CategoryReport(
            category_id=category.id,
            name=category.name,
            product_count=len(own),
            avg_price=mean(sum(price.minor for price in prices), len(prices), currency),
            min_price=min(prices, default=None),
            max_price=max(prices, default=None),
        )


def _takings(orders: Iterable[Order], key: Callable[[Order], K]) -> Mapping[K, Takings]:
    """How many orders there are of each kind, and what they come to."""
    found: dict[K, Takings] = {}
    for order in orders:
        so_far = found.get(key(order), Takings())
        found[key(order)] = Takings(so_far.order_count + 1, so_far.minor + order.total.minor)
    return found
