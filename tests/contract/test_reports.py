"""What staff are told about the shop, the same by every storage."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Final
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, insert, select, text

from application.reporting.periods import MOST_PERIODS, Interval, Period, periods
from application.reporting.queries import (
    CategoryReport,
    LowStock,
    OrdersReport,
    PeriodRevenue,
    TopCustomer,
    UsersReport,
    Window,
)
from application.shared.pages import Page, PageRequest, Sort
from domain.catalog.product import DEAREST, Product
from domain.identity.user import Role, User, UserId
from domain.ordering.order import LARGEST_TOTAL, Order
from domain.ordering.status import OrderStatus
from domain.shared.money import Currency, Money
from infrastructure.sql.ordering.mapping import orders as order_table
from tests.builders import (
    NOON,
    a_category,
    a_product,
    a_user,
    an_order,
    gbp,
    money,
    usd,
)
from tests.contract.backends import Backend, SqlBackend
from tests.contract.steps import everything
from tests.contract.walking import each_page_is_right

ALWAYS: Final = Window()
GBP: Final = Currency.of("GBP")
BERLIN: Final = ZoneInfo("Europe/Berlin")
INSTANT: Final = timedelta(microseconds=1)
NONE_YET: Final = dict.fromkeys(OrderStatus, 0)


def pennies(currency: str = "GBP") -> Product:
    """A product for one minor unit, of which an order can be of any total."""
    return a_product(price=Money(1, Currency.of(currency)), stock=1_000_000_000)


def sold(
    product: Product,
    customer: User,
    total: int = 100,
    status: OrderStatus = OrderStatus.PENDING,
    at: datetime = NOON,
) -> Order:
    """An order that comes to so many minor units."""
    order = an_order(product, customer=customer, quantity=total, at=at)
    order.status = status
    return order


async def test_a_shop_in_which_nothing_happened_yet_has_reports(backend: Backend) -> None:
    day = periods(Interval.DAY, NOON, NOON + INSTANT, UTC)
    nobody = await backend.reports.users()
    assert nobody == UsersReport(total=0, active=0, by_role=dict.fromkeys(Role, 0))
    assert await backend.reports.orders(ALWAYS, None) == OrdersReport(
        total_orders=0, revenue=[], orders_by_status=NONE_YET
    )
    assert await backend.reports.top_customers(ALWAYS, GBP, 10) == []
    assert await backend.reports.categories(GBP) == []
    assert (await backend.reports.low_stock(10, everything("stock"))).items == []
    assert await backend.reports.revenue(day) == [
        PeriodRevenue(period=day[0], order_count=0, revenue=[])
    ]


async def test_orders_are_counted_by_status_and_added_up_by_currency(backend: Backend) -> None:
    ada, bob = a_user(), a_user()
    pounds, yen, dinars = pennies(), pennies("JPY"), pennies("KWD")
    orders = [
        sold(yen, ada, 5, OrderStatus.PENDING),
        sold(pounds, ada, 7, OrderStatus.SHIPPED),
        sold(pounds, ada, 1_000, OrderStatus.CANCELLED),
        sold(dinars, ada, 1_000, OrderStatus.CANCELLED),
        sold(pounds, bob, 11, OrderStatus.PENDING),
        sold(pounds, bob, 13, OrderStatus.DELIVERED),
    ]
    await backend.keep(ada, bob, pounds, yen, dinars, *orders)

    assert await backend.reports.orders(ALWAYS, None) == OrdersReport(
        total_orders=6,
        revenue=[gbp("0.31"), money("5", "JPY")],
        orders_by_status={
            OrderStatus.PENDING: 2,
            OrderStatus.CONFIRMED: 0,
            OrderStatus.SHIPPED: 1,
            OrderStatus.DELIVERED: 1,
            OrderStatus.CANCELLED: 2,
        },
    )
    of_ada = await backend.reports.orders(ALWAYS, UserId(ada.id))
    assert (of_ada.total_orders, of_ada.revenue) == (4, [gbp("0.07"), money("5", "JPY")])
    of_nobody = await backend.reports.orders(ALWAYS, UserId(uuid4()))
    assert (of_nobody.total_orders, of_nobody.revenue) == (0, [])
    assert of_nobody.orders_by_status == NONE_YET


async def test_a_window_holds_its_beginning_and_not_its_end(backend: Backend) -> None:
    ada, mug = a_user(), pennies()
    times = [NOON - INSTANT, NOON, NOON + INSTANT, NOON + 2 * INSTANT]
    orders = [sold(mug, ada, 10**place, at=at) for place, at in enumerate(times)]
    await backend.keep(ada, mug, *orders)

    in_berlin = [at.astimezone(BERLIN) for at in times]
    for start, end, total in (
        (None, None, 1111),
        (NOON, None, 1110),
        (None, NOON, 1),
        (NOON, NOON + 2 * INSTANT, 110),
        (in_berlin[1], in_berlin[3], 110),
        (NOON, NOON, 0),
        (NOON + INSTANT, NOON, 0),
        (datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC), 1111),
    ):
        window = Window(start, end)
        report = await backend.reports.orders(window, None)
        best = await backend.reports.top_customers(window, GBP, 10)
        assert report.revenue == ([Money(total, GBP)] if total else [])
        assert [row.total_spent for row in best] == report.revenue
        assert [row.order_count for row in best] == ([report.total_orders] if total else [])


async def test_those_who_spent_most_come_first_and_equals_by_their_ids(backend: Backend) -> None:
    customers = [a_user() for _ in range(5)]
    ada, bob, eve, sly, _ = customers
    pounds, dollars = pennies(), pennies("USD")
    orders = [
        sold(pounds, ada, 5),
        sold(pounds, ada, 5),
        sold(pounds, bob, 11),
        sold(pounds, eve, 10),
        sold(pounds, sly, 1_000, OrderStatus.CANCELLED),
        sold(dollars, ada, 1_000),
    ]
    await backend.keep(*customers, pounds, dollars, *orders)

    def spent(user: User, amount: Money, order_count: int = 1) -> TopCustomer:
        return TopCustomer(
            customer_id=user.id,
            username=user.username,
            email=user.email,
            order_count=order_count,
            total_spent=amount,
        )

    equals = [spent(ada, gbp("0.10"), 2), spent(eve, gbp("0.10"))]
    expected = [spent(bob, gbp("0.11")), *sorted(equals, key=attrgetter("customer_id"))]
    assert await backend.reports.top_customers(ALWAYS, GBP, 10) == expected
    for limit in (1, 2):
        assert await backend.reports.top_customers(ALWAYS, GBP, limit) == expected[:limit]
    in_dollars = await backend.reports.top_customers(ALWAYS, Currency.of("USD"), 10)
    assert in_dollars == [spent(ada, usd("10.00"))]
    assert await backend.reports.top_customers(ALWAYS, Currency.of("EUR"), 10) == []


async def test_large_sums_are_compared_as_a_whole(backend: Backend) -> None:
    ada, bob, eve = customers = [a_user() for _ in range(3)]
    car, boat = a_product(price=gbp("9999999.99")), a_product(price=gbp("15000000.00"))
    orders = [an_order(car, customer=ada, quantity=2), an_order(boat, customer=bob)]
    orders += [an_order(car, customer=eve), an_order(car, customer=eve)]
    await backend.keep(*customers, car, boat, *orders)
    best = await backend.reports.top_customers(ALWAYS, GBP, 10)
    large = gbp("19999999.98")
    assert [row.total_spent for row in best] == [large, large, gbp("15000000.00")]
    assert [row.customer_id for row in best] == [*sorted([ada.id, eve.id]), bob.id]


async def test_who_was_given_everything_is_a_customer_as_well(backend: Backend) -> None:
    ada, gift = a_user(), a_product(price=gbp("0.00"))
    await backend.keep(ada, gift, an_order(gift, customer=ada))
    [row] = await backend.reports.top_customers(ALWAYS, GBP, 10)
    assert (row.order_count, row.total_spent) == (1, gbp("0.00"))
    assert (await backend.reports.orders(ALWAYS, None)).revenue == [gbp("0.00")]


async def test_a_category_is_told_with_the_prices_of_its_own_products(backend: Backend) -> None:
    kitchen = a_category(name="Kitchen")
    cups = a_category(name="Cups", below=kitchen)
    names = [a_category(name="kitchen"), a_category(name="Äpfel"), a_category(name="Zoo")]
    products = [
        a_product(category=kitchen, price=gbp("0.02")),
        a_product(category=kitchen, price=gbp("0.03")),
        a_product(category=kitchen, price=usd("99.00")),
        a_product(category=kitchen, price=gbp("50.00"), is_active=False),
        a_product(category=kitchen, price=gbp("60.00"), stock=0),
        a_product(category=cups, price=gbp("0.01"), stock=0),
        a_product(category=cups, price=gbp("0.02")),
        a_product(price=gbp("70.00")),
        a_product(category=names[2], price=usd("1.00")),
    ]
    products[4].delete(at=NOON)
    await backend.keep(kitchen, cups, *names, *products)

    rows = await backend.reports.categories(GBP)

    assert [row.name for row in rows] == ["Cups", "Kitchen", "Zoo", "kitchen", "Äpfel"]
    assert rows[:3] == [
        CategoryReport(
            category_id=cups.id,
            name="Cups",
            product_count=2,
            avg_price=gbp("0.02"),
            min_price=gbp("0.01"),
            max_price=gbp("0.02"),
        ),
        CategoryReport(
            category_id=kitchen.id,
            name="Kitchen",
            product_count=3,
            avg_price=gbp("0.02"),
            min_price=gbp("0.02"),
            max_price=gbp("0.03"),
        ),
        CategoryReport(
            category_id=names[2].id,
            name="Zoo",
            product_count=1,
            avg_price=None,
            min_price=None,
            max_price=None,
        ),
    ]
    assert {(row.product_count, row.avg_price) for row in rows[3:]} == {(0, None)}


async def test_categories_of_one_name_are_told_in_the_order_of_their_ids(backend: Backend) -> None:
    roots = [a_category() for _ in range(4)]
    below = [a_category(name="Other", below=root) for root in roots]
    await backend.keep(*roots, *below)
    rows = await backend.reports.categories(GBP)
    others = [row.category_id for row in rows if row.name == "Other"]
    assert others == sorted(category.id for category in below)


async def test_the_dearest_products_have_an_exact_mean(backend: Backend) -> None:
    kitchen = a_category()
    products = [a_product(category=kitchen, price=Money(DEAREST - less, GBP)) for less in (0, 0, 1)]
    await backend.keep(kitchen, *products)
    [row] = await backend.reports.categories(GBP)
    assert row.avg_price == Money(DEAREST, GBP)


async def test_every_day_of_a_time_zone_has_its_own_orders(backend: Backend) -> None:
    """In Berlin the 29th of March has 23 hours, and the 25th of October 25."""
    ada, mug = a_user(), pennies()
    turns = [datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)]
    turns += [datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)]
    orders = [sold(mug, ada, 1, at=turn - INSTANT) for turn in turns]
    orders += [sold(mug, ada, 10, at=turn) for turn in turns]
    await backend.keep(ada, mug, *orders)

    for start, end in (turns[:2], turns[2:]):
        days = periods(Interval.DAY, start - timedelta(hours=2), end + timedelta(hours=2), BERLIN)
        rows = await backend.reports.revenue(days)
        assert [row.period for row in rows] == days
        assert [row.revenue for row in rows] == [[Money(minor, GBP)] for minor in (1, 11, 10)]
        assert [row.order_count for row in rows] == [1, 2, 1]


async def test_a_series_names_each_currency_in_each_period(backend: Backend) -> None:
    ada, pounds, yen, dinars = a_user(), pennies(), pennies("JPY"), pennies("KWD")
    day = timedelta(days=1)
    orders = [
        sold(yen, ada, 5),
        sold(pounds, ada, 7, at=NOON + 2 * day),
        sold(pounds, ada, 1, OrderStatus.CANCELLED, at=NOON + day),
        sold(dinars, ada, 1, OrderStatus.CANCELLED),
        sold(dinars, ada, 1, at=NOON + 9 * day),
    ]
    await backend.keep(ada, pounds, yen, dinars, *orders)

    days = periods(Interval.DAY, NOON, NOON + 3 * day - timedelta(hours=12), UTC)
    rows = await backend.reports.revenue(days)
    assert [row.order_count for row in rows] == [1, 0, 1]
    assert [row.revenue for row in rows] == [
        [gbp("0.00"), money("5", "JPY")],
        [gbp("0.00"), money("0", "JPY")],
        [gbp("0.07"), money("0", "JPY")],
    ]


async def test_a_series_may_have_a_thousand_periods(backend: Backend) -> None:
    ada, mug = a_user(), pennies()
    end = NOON + timedelta(days=MOST_PERIODS - 1)
    await backend.keep(ada, mug, sold(mug, ada, 3), sold(mug, ada, 4, at=end - INSTANT))
    days = periods(Interval.DAY, NOON, end, UTC)
    rows = await backend.reports.revenue(days)
    assert len(rows) == MOST_PERIODS
    assert [(place, row.order_count) for place, row in enumerate(rows) if row.order_count] == [
        (0, 1),
        (MOST_PERIODS - 1, 1),
    ]


def in_orders(orders: Sequence[Order], days: Sequence[Period]) -> Iterator[PeriodRevenue]:
    """What a series has to be, by looking at every order for every period."""
    kept = [
        order
        for order in orders
        if order.status is not OrderStatus.CANCELLED
        and days[0].start <= order.placed_at < days[-1].end
    ]
    codes = sorted({order.total.currency.code for order in kept})
    for day in days:
        of_day = [order for order in kept if day.start <= order.placed_at < day.end]
        revenue = Counter(dict.fromkeys(codes, 0))
        for order in of_day:
            revenue[order.total.currency.code] += order.total.minor
        yield PeriodRevenue(
            period=day,
            order_count=len(of_day),
            revenue=[Money(revenue[code], Currency.of(code)) for code in codes],
        )


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu"])
async def test_reports_are_what_counting_by_hand_comes_to(backend: Backend, zone: str) -> None:
    chance = random.Random(zone)
    customers = [a_user() for _ in range(4)]
    products = [pennies(), pennies("USD"), pennies("BHD")]
    begin = datetime(2018, 10, 20, tzinfo=UTC)
    # On the hour and right before it, which is where days begin.
    orders = [
        sold(
            chance.choice(products),
            chance.choice(customers),
            chance.randrange(1, 10_000),
            chance.choice([*OrderStatus]),
            begin
            + timedelta(minutes=15 * chance.randrange(96 * 30))
            - chance.choice([0, 1]) * INSTANT,
        )
        for _ in range(150)
    ]
    await backend.keep(*customers, *products, *orders)

    for interval in Interval:
        asked = periods(
            interval, begin + timedelta(days=2), NOON.replace(year=2019), ZoneInfo(zone)
        )
        asked = asked[: 25 if interval is Interval.DAY else 3]
        assert await backend.reports.revenue(asked) == [*in_orders(orders, asked)]
    report = await backend.reports.orders(ALWAYS, None)
    assert report.orders_by_status == {
        **NONE_YET,
        **Counter(order.status for order in orders),
    }
    spent: Counter[object] = Counter()
    for order in orders:
        if order.total.currency == GBP and order.status is not OrderStatus.CANCELLED:
            spent[order.customer_id] += order.total.minor
    best = await backend.reports.top_customers(ALWAYS, GBP, 10)
    assert [(row.customer_id, row.total_spent.minor) for row in best] == spent.most_common()
    assert report.revenue[1] == Money(spent.total(), GBP)


async def test_what_runs_low_is_listed_in_order(backend: Backend) -> None:
    products = [a_product(stock=number % 4) for number in range(10)]
    gone = a_product(stock=1)
    gone.delete(at=NOON)
    await backend.keep(*products, gone, a_product(stock=1, is_active=False), a_product(stock=4))
    rows = [
        LowStock(id=product.id, sku=product.sku, name=product.name, stock=product.stock)
        for product in products
    ]

    async def pages(request: PageRequest) -> Page[LowStock]:
        return await backend.reports.low_stock(3, request)

    for descending in (False, True):
        await each_page_is_right(pages, rows, Sort("stock", descending), attrgetter("stock"))
    sold_out = await backend.reports.low_stock(0, everything("stock"))
    assert {row.stock for row in sold_out.items} == {0}
    assert len((await backend.reports.low_stock(2**31 - 1, everything("stock"))).items) == 11


async def test_users_are_counted_by_role_and_by_whether_they_are_active(backend: Backend) -> None:
    users = [
        *(a_user(role=role) for role in (Role.CUSTOMER, Role.CUSTOMER, Role.ADMIN)),
        *(a_user(role=role, is_active=False) for role in (Role.CUSTOMER, Role.ADMIN)),
    ]
    await backend.keep(*users)
    assert await backend.reports.users() == UsersReport(
        total=5, active=3, by_role={Role.CUSTOMER: 3, Role.STAFF: 0, Role.ADMIN: 2}
    )


async def copies(
    backend: SqlBackend, order: Order, changes: Sequence[Mapping[str, object]]
) -> None:
    """Orders like this one but for these changes, without what was ordered."""
    async with backend.engine.begin() as connection:
        found = await connection.execute(select(order_table).where(order_table.c.id == order.id))
        row = {**found.one()._mapping}
        rows = [
            {**row, "id": uuid4(), "number": f"N-{number}", **change}
            for number, change in enumerate(changes)
        ]
        await connection.execute(insert(order_table), rows)


async def test_sums_beyond_64_bits_are_exact(sql: SqlBackend) -> None:
    ada, mug = a_user(), pennies()
    order = sold(mug, ada, 3)
    await sql.keep(ada, mug, order)
    await copies(sql, order, [{"total_minor": LARGEST_TOTAL}] * 9_999)
    total = Money(9_999 * LARGEST_TOTAL + 3, GBP)
    assert total.minor > 2**63

    assert (await sql.reports.orders(ALWAYS, None)).revenue == [total]
    [best] = await sql.reports.top_customers(ALWAYS, GBP, 10)
    assert (best.total_spent, best.order_count) == (total, 10_000)
    [day] = await sql.reports.revenue(periods(Interval.DAY, NOON, NOON + INSTANT, UTC))
    assert (day.revenue, day.order_count) == ([total], 10_000)


@contextmanager
def noted(backend: SqlBackend) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the database, with the values."""
    found: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, values: Any, *___: object) -> None:
        if not statement.startswith("BEGIN"):
            found.append((statement, values))

    event.listen(backend.engine.sync_engine, "before_cursor_execute", note)
    yield found
    event.remove(backend.engine.sync_engine, "before_cursor_execute", note)


