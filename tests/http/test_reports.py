"""What staff are told about the shop: exact, to the shape of the contract."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID

import httpx
import pytest

from domain.catalog.product import Product, ProductId
from domain.identity.user import UserId
from domain.ordering.order import Order
from domain.ordering.status import OrderStatus
from domain.shared.author import Author
from domain.shared.money import Currency, Money
from tests.builders import a_product as a_stored_product
from tests.builders import an_order
from tests.http.api import (
    JSON,
    NOWHERE,
    Api,
    Caller,
    Json,
    api_of,
    content,
    in_memory,
    money,
    opened_memory,
    problem,
    rows,
    usd,
)

ORDERS: Final = "/v1/reports/orders"
CUSTOMERS: Final = "/v1/reports/top-customers"
CATEGORIES: Final = "/v1/reports/categories"
REVENUE: Final = "/v1/reports/revenue"
LOW_STOCK: Final = "/v1/reports/low-stock"
USERS: Final = "/v1/reports/users"
INSTANT: Final = timedelta(microseconds=1)
# The day in Berlin on which clocks are set forward, in UTC.
MIDNIGHT: Final = datetime(2026, 3, 28, 23, tzinfo=UTC)
NEXT: Final = datetime(2026, 3, 29, 22, tzinfo=UTC)


def listed(answer: httpx.Response) -> list[Json]:
    """The rows of a report that is nothing but rows."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, JSON), answer.text
    found: list[Json] = answer.json()
    assert isinstance(found, list)
    return found


async def sold(api: Api, who: Caller, *sales: tuple[int, str, datetime, OrderStatus]) -> None:
    """Orders of so many minor units of a currency, placed then and come so far by now."""
    products = {
        code: a_stored_product(price=Money(1, Currency.of(code)), stock=1_000_000)
        for code in {code for _, code, _, _ in sales}
    }
    async with api.container.work() as work:
        customer = await work.users.get(UserId(UUID(who.id)))
        for product in products.values():
            work.products.add(product)
        await work.flush()
        for minor, code, at, status in sales:
            order = an_order(products[code], customer=customer, quantity=minor, at=at)
            _come(order, products[code], status, at)
            work.orders.add(order)
        await work.commit()


def _come(order: Order, product: Product, status: OrderStatus, at: datetime) -> None:
    """Along a legal path, as an audit will want to see it."""
    by = Author(order.customer_id)
    if status is OrderStatus.CANCELLED:
        order.cancel({ProductId(product.id): product}, by=by, at=at)
        return
    steps = (order.confirm, order.ship, order.deliver)
    for step in steps[: [*OrderStatus].index(status)]:
        step(by=by, at=at)


async def test_orders_are_reported_as_they_are_placed_and_cancelled(api: Api) -> None:
    mug = await api.product(price=usd("7.99"), stock=10)
    kept = await api.order(mug, quantity=2)
    cancelled = await api.order(mug, quantity=3)
    await api.move(kept, "confirmed")
    await api.move(cancelled, "cancelled")
    await api.order(await api.product(price=money("500", "JPY")), by=api.other)

    assert content(await api.staff.get(ORDERS), 200) == {
        "total_orders": 3,
        "revenue": [money("500", "JPY"), usd("15.98")],
        "orders_by_status": {
            "pending": 1,
            "confirmed": 1,
            "shipped": 0,
            "delivered": 0,
            "cancelled": 1,
        },
    }
    of_one = await api.staff.get(ORDERS, params={"customer_id": api.other.id})
    assert content(of_one, 200)["revenue"] == [money("500", "JPY")]
    since = {"from": kept["placed_at"], "to": cancelled["placed_at"]}
    assert content(await api.staff.get(ORDERS, params=since), 200)["total_orders"] == 1
    for nothing in (
        {"customer_id": NOWHERE},
        {"to": kept["placed_at"]},
        {"from": "2999-01-01T00:00:00Z"},
        {"from": since["to"], "to": since["from"]},
    ):
        assert content(await api.staff.get(ORDERS, params=nothing), 200) == {
            "total_orders": 0,
            "revenue": [],
            "orders_by_status": dict.fromkeys(OrderStatus, 0),
        }


