"""How many statements a read costs: as many for a hundred rows as for one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID

import pytest
from sqlalchemy import event

from domain.catalog.stock import Because, Cause
from domain.identity.user import UserId
from domain.ordering.order import OrderId
from infrastructure.sql.readers import PoolReader
from tests.builders import (
    NOON,
    a_category,
    a_notification,
    a_payment,
    a_post,
    a_product,
    a_refund,
    a_tag,
    usd,
)
from tests.http.api import NOWHERE, Api, Caller, Json, content, in_sql, money

ONE: Final = (
    "/v1/products/{product}",
    "/v1/products/by-sku/{sku}",
    "/v1/products/by-slug/{slug}",
    "/v1/posts/{post}",
    "/v1/posts/by-slug/news",
    "/v1/categories/{category}",
    "/v1/categories/tree",
    "/v1/categories/tree?root=home&depth=2",
    "/v1/categories/tree?root={category}",
)
MANY: Final = (
    "/v1/products?limit=100",
    "/v1/products?limit=100&sort=price",
    "/v1/products?limit=100&offset=0",
    "/v1/products?limit=100&category=home",
    "/v1/products?limit=100&category={category}&sort=-name",
    "/v1/products?limit=100&tag=red&tag=new&in_stock=true&min_price=0&max_price=99",
    "/v1/products?limit=100&q=mug",
    "/v1/products?limit=100&q=mug%20m&category=home&sort=-name",
    "/v1/categories/{category}/products?limit=100",
    "/v1/categories/{category}/products?limit=100&q=mug",
    "/v1/categories?limit=100",
    "/v1/tags?limit=100",
    "/v1/posts?limit=100",
    "/v1/posts?limit=100&sort=published_at&offset=0",
    "/v1/posts?limit=100&sort=-view_count&author_id={author}",
    "/v1/posts?limit=100&sort=title&tag=red&tag=new&q=mug%20n&status=published",
)
OF_STAFF: Final = (
    "/v1/products?limit=100&is_active=false",
    "/v1/products?limit=100&deleted=true",
    "/v1/posts?limit=100&status=draft",
    "/v1/posts?limit=100&status=draft&sort=published_at&author_id={author}",
    "/v1/products/{product}/stock-movements?limit=100",
    "/v1/notifications?limit=100",
    "/v1/notifications?limit=100&unread=true",
)


REPORTS: Final = (
    "/v1/reports/orders",
    "/v1/reports/orders?from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z&customer_id={customer}",
    "/v1/reports/top-customers?limit=100",
    "/v1/reports/categories",
    "/v1/reports/revenue?from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z&tz=Europe/Berlin",
    "/v1/reports/low-stock?threshold=1",
    "/v1/reports/users",
)


# What each page of an order costs; whose the order is, is another statement.
OF_AN_ORDER: Final = {
    "/v1/orders/{order}": 1,
    "/v1/orders/by-number/{number}": 1,
    "/v1/orders/{order}/timeline?limit=100": 2,
    "/v1/orders/{order}/timeline?limit=100&sort=-at": 2,
    "/v1/orders/{order}/payments?limit=100": 2,
    "/v1/orders/{order}/payments?limit=100&sort=-created_at": 2,
}


@contextmanager
def statements(api: Api) -> Iterator[list[str]]:
    """What is asked of the database, but for where a transaction begins and who it is that asks."""
    found: list[str] = []

    def note(_: Any, __: Any, statement: str, *rest: Any) -> None:
        # Recognition looks at a session once per second, whatever is read.
        if not statement.startswith("BEGIN") and "FROM sessions" not in statement:
            found.append(statement)

    engine, fetch = api.container.engine().sync_engine, PoolReader.fetch

    async def note_and_fetch(reader: PoolReader, statement: str, *rest: Any) -> Any:
        note(None, None, statement)
        return await fetch(reader, statement, *rest)

    event.listen(engine, "before_cursor_execute", note)
    try:
        with patch.object(PoolReader, "fetch", note_and_fetch):
            yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def a_shop(api: Api, size: int) -> Json:
    """So many of everything that can be listed; the names of one product and of the root."""
    home = a_category(slug_text="home")
    shelves = [home, *(a_category(below=home) for _ in range(size - 1))]
    red, new = a_tag(slug_text="red"), a_tag(slug_text="new")
    products = [
        a_product(
            name=f"Mug {n}",
            price=usd("1.00"),
            category=home if n % 2 else shelves[n],
            tags=[red, new],
        )
        for n in range(size)
    ]
    counted = a_product(name="Mug", price=usd("1.00"), category=home, tags=[red, new], stock=1)
    because = Because(Cause.ADJUSTMENT, UUID(api.staff.id))
    for n in range(2, size + 1):
        counted.count(n, because, at=NOON)
    gone = [a_product() for _ in range(size)]
    for product in gone:
        product.delete(at=NOON)
    posts = [a_post(published_at=NOON, title="Mug news", tags=[red, new]) for _ in range(size)]
    posts.append(a_post(published_at=NOON, title="Mug news", slug_text="news", tags=[red, new]))
    posts += [a_post() for _ in range(size)]
    for post in posts:
        post.author_id = UserId(UUID(api.staff.id))
    async with api.container.work() as work:
        for category in shelves:
            work.categories.add(category)
        for tag in (red, new, *(a_tag() for _ in range(size))):
            work.tags.add(tag)
        await work.flush()
        for product in (*products, counted, *gone, *(a_product(is_active=False) for _ in gone)):
            work.products.add(product)
        for _ in range(size):
            told = a_notification()
            told.user_id = UserId(UUID(api.staff.id))
            work.notifications.add(told)
        for post in posts:
            work.posts.add(post)
        await work.commit()
    return {
        "post": str(posts[0].id),
        "author": api.staff.id,
        "product": str(counted.id),
        "sku": counted.sku,
        "slug": counted.slug,
        "category": str(home.id),
    }


async def cost(api: Api, who: Caller, path: str) -> tuple[int, int]:
    """How many statements it takes, and how many rows it gives."""
    with statements(api) as found:
        answer = content(await who.get(path), 200)
    return len(found), len(answer.get("items", [answer]))


@in_sql
@pytest.mark.parametrize("size", [1, 100])
async def test_a_read_is_one_statement_and_the_total_another(api: Api, size: int) -> None:
    things = await a_shop(api, size)
    for who, templates in (
        (api.nobody, ONE + MANY),
        (api.customer, ONE + MANY),
        (api.staff, ONE + MANY + OF_STAFF),
    ):
        for template in templates:
            path = template.format(**things)
            took, listed = await cost(api, who, path)
            assert took == 1, path
            if template not in ONE:
                assert listed >= size, path
                counting, _ = await cost(api, who, f"{path}&with_total=true")
                assert counting == 2, path


async def an_order_paid_in_parts(api: Api, parts: int) -> Json:
    """Names of an order with so many payments, half of each of which went back."""
    placed = await api.order(await api.product(price=money("1000.00", "USD")))
    async with api.container.work() as work:
        order = await work.orders.get(OrderId(UUID(placed["id"])), lock=True)
        payments = [a_payment(order, usd("2.00")) for _ in range(parts)]
        for payment in payments:
            work.payments.add(payment)
        await work.flush()
        for payment in payments:
            work.refunds.add(a_refund(order, payment, amount=usd("1.00")))
        await work.commit()
    return {"order": placed["id"], "number": placed["number"]}


@in_sql
@pytest.mark.parametrize("size", [1, 100])
async def test_an_order_costs_no_more_for_what_was_paid_and_happened(api: Api, size: int) -> None:
    names = await an_order_paid_in_parts(api, size)
    for who in (api.customer, api.staff):
        for template, most in OF_AN_ORDER.items():
            path = template.format(**names)
            took, listed = await cost(api, who, path)
            assert took == most, path
            if "?" in path:
                assert listed >= size, path
                counting, _ = await cost(api, who, f"{path}&with_total=true")
                assert counting == most + 1, path
    for path in ("timeline", "payments"):
        with statements(api) as found:
            refused = await api.other.get(f"/v1/orders/{names['order']}/{path}")
        assert (refused.status_code, len(found)) == (404, 1)


@in_sql
@pytest.mark.parametrize("size", [1, 20])
async def test_a_report_is_one_statement(api: Api, size: int) -> None:
    await a_shop(api, size)
    mug = await api.product(sku="ORDERED", stock=2 * size)
    for _ in range(size):
        await api.order(mug)
        await api.order(mug, by=api.other)
    for template in REPORTS:
        path = template.format(customer=api.customer.id)
        with statements(api) as found:
            answer = await api.staff.get(path)
        assert (answer.status_code, len(found)) == (200, 1), path


@in_sql
async def test_a_page_further_on_costs_no_more(api: Api) -> None:
    await a_shop(api, 30)
    for query in ("sort=price", "sort=-name", "category=home", "q=mug"):
        page = await api.nobody.get(f"/v1/products?{query}&limit=10")
        path = page.headers["Link"][1:].partition(">")[0]
        assert await cost(api, api.nobody, path) == (1, 10)


@in_sql
async def test_what_is_not_there_costs_one_statement_more_at_most(api: Api) -> None:
    await a_shop(api, 1)
    empty = await api.category()
    for path, status, most in (
        (f"/v1/products/{NOWHERE}", 404, 1),
        ("/v1/products/by-sku/NONE", 404, 1),
        ("/v1/products/by-slug/none", 404, 1),
        (f"/v1/categories/{NOWHERE}", 404, 1),
        ("/v1/categories/tree?root=none", 404, 1),
        ("/v1/products?category=none", 200, 1),
        ("/v1/products?tag=none", 200, 1),
        ("/v1/products?q=none", 200, 1),
        ("/v1/products?q=!", 200, 1),
        (f"/v1/categories/{empty['id']}/products", 200, 2),
        (f"/v1/categories/{NOWHERE}/products", 404, 2),
        (f"/v1/products/{NOWHERE}/stock-movements", 404, 2),
        (f"/v1/posts/{NOWHERE}", 404, 1),
        ("/v1/posts/by-slug/none", 404, 2),
        ("/v1/posts?tag=none", 200, 1),
        ("/v1/posts?q=!", 200, 0),
    ):
        with statements(api) as found:
            answer = await api.staff.get(path)
        assert answer.status_code == status, answer.text
        assert len(found) <= most, path


@in_sql
async def test_what_the_client_has_already_costs_what_it_did(api: Api) -> None:
    things = await a_shop(api, 1)
    for path in (f"/v1/products/{things['product']}", f"/v1/categories/{things['category']}"):
        with statements(api) as found:
            same = await api.nobody.get(path, headers={"If-None-Match": "*"})
        assert (same.status_code, len(found)) == (304, 1)


@in_sql
@pytest.mark.parametrize("query", ["sort=id", "limit=0", "q=%00", "min_price=x", "cursor=x"])
async def test_what_is_refused_costs_nothing(api: Api, query: str) -> None:
    with statements(api) as found:
        refused = await api.nobody.get(f"/v1/products?{query}")
    assert (refused.status_code in (400, 422), found) == (True, [])