def steps(plan: Any) -> Iterator[dict[str, Any]]:
    """Every step of a plan of PostgreSQL."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from steps(below)


async def ways_to_orders(backend: SqlBackend, statement: str, values: Any) -> set[str]:
    """How the database comes to the orders that the statement reads."""
    async with backend.engine.connect() as connection:
        if backend.name == "sqlite":
            explained = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            return {row.detail for row in explained if " orders " in row.detail}
        explained = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values)
        [plan] = explained.scalar_one()
    found = [*steps(plan["Plan"])]
    assert {each["Node Type"] for each in found if each.get("Relation Name") == "orders"} <= {
        "Bitmap Heap Scan",
        "Index Scan",
    }
    return {each["Index Name"] for each in found if "orders" in each.get("Index Name", "")}


async def test_a_narrow_window_of_many_orders_is_found_by_its_time(sql: SqlBackend) -> None:
    ada, mug = a_user(), pennies()
    order = sold(mug, ada, 3)
    await sql.keep(ada, mug, order)
    hours = [NOON - timedelta(hours=number) for number in range(20_000)]
    await copies(sql, order, [{"placed_at": hour} for hour in hours])
    if sql.name == "postgresql":  # where that happens by itself, after a while
        async with sql.engine.begin() as connection:
            await connection.execute(text("ANALYZE orders"))
    window = Window(NOON - timedelta(days=400), NOON - timedelta(days=398))
    days = periods(Interval.DAY, NOON - timedelta(days=400), NOON - timedelta(days=398), BERLIN)

    with noted(sql) as found:
        assert (await sql.reports.orders(window, None)).total_orders == 48
        assert (await sql.reports.orders(window, UserId(ada.id))).total_orders == 48
        [best] = await sql.reports.top_customers(window, GBP, 10)
        assert best.order_count == 48
        assert [row.order_count for row in await sql.reports.revenue(days)] == [11, 24, 13]
    assert len(found) == 4
    for statement, values in found:
        [way] = await ways_to_orders(sql, statement, values)
        assert "placed_at_id" in way, statement
