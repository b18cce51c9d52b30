from datetime import UTC, timedelta

import pytest

from application.reporting.figures import Figures
from application.reporting.periods import Interval, periods
from application.reporting.queries import UsersReport, Window, mean
from application.shared.pages import PageRequest, Sort
from domain.identity.user import Role
from domain.ordering.status import OrderStatus
from domain.shared.errors import Forbidden
from domain.shared.money import Currency
from tests.builders import NOON, a_category, a_product, a_user, an_actor, an_order, gbp, usd
from tests.unit.shop import Shop

GBP = Currency.of("GBP")
STAFF = an_actor(Role.STAFF)
ALWAYS = Window()
LEAST_FIRST = PageRequest(sort=Sort("stock"), limit=20)


@pytest.fixture
def figures(shop: Shop) -> Figures:
    return Figures(shop.reports, GBP)


async def test_cancelled_orders_are_counted_but_are_no_revenue(
    shop: Shop, figures: Figures
) -> None:
    ada, mug = a_user(), a_product(price=gbp("3.00"))
    kept, cancelled = an_order(mug, customer=ada), an_order(mug, customer=ada)
    cancelled.status = OrderStatus.CANCELLED
    await shop.keep(ada, mug, kept, cancelled)

    report = await figures.orders(STAFF, ALWAYS)

    assert report.total_orders == 2
    assert report.revenue == [gbp("3.00")]
    assert report.orders_by_status[OrderStatus.CANCELLED] == 1


async def test_where_no_currency_is_named_it_is_the_usual_one(shop: Shop, figures: Figures) -> None:
    ada, kitchen = a_user(), a_category()
    mug = a_product(price=gbp("3.00"), category=kitchen)
    pot = a_product(price=usd("9.00"), category=kitchen)
    orders = [an_order(product, customer=ada) for product in (mug, pot)]
    await shop.keep(ada, kitchen, mug, pot, *orders)

    [usual] = await figures.top_customers(STAFF, ALWAYS, limit=10)
    [other] = await figures.top_customers(STAFF, ALWAYS, Currency.of("USD"), limit=10)
    assert (usual.total_spent, other.total_spent) == (gbp("3.00"), usd("9.00"))
    [usual_prices] = await figures.categories(STAFF)
    [other_prices] = await figures.categories(STAFF, Currency.of("USD"))
    assert (usual_prices.max_price, other_prices.max_price) == (gbp("3.00"), usd("9.00"))


async def test_a_series_has_no_holes(shop: Shop, figures: Figures) -> None:
    ada, mug = a_user(), a_product(price=gbp("3.00"))
    orders = [
        an_order(mug, customer=ada, at=NOON + timedelta(days=days, microseconds=-1))
        for days in (1, 3)
    ]
    await shop.keep(ada, mug, *orders)

    days = periods(Interval.DAY, NOON, NOON + timedelta(days=3), UTC)
    rows = await figures.revenue(STAFF, days)

    assert [row.period for row in rows] == days
    assert [(row.order_count, row.revenue) for row in rows] == [
        (0, [gbp("0.00")]),
        (1, [gbp("3.00")]),
        (0, [gbp("0.00")]),
        (1, [gbp("3.00")]),
    ]
    assert await figures.revenue(STAFF, []) == []


async def test_what_runs_low_is_told_least_first(shop: Shop, figures: Figures) -> None:
    few, none, many = (a_product(stock=stock) for stock in (3, 0, 4))
    await shop.keep(few, none, many)
    page = await figures.low_stock(STAFF, 3, LEAST_FIRST)
    assert [row.id for row in page.items] == [none.id, few.id]


async def test_users_are_counted_by_role(shop: Shop, figures: Figures) -> None:
    await shop.keep(a_user(), a_user(is_active=False), a_user(role=Role.ADMIN))
    assert await figures.users(STAFF) == UsersReport(
        total=3, active=2, by_role={Role.CUSTOMER: 2, Role.STAFF: 0, Role.ADMIN: 1}
    )


@pytest.mark.parametrize(
    ("total", "count", "minor"),
    [
        (1, 2, 0),
        (3, 2, 2),
        (5, 2, 2),
        (7, 2, 4),
        (10, 3, 3),
        (11, 3, 4),
        (10**30 + 1, 2, 5 * 10**29),
    ],
)
def test_a_mean_is_rounded_half_to_the_even_minor_unit(total: int, count: int, minor: int) -> None:
    average = mean(total, count, GBP)
    assert average is not None
    assert average.minor == minor
    assert mean(0, 0, GBP) is None


async def test_reports_are_for_staff(figures: Figures) -> None:
    for ask in (
        lambda actor: figures.orders(actor, ALWAYS),
        lambda actor: figures.top_customers(actor, ALWAYS, limit=10),
        lambda actor: figures.categories(actor),
        lambda actor: figures.revenue(actor, []),
        lambda actor: figures.low_stock(actor, 10, LEAST_FIRST),
        lambda actor: figures.users(actor),
    ):
        with pytest.raises(Forbidden, match="you may not see reports"):
            await ask(an_actor())
        for role in (Role.STAFF, Role.ADMIN):
            assert await ask(an_actor(role)) is not None