async def test_the_best_customers_are_listed_by_what_they_spent(api: Api) -> None:
    await sold(
        api,
        api.customer,
        (1000, "USD", MIDNIGHT, OrderStatus.PENDING),
        (250, "USD", NEXT, OrderStatus.DELIVERED),
        (9999, "USD", NEXT, OrderStatus.CANCELLED),
    )
    await sold(
        api,
        api.other,
        (2000, "USD", NEXT, OrderStatus.SHIPPED),
        (7, "EUR", NEXT, OrderStatus.PENDING),
    )
    await sold(api, api.admin, (1, "USD", NEXT, OrderStatus.CANCELLED))

    def row(who: Caller, count: int, amount: Json) -> Json:
        return {
            "customer_id": who.id,
            "username": who.username,
            "email": f"{who.username}@example.com",
            "order_count": count,
            "total_spent": amount,
        }

    best = [row(api.other, 1, usd("20.00")), row(api.customer, 2, usd("12.50"))]
    assert listed(await api.staff.get(CUSTOMERS)) == best
    assert listed(await api.staff.get(f"{CUSTOMERS}?limit=1")) == best[:1]
    assert listed(await api.staff.get(f"{CUSTOMERS}?limit=100&currency=USD")) == best
    in_euros = await api.staff.get(f"{CUSTOMERS}?currency=EUR")
    assert listed(in_euros) == [row(api.other, 1, money("0.07", "EUR"))]
    early = await api.staff.get(CUSTOMERS, params={"to": NEXT.isoformat()})
    assert listed(early) == [row(api.customer, 1, usd("10.00"))]
    late = await api.staff.get(CUSTOMERS, params={"from": NEXT.isoformat(), "currency": "EUR"})
    assert len(listed(late)) == 1
    assert listed(await api.staff.get(f"{CUSTOMERS}?currency=GBP")) == []


async def test_ten_customers_are_listed_where_nobody_says_how_many(api: Api) -> None:
    mug = await api.product(stock=100)
    for _ in range(11):
        user = await api.user()
        items = [{"product_id": mug["id"], "quantity": 1}]
        order = {"items": items, "customer_id": user["id"]}
        content(await api.staff.post("/v1/orders", order), 201)
    found = listed(await api.staff.get(CUSTOMERS))
    assert len(found) == 10
    assert [each["customer_id"] for each in found] == sorted(each["customer_id"] for each in found)


async def test_categories_are_listed_with_their_prices(api: Api) -> None:
    kitchen = await api.category(name="Kitchen")
    attic = await api.category(name="Attic", parent_id=kitchen["id"])
    for amount in (usd("1.00"), usd("1.01"), money("90.00", "EUR")):
        await api.product(category_id=kitchen["id"], price=amount)
    await api.product(category_id=kitchen["id"], price=usd("5.00"), is_active=False)

    assert listed(await api.staff.get(CATEGORIES)) == [
        {
            "category_id": attic["id"],
            "name": "Attic",
            "product_count": 0,
            "avg_price": None,
            "min_price": None,
            "max_price": None,
        },
        {
            "category_id": kitchen["id"],
            "name": "Kitchen",
            "product_count": 3,
            "avg_price": usd("1.00"),
            "min_price": usd("1.00"),
            "max_price": usd("1.01"),
        },
    ]
    [_, in_euros] = listed(await api.staff.get(f"{CATEGORIES}?currency=EUR"))
    assert in_euros["product_count"] == 3
    assert in_euros["avg_price"] == in_euros["max_price"] == money("90.00", "EUR")


async def test_a_day_without_sales_is_in_the_series_as_well(api: Api) -> None:
    await sold(
        api,
        api.customer,
        (100, "USD", MIDNIGHT - INSTANT, OrderStatus.PENDING),
        (20, "USD", MIDNIGHT, OrderStatus.SHIPPED),
        (3, "EUR", NEXT - INSTANT, OrderStatus.DELIVERED),
        (500, "USD", NEXT - INSTANT, OrderStatus.CANCELLED),
        (7000, "USD", NEXT + timedelta(days=1), OrderStatus.PENDING),
    )
    asked = {
        "interval": "day",
        "from": "2026-03-29T00:00:00+01:00",
        "to": "2026-03-31T12:00:00.5+02:00",
        "tz": "Europe/Berlin",
    }
    assert content(await api.staff.get(REVENUE, params=asked), 200) == {
        "interval": "day",
        "tz": "Europe/Berlin",
        "items": [
            {
                "date": "2026-03-29",
                "start": "2026-03-28T23:00:00.000000Z",
                "end": "2026-03-29T22:00:00.000000Z",
                "order_count": 2,
                "revenue": [money("0.03", "EUR"), usd("0.20")],
            },
            {
                "date": "2026-03-30",
                "start": "2026-03-29T22:00:00.000000Z",
                "end": "2026-03-30T22:00:00.000000Z",
                "order_count": 0,
                "revenue": [money("0.00", "EUR"), usd("0.00")],
            },
            {
                "date": "2026-03-31",
                "start": "2026-03-30T22:00:00.000000Z",
                "end": "2026-03-31T10:00:00.500000Z",
                "order_count": 1,
                "revenue": [money("0.00", "EUR"), usd("70.00")],
            },
        ],
    }


