"""Lists: their order, their pages, and the cursors that lead from one to the next."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from tests.http.api import (
    Api,
    Caller,
    Json,
    a_product,
    basket,
    content,
    in_memory,
    problem,
    rows,
    usd,
)

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SORTS: Final = {
    "/v1/products": ["name", "price", "created_at", "updated_at", "stock"],
    "/v1/categories": ["name", "created_at"],
    "/v1/tags": ["name"],
    "/v1/orders": ["placed_at", "total"],
    "/v1/notifications": ["created_at"],
}
EVERY_SORT: Final = [
    (path, sign + field) for path, fields in SORTS.items() for field in fields for sign in ("", "-")
]


async def pages(
    who: Caller, path: str, limit: int = 7, **parameters: str
) -> AsyncIterator[list[Json]]:
    """The pages of the list, each reached by the cursor of the one before."""
    cursor = None
    while True:
        query = {"limit": str(limit), **parameters} | ({"cursor": cursor} if cursor else {})
        page = content(await who.get(path, params=query), 200)
        yield page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


async def walked(who: Caller, path: str, limit: int = 7, **parameters: str) -> list[Json]:
    return [row async for page in pages(who, path, limit, **parameters) for row in page]


async def fill(api: Api, count: int = 25) -> list[Json]:
    """So many products, of which always three cost the same and five are equally many."""
    items = [
        a_product(name=f"{'äAz日Z'[n % 5]} {n * 7 % count}", price=usd(f"{n // 3}.50"), stock=n % 5)
        for n in range(count)
    ]
    content(await api.staff.post("/v1/products/bulk", {"items": items}), 200)
    return rows(await api.nobody.get("/v1/products?limit=100&sort=created_at"))


async def filled(api: Api, path: str) -> None:
    """Put 16 things or more into the list, some of them equal where they can be."""
    products = await fill(api)
    if path == "/v1/categories":
        for n in range(16):
            await api.category(name=f"{'zÄa'[n % 3]} {n}")
    if path == "/v1/tags":
        for n in range(16):
            await api.tag(f"t-{n}", name=f"{'zÄa'[n % 3]} {n % 8}")
    if path == "/v1/orders":
        for n in range(16):
            await api.order(products[4 + 5 * (n % 4)])
    if path == "/v1/notifications":
        product = await api.product(stock=16)
        for _ in range(16):
            await api.order(product, by=api.staff)
    for product in products[3:12:4]:
        await api.staff.patch(f"/v1/products/{product['id']}", {"description": "new"})


def place(row: Json, field: str) -> tuple[Any, str]:
    value = row[field]
    return (Decimal(value["amount"]) if isinstance(value, dict) else value), row["id"]


@pytest.mark.parametrize(("path", "sort"), EVERY_SORT)
async def test_a_walk_by_cursor_gives_each_row_once_and_in_order(
    api: Api, path: str, sort: str
) -> None:
    await filled(api, path)
    found = await walked(api.staff, path, sort=sort)
    everything = rows(await api.staff.get(path, params={"sort": sort, "limit": "100"}))
    assert found == everything
    field = sort.removeprefix("-")
    assert found == sorted(found, key=lambda row: place(row, field), reverse=sort.startswith("-"))
    assert len({row["id"] for row in found}) == len(found) == await api.total(path) >= 16


@pytest.mark.parametrize(
    ("path", "usual"),
    [
        ("/v1/products", "-created_at"),
        ("/v1/categories", "name"),
        ("/v1/tags", "name"),
        ("/v1/orders", "-placed_at"),
        ("/v1/notifications", "-created_at"),
    ],
)
async def test_a_list_has_an_order_of_its_own(api: Api, path: str, usual: str) -> None:
    await filled(api, path)
    assert rows(await api.staff.get(path)) == rows(await api.staff.get(f"{path}?sort={usual}"))


async def test_a_row_that_is_added_during_a_walk_moves_none_of_the_others(api: Api) -> None:
    before = {product["id"] for product in await fill(api)}
    found = []
    async for page in pages(api.nobody, "/v1/products", 4, sort="-name"):
        found += [product["id"] for product in page]
        await api.product(name="first of all")
        await api.product(name="日 last of all")
    assert len(found) == len({*found})
    assert before <= {*found}


async def test_a_row_that_is_gone_takes_none_of_the_others_with_it(api: Api) -> None:
    products = await fill(api, 10)
    first = content(await api.nobody.get("/v1/products?sort=created_at&limit=4"), 200)
    for gone in (products[3], products[5]):
        await api.staff.delete(f"/v1/products/{gone['id']}")
    rest = await walked(api.nobody, "/v1/products", cursor=first["next_cursor"], sort="created_at")
    assert [row["id"] for row in rest] == [products[n]["id"] for n in (4, 6, 7, 8, 9)]


async def test_twenty_rows_are_a_page_unless_the_client_wants_more_or_fewer(api: Api) -> None:
    await fill(api, 101)
    for query, expected in (("", 20), ("?limit=1", 1), ("?limit=99", 99), ("?limit=100", 100)):
        page = content(await api.nobody.get(f"/v1/products{query}"), 200)
        assert len(page["items"]) == expected
        assert page["next_cursor"]


async def test_the_last_page_leads_nowhere(api: Api) -> None:
    await fill(api, 10)
    for limit, expected in ((10, 10), (11, 10)):
        answer = await api.nobody.get(f"/v1/products?limit={limit}")
        assert content(answer, 200)["next_cursor"] is None
        assert len(answer.json()["items"]) == expected
        assert "Link" not in answer.headers
    assert [len(page) async for page in pages(api.nobody, "/v1/products", 5)] == [5, 5]


async def test_an_empty_list_is_a_list(api: Api) -> None:
    for path in ("/v1/products", "/v1/categories", "/v1/tags", "/v1/orders"):
        empty = await api.staff.get(f"{path}?with_total=true")
        assert content(empty, 200) == {"items": [], "next_cursor": None, "total": 0}
        assert "total" not in content(await api.staff.get(path), 200)


async def test_the_link_leads_to_the_next_page_of_the_same_list(api: Api) -> None:
    products = await fill(api)
    skus = [product["sku"] for product in products][:9]
    query = urlencode([*(("sku", sku) for sku in skus), ("sort", "-price"), ("limit", 2)])
    target: str | None = f"/v1/products?{query}"
    found = []
    while target:
        answer = await api.nobody.get(target)
        assert len(rows(answer)) <= 2
        found += [row["sku"] for row in rows(answer)]
        link = answer.headers.get("Link")
        assert (link is None) is (answer.json()["next_cursor"] is None)
        assert link is None or link.endswith('>; rel="next"')
        target = link and link[1:].partition(">")[0]
    assert sorted(found) == sorted(skus)


async def test_the_total_counts_what_the_filters_leave_on_whatever_page(api: Api) -> None:
    products = await fill(api)
    query = "&".join(f"sku={product['sku']}" for product in products[:9])
    page = content(await api.nobody.get(f"/v1/products?{query}&limit=4&with_total=true"), 200)
    assert (len(page["items"]), page["total"]) == (4, 9)
    target = f"/v1/products?{query}&with_total=true&cursor={page['next_cursor']}"
    rest = content(await api.nobody.get(target), 200)
    assert (len(rest["items"]), rest["total"]) == (5, 9)


async def test_a_page_can_be_asked_for_by_number(api: Api) -> None:
    await fill(api)
    everything = rows(await api.nobody.get("/v1/products?limit=100"))
    for offset, limit in ((0, 10), (10, 10), (20, 10), (24, 1), (25, 5), (10_000, 100)):
        page = await api.nobody.get(f"/v1/products?offset={offset}&limit={limit}")
        assert rows(page) == everything[offset : offset + limit]


async def test_from_a_numbered_page_it_goes_on_by_cursor(api: Api) -> None:
    await fill(api)
    everything = rows(await api.nobody.get("/v1/products?limit=100"))
    page = await api.nobody.get("/v1/products?offset=5&limit=10")
    following = await api.nobody.get(f"/v1/products?limit=10&cursor={page.json()['next_cursor']}")
    assert rows(following) == everything[15:25]
    assert rows(await api.nobody.get(page.headers["Link"][1:].partition(">")[0])) == rows(following)


@in_memory
async def test_a_cursor_and_an_offset_exclude_each_other(api: Api) -> None:
    await fill(api, 3)
    cursor = content(await api.nobody.get("/v1/products?limit=1"), 200)["next_cursor"]
    for offset in ("0", "1"):
        refused = await api.nobody.get(f"/v1/products?cursor={cursor}&offset={offset}")
        problem(refused, 422, "validation-error", "query offset")


async def test_a_cursor_fits_pages_of_any_size(api: Api) -> None:
    await fill(api)
    everything = rows(await api.nobody.get("/v1/products?limit=100&sort=-created_at"))
    cursor = content(await api.nobody.get("/v1/products?limit=2"), 200)["next_cursor"]
    for rest in ("limit=5", "with_total=true&limit=5", "with_total=false&limit=5",
                 "sort=-created_at&limit=5"):  # fmt: skip
        page = await api.nobody.get(f"/v1/products?{rest}&cursor={cursor}")
        assert rows(page) == everything[2:7]


async def test_names_of_any_length_and_script_can_be_walked(api: Api) -> None:
    names = [letter * 200 for letter in ("a", "é", "日", "😀", "\x7e", '"', "\\")]
    for name in names:
        await api.product(name=name)
    found = await walked(api.nobody, "/v1/products", 1, sort="name")
    assert [row["name"] for row in found] == sorted(names)


NO_CURSORS: Final = (
    "", "x", "0", "null", "../..", "A" * 22, "A" * 24, "a" * 10_000, "bm9uc2Vuc2U", "%E6%97%A5",
)  # fmt: skip


async def cursor_of(api: Api) -> str:
    """One for `/v1/products?sort=name`, which has more rows."""
    if not rows(await api.nobody.get("/v1/products")):
        await fill(api, 5)
    page = await api.nobody.get("/v1/products?sort=name&limit=2")
    cursor: str = content(page, 200)["next_cursor"]
    return cursor


@in_memory
async def test_a_cursor_of_which_one_letter_was_changed_is_none(api: Api) -> None:
    cursor = await cursor_of(api)
    for position, letter in enumerate(cursor):
        for other in {LETTERS[LETTERS.index(letter) ^ 1], "A", "!"} - {letter}:
            changed = cursor[:position] + other + cursor[position + 1 :]
            refused = await api.nobody.get(f"/v1/products?sort=name&cursor={changed}")
            problem(refused, 400, "invalid-cursor")


@in_memory
async def test_a_cursor_to_which_something_was_added_or_taken_away_is_none(api: Api) -> None:
    cursor = await cursor_of(api)
    longer = [cursor + end for end in ("A", "AAAA", "=", "!!!!", "%20", "%0A", "A" * 10_000)]
    other = ["%20" + cursor, cursor * 2, cursor[:-1], cursor[1:], cursor[:30], cursor[::-1]]
    for changed in (*longer, *other, cursor.swapcase(), *NO_CURSORS):
        refused = await api.nobody.get(f"/v1/products?sort=name&cursor={changed}")
        problem(refused, 400, "invalid-cursor")


@in_memory
@pytest.mark.parametrize(
    "query",
    [
        "",
        "sort=-name",
        "sort=price",
        "sort=created_at",
        "sort=name&sku=SKU-1",
        "sort=name&is_active=true",
    ],
)
async def test_a_cursor_belongs_to_its_sort_and_its_filters(api: Api, query: str) -> None:
    cursor = await cursor_of(api)
    refused = await api.staff.get(f"/v1/products?{query}&cursor={cursor}")
    problem(refused, 400, "invalid-cursor")


@in_memory
async def test_a_cursor_belongs_to_its_list(api: Api) -> None:
    cursor = await cursor_of(api)
    refused = await api.staff.get(f"/v1/categories?sort=name&cursor={cursor}")
    problem(refused, 400, "invalid-cursor")
    for _ in range(2):
        await api.order()
    page = await api.customer.get("/v1/orders?limit=1&status=pending")
    refused = await api.customer.get(
        f"/v1/orders?limit=1&status=shipped&cursor={page.json()['next_cursor']}"
    )
    problem(refused, 400, "invalid-cursor")


async def test_the_filters_of_orders_hold_on_every_page(api: Api) -> None:
    product = await api.product(stock=100)
    for n in range(12):
        order = await api.order(product, by=(api.customer, api.other)[n % 2])
        await api.move(order, *(["confirmed"], ["confirmed", "shipped"], [])[n % 3])
    for query, expected in (
        ({"status": "pending"}, 4),
        ({"status": "shipped"}, 4),
        ({"customer_id": api.other.id}, 6),
        ({"customer_id": api.other.id, "status": "confirmed"}, 2),
        ({"status": "delivered"}, 0),
    ):
        found = await walked(api.staff, "/v1/orders", 1, **query)
        assert len(found) == expected
        assert all(row[name] == value for row in found for name, value in query.items())
    either = await api.staff.get("/v1/orders?status=pending&status=shipped&with_total=true")
    assert content(either, 200)["total"] == 8


async def test_customers_walk_over_their_own_orders_alone(api: Api) -> None:
    product = await api.product(stock=100)
    for n in range(10):
        await api.order(product, by=(api.customer, api.other)[n % 2])
    found = await walked(api.customer, "/v1/orders", 2)
    assert len(found) == 5
    assert {row["customer_id"] for row in found} == {api.customer.id}
    theirs = await api.customer.get(f"/v1/orders?customer_id={api.other.id}&with_total=true")
    assert content(theirs, 200) == {"items": [], "next_cursor": None, "total": 0}
    mine = await api.customer.get(f"/v1/orders?customer_id={api.customer.id}&with_total=true")
    assert content(mine, 200)["total"] == 5


async def test_a_row_of_orders_is_the_order_without_its_items(api: Api) -> None:
    product = await api.product()
    placed = await api.customer.post(
        "/v1/orders", basket((product, 2)) | {"note": "Ring twice"}, key="k"
    )
    order = content(placed, 201)
    [row] = rows(await api.customer.get("/v1/orders"))
    assert row == {name: value for name, value in order.items() if name != "items"}
