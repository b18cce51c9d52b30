from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
    values,
)
from sqlalchemy.ext.asyncio import AsyncEngine

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
from domain.identity.user import UserId
from domain.ordering.status import OrderStatus
from domain.shared.money import Currency, Money
from infrastructure.sql.catalog.mapping import ON_SALE, categories, products
from infrastructure.sql.identity.mapping import users
from infrastructure.sql.ordering.mapping import orders
from infrastructure.sql.pages import AnyRow, page
from infrastructure.sql.schema import CurrencyCode, UtcDateTime

_SOLD: Final = orders.c.status != OrderStatus.CANCELLED
_CURRENCY: Final = bindparam("currency", type_=CurrencyCode)

# The sum of many amounts exceeds 64 bits, at which SQLite fails. So an exact sum is two columns:
# how many times this goes into it, and what is left. Neither overflows below 9 000 000 000 rows.
_PART: Final = 1_000_000_000
_SUM: Final = ("sum_high", "sum_low")


def _sum(amount: ColumnElement[int]) -> tuple[ColumnElement[int], ColumnElement[int]]:
    part: ColumnElement[int] = literal_column(str(_PART), BigInteger)
    high, low = (cast(func.sum(each), BigInteger) for each in (amount // part, amount % part))
    return (high + low // part).label(_SUM[0]), (low % part).label(_SUM[1])


def _total(row: AnyRow) -> int:
    total: int = row.sum_high * _PART + row.sum_low
    return total


_TAKINGS: Final = (func.count().label("order_count"), *_sum(orders.c.total_minor))

_ORDERS = select(orders.c.status, orders.c.currency, *_TAKINGS).group_by(
    orders.c.status, orders.c.currency
)

_SPENT = (
    select(orders.c.customer_id, *_TAKINGS)
    .where(_SOLD, orders.c.currency == _CURRENCY)
    .group_by(orders.c.customer_id)
    .limit(bindparam("limit"))
)

_PRICE: Final = case((products.c.price_currency == _CURRENCY, products.c.price_minor))
_PRICES = (
    select(
        products.c.category_id,
        func.count().label("product_count"),
        func.count(_PRICE).label("priced"),
        func.min(_PRICE).label("lowest"),
        func.max(_PRICE).label("highest"),
        *_sum(_PRICE),
    )
    .where(ON_SALE)
    .group_by(products.c.category_id)
    .subquery()
)
_CATEGORIES = (
    select(categories.c.id, categories.c.name, _PRICES)
    .outerjoin_from(categories, _PRICES, _PRICES.c.category_id == categories.c.id)
    .order_by(categories.c.name, categories.c.id)
)

_LOW_STOCK = select(products.c.id, products.c.sku, products.c.name, products.c.stock).where(ON_SALE)
_LOW_STOCK_SORTS = {"stock": products.c.stock}

_USERS = select(users.c.role, users.c.is_active, func.count().label("counted")).group_by(
    users.c.role, users.c.is_active
)


class SqlReports:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def orders(self, window: Window, customer_id: UserId | None) -> OrdersReport:
        statement = _within(_ORDERS, window)
        if customer_id is not None:
            statement = statement.where(orders.c.customer_id == customer_id)
        return OrdersReport.of(
            {(row.status, row.currency): _takings(row) for row in await self._rows(statement)}
        )

    async def top_customers(
        self, window: Window, currency: Currency, limit: int
    ) -> Sequence[TopCustomer]:
        statement = _top_customers(_within(_SPENT, window))
        return [
            TopCustomer(
                customer_id=row.customer_id,
                username=row.username,
                email=row.email,
                order_count=row.order_count,
                total_spent=Money(_total(row), currency),
            )
            for row in await self._rows(statement, currency=currency, limit=limit)
        ]

    async def categories(self, currency: Currency) -> Sequence[CategoryReport]:
        rows = await self._rows(_CATEGORIES, currency=currency)
        return [_category(row, currency) for row in rows]

    async def revenue(self, periods: Sequence[Period]) -> Sequence[PeriodRevenue]:
        joined = self._engine.dialect.name == "sqlite"  # which knows no width_bucket
        rows = await self._rows(_by_joining(periods) if joined else _by_bucket(periods))
        found = {(row.place, row.currency): _takings(row) for row in rows}
        return series(periods, found)

    async def low_stock(self, threshold: int, request: PageRequest) -> Page[LowStock]:
        return await page(
            self._engine,
            _LOW_STOCK.where(products.c.stock <= threshold),
            request,
            sorts=_LOW_STOCK_SORTS,
            id=products.c.id,
            record=lambda row: LowStock(id=row.id, sku=row.sku, name=row.name, stock=row.stock),
        )

    async def users(self) -> UsersReport:
        rows = await self._rows(_USERS)
        return UsersReport.of({(row.role, row.is_active): row.counted for row in rows})

    async def _rows(self, statement: Select[Any], **asked: object) -> Sequence[AnyRow]:
        async with self._engine.connect() as connection:
            rows: Sequence[AnyRow] = (await connection.execute(statement, asked)).all()
        return rows


def _within(statement: Select[Any], window: Window) -> Select[Any]:
    if window.start is not None:
        statement = statement.where(orders.c.placed_at >= window.start)
    if window.end is not None:
        statement = statement.where(orders.c.placed_at < window.end)
    return statement


def _top_customers(spent: Select[Any]) -> Select[Any]:
    """Who they are that spent most; only of those the names are looked up."""
    best = spent.order_by(
        *(spent.selected_columns[name].desc() for name in _SUM), orders.c.customer_id
    ).subquery()
    return (
        select(best, users.c.username, users.c.email)
        .join_from(best, users, users.c.id == best.c.customer_id)
        .order_by(*(best.c[name].desc() for name in _SUM), best.c.customer_id)
    )


def _by_bucket(periods: Sequence[Period]) -> Select[Any]:
    """Each order is put into its period by halving."""
    starts = literal([period.start for period in periods], ARRAY(UtcDateTime))
    place = (func.width_bucket(orders.c.placed_at, starts, type_=Integer) - 1).label("place")
    sold = select(place, orders.c.currency, *_TAKINGS).where(_SOLD)
    window = Window(periods[0].start, periods[-1].end)
    return _within(sold, window).group_by(place, orders.c.currency)


def _by_joining(periods: Sequence[Period]) -> Select[Any]:
    """The orders of each period are looked up by their time."""
    rows = [(place, period.start, period.end) for place, period in enumerate(periods)]
    asked = (
        values(
            column("place", Integer),
            column("starts", UtcDateTime),
            column("ends", UtcDateTime),
            name="asked",
        )
        .data(rows)
        .cte("asked")
    )
    return (
        select(asked.c.place, orders.c.currency, *_TAKINGS)
        .join_from(
            asked,
            orders,
            (orders.c.placed_at >= asked.c.starts) & (orders.c.placed_at < asked.c.ends),
        )
        .where(_SOLD)
        .group_by(asked.c.place, orders.c.currency)
    )


def _takings(row: AnyRow) -> Takings:
    return Takings(row.order_count, _total(row))


def _category(row: AnyRow, currency: Currency) -> CategoryReport:
    priced = row.priced or 0
    return CategoryReport(
        category_id=row.id,
        name=row.name,
        product_count=row.product_count or 0,
        avg_price=mean(_total(row), priced, currency) if priced else None,
        min_price=Money(row.lowest, currency) if priced else None,
        max_price=Money(row.highest, currency) if priced else None,
    )