async def series(api: Api, **asked: str) -> list[tuple[str, str, Sequence[Json]]]:
    found = rows(await api.staff.get(REVENUE, params=asked))
    for each, following in pairwise(found):
        assert each["end"] == following["start"]
    return [(each["date"], each["start"], each["revenue"]) for each in found]


async def test_weeks_begin_on_monday_and_months_on_the_first(api: Api) -> None:
    await sold(api, api.customer, (5, "USD", MIDNIGHT, OrderStatus.PENDING))
    window = {"from": "2026-03-25T12:00:00Z", "to": "2026-04-01T00:00:00Z"}
    assert await series(api, interval="week", **window) == [
        ("2026-03-23", "2026-03-25T12:00:00.000000Z", [usd("0.05")]),
        ("2026-03-30", "2026-03-30T00:00:00.000000Z", [usd("0.00")]),
    ]
    assert await series(api, interval="month", **window) == [
        ("2026-03-01", "2026-03-25T12:00:00.000000Z", [usd("0.05")]),
    ]
    assert await series(api, interval="month", tz="Asia/Kathmandu", **window) == [
        ("2026-03-01", "2026-03-25T12:00:00.000000Z", [usd("0.05")]),
        ("2026-04-01", "2026-03-31T18:15:00.000000Z", [usd("0.00")]),
    ]
    days = await series(api, **window)
    assert [day for day, _, _ in days][:2] == ["2026-03-25", "2026-03-26"]
    assert len(days) == 7


@in_memory
async def test_a_window_in_which_there_is_no_time_has_no_series(api: Api) -> None:
    for end in ("2026-03-25T12:00:00Z", "2020-01-01T00:00:00Z"):
        assert await series(api, **{"from": "2026-03-25T12:00:00Z", "to": end}) == []


@in_memory
@pytest.mark.parametrize(
    ("wrong", "blamed"),
    [
        ({"from": None}, ["from"]),
        ({"to": None}, ["to"]),
        ({"from": None, "to": None}, ["from", "to"]),
        ({"from": "2026-01-01"}, ["from"]),
        ({"from": "2026-01-01T00:00:00"}, ["from"]),
        ({"to": "2026-02-30T00:00:00Z"}, ["to"]),
        ({"to": "now"}, ["to"]),
        ({"to": "2026-01-01T00:00:00Z\x00"}, ["to"]),
        ({"interval": "hour"}, ["interval"]),
        ({"interval": "Day"}, ["interval"]),
        ({"interval": ""}, ["interval"]),
        ({"tz": "Europe/Atlantis"}, ["tz"]),
        ({"tz": "europe/berlin"}, ["tz"]),
        ({"tz": "Europe"}, ["tz"]),
        ({"tz": "Europe/"}, ["tz"]),
        ({"tz": "../../../etc/passwd"}, ["tz"]),
        ({"tz": "/etc/localtime"}, ["tz"]),
        ({"tz": "localtime"}, ["tz"]),
        ({"tz": "right/UTC"}, ["tz"]),
        ({"tz": "+02:00"}, ["tz"]),
        ({"tz": "Zürich"}, ["tz"]),
        ({"tz": "A" * 65}, ["tz"]),
        ({"tz": ""}, ["tz"]),
        ({"tz": "UTC\x00"}, ["tz"]),
        ({"to": "2026-09-27T00:00:00.000001Z", "from": "2024-01-01T00:00:00Z"}, ["to"]),
        ({"to": "9999-12-31T23:59:59Z", "interval": "month"}, ["to"]),
        ({"from": "0001-01-01T00:00:00Z", "interval": "month"}, ["from"]),
        ({"from": "0001-01-01T00:00:00+14:00"}, ["from"]),
        ({"to": "9999-12-31T23:59:59-14:00"}, ["to"]),
        ({"customer_id": NOWHERE}, ["customer_id"]),
        ({"currency": "USD"}, ["currency"]),
    ],
)
async def test_a_series_is_asked_for_as_the_contract_says(
    api: Api, wrong: Json, blamed: list[str]
) -> None:
    asked = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", **wrong}
    params = {name: value for name, value in asked.items() if value is not None}
    async with api.unchanged():
        refused = await api.staff.get(REVENUE, params=params)
    problem(refused, 422, "validation-error", *(f"query {name}" for name in blamed))


@in_memory
async def test_a_thousand_periods_are_not_too_many(api: Api) -> None:
    window = {"from": "2024-01-01T00:00:00Z", "to": "2026-09-27T00:00:00Z"}
    assert len(await series(api, **window)) == 1000


@in_memory
@pytest.mark.parametrize(
    ("path", "blamed"),
    [
        (f"{ORDERS}?from=yesterday", "from"),
        (f"{ORDERS}?to=2026-01-01T00:00:00", "to"),
        (f"{ORDERS}?from=0001-01-01T00:00:00%2B01:00", "from"),
        (f"{ORDERS}?to=9999-12-31T23:59:59-01:00", "to"),
        (f"{ORDERS}?customer_id=ada", "customer_id"),
        (f"{ORDERS}?customer_id={NOWHERE}&customer_id={NOWHERE}", "customer_id"),
        (f"{ORDERS}?status=pending", "status"),
        (f"{CUSTOMERS}?limit=0", "limit"),
        (f"{CUSTOMERS}?limit=101", "limit"),
        (f"{CUSTOMERS}?limit=1.0", "limit"),
        (f"{CUSTOMERS}?limit=%2B1", "limit"),
        (f"{CUSTOMERS}?limit=", "limit"),
        (f"{CUSTOMERS}?currency=usd", "currency"),
        (f"{CUSTOMERS}?currency=XXX", "currency"),
        (f"{CUSTOMERS}?currency=", "currency"),
        (f"{CUSTOMERS}?from=1", "from"),
        (f"{CUSTOMERS}?cursor=x", "cursor"),
        (f"{CATEGORIES}?currency=Pound", "currency"),
        (f"{CATEGORIES}?from=2026-01-01T00:00:00Z", "from"),
        (f"{LOW_STOCK}?threshold=-1", "threshold"),
        (f"{LOW_STOCK}?threshold=2147483648", "threshold"),
        (f"{LOW_STOCK}?threshold=99999999999", "threshold"),
        (f"{LOW_STOCK}?threshold=ten", "threshold"),
        (f"{LOW_STOCK}?threshold=1e1", "threshold"),
        (f"{LOW_STOCK}?sort=name", "sort"),
        (f"{LOW_STOCK}?limit=101", "limit"),
        (f"{USERS}?role=admin", "role"),
    ],
)
async def test_what_no_report_can_be_asked_for_is_refused(api: Api, path: str, blamed: str) -> None:
    async with api.unchanged():
        problem(await api.staff.get(path), 422, "validation-error", f"query {blamed}")


@pytest.mark.parametrize("path", [ORDERS, CUSTOMERS])
async def test_a_window_may_reach_to_the_ends_of_the_calendar(api: Api, path: str) -> None:
    await api.order()
    window = {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59.999999Z"}
    whole = await api.staff.get(path, params=window)
    assert whole.status_code == 200
    assert whole.json() == (await api.staff.get(path)).json()


async def test_what_runs_low_is_listed_by_the_page(api: Api) -> None:
    products = [await api.product(stock=stock) for stock in (10, 0, 3, 11, 3)]
    await api.product(stock=0, is_active=False)
    by_stock = sorted(products, key=lambda product: (product["stock"], product["id"]))
    expected = [
        {
            "product_id": product["id"],
            "sku": product["sku"],
            "name": product["name"],
            "stock": product["stock"],
        }
        for product in by_stock
    ]
    whole = content(await api.staff.get(LOW_STOCK), 200)
    assert whole == {"items": expected[:4], "next_cursor": None}
    first = await api.staff.get(f"{LOW_STOCK}?limit=2&threshold=11&with_total=true")
    assert (rows(first), first.json()["total"]) == (expected[:2], 5)
    rest = await api.staff.get(first.headers["Link"][1:].partition(">")[0])
    assert rows(rest) == expected[2:4]
    assert rows(await api.staff.get(f"{LOW_STOCK}?sort=-stock&threshold=3")) == expected[2::-1]
    assert rows(await api.staff.get(f"{LOW_STOCK}?threshold=0")) == expected[:1]
    other = {"threshold": 12, "cursor": first.json()["next_cursor"]}
    problem(await api.staff.get(LOW_STOCK, params=other), 400, "invalid-cursor")


async def test_users_are_counted(api: Api) -> None:
    user = await api.user()
    content(await api.staff.post(f"/v1/users/{user['id']}/deactivate"), 200)
    assert content(await api.staff.get(USERS), 200) == {
        "total": 5,
        "active": 4,
        "by_role": {"customer": 3, "staff": 1, "admin": 1},
    }


async def test_the_shops_own_currency_counts_where_none_is_named() -> None:
    async with opened_memory(currency="EUR") as opened:
        api = await api_of(opened)
        await api.order(await api.product(price=money("2.00", "EUR")))
        await api.order(await api.product(price=usd("9.00")))
        [row] = listed(await api.staff.get(CUSTOMERS))
        assert row["total_spent"] == money("2.00", "EUR")
