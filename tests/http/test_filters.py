"""What the list of products can be narrowed by and sorted by, each alone and together."""

from itertools import product as pairs
from typing import Any, Final

import pytest

from tests.http.api import (
    Api,
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

PRODUCTS: Final = "/v1/products"


async def skus(api: Api, query: str, path: str = PRODUCTS) -> list[str]:
    """The skus of all that is listed, in the order of their making where no other is asked for."""
    sort = "" if "sort=" in query else "&sort=created_at"
    limit = "" if "limit=" in query else "&limit=100"
    listed = await api.staff.get(f"{path}?{query}{sort}{limit}")
    return [product["sku"] for product in rows(listed)]


async def a_shop(api: Api) -> dict[str, Json]:
    """Eight products on sale, of which every two differ in something that can be asked for."""
    home = await api.category(slug="home")
    mugs = await api.category(slug="mugs", parent_id=home["id"])
    for tag in ("red", "new"):
        await api.tag(tag)
    found = {}
    for number, (shelf, tags, stock) in enumerate(
        pairs((home, mugs), (["red"], ["new", "red"]), (0, 3))
    ):
        sku = f"S-{number}"
        found[sku] = await api.product(
            sku=sku,
            name=f"Mug {number}",
            category_id=shelf["id"],
            tags=tags,
            stock=stock,
            price=usd(f"{number}.50"),
        )
    return found


ALONE: Final = {
    "category=home": "01234567",
    "category=mugs": "4567",
    "category=home&category_only=true": "0123",
    "tag=red": "01234567",
    "tag=new": "2367",
    "tag=new&tag=red": "2367",
    "tag=red&tag=nothing-has-it": "",
    "in_stock=true": "1357",
    "in_stock=false": "0246",
    "min_price=5.50": "567",
    "min_price=5.51": "67",
    "max_price=2.50": "012",
    "max_price=2.49": "01",
    "min_price=2.5&max_price=2.50": "2",
    "min_price=3&max_price=2": "",
    "sku=s-1&sku=S-7&sku=NONE": "17",
    "is_active=true": "01234567",
    "is_active=false": "",
    "deleted=true": "",
    "q=mug": "01234567",
    "q=3": "3",
}


@pytest.mark.parametrize("path", [PRODUCTS, "/v1/categories/{home}/products"])
async def test_each_filter_narrows_alone_and_with_each_other(api: Api, path: str) -> None:
    products = await a_shop(api)
    path = path.format(home=products["S-0"]["category_id"])
    asked = {query: {*found} for query, found in ALONE.items()}
    if path != PRODUCTS:
        asked = {query: found for query, found in asked.items() if "category=" not in query}
    for query, found in asked.items():
        assert await skus(api, query, path) == [f"S-{n}" for n in sorted(found)], query
    names = {query: {part.partition("=")[0] for part in query.split("&")} for query in asked}
    for one, other in pairs(asked, repeat=2):
        if one < other and not names[one] & names[other]:
            both = f"{one}&{other}"
            everything = {*asked[one] & asked[other]}
            assert await skus(api, both, path) == [f"S-{n}" for n in sorted(everything)], both


async def test_all_filters_hold_together_and_on_every_page(api: Api) -> None:
    await a_shop(api)
    query = "category=home&tag=red&in_stock=true&min_price=1&max_price=7&q=mug&is_active=true"
    for sort, found in (("name", "135"), ("-name", "531"), ("-price", "531"), ("relevance", "135")):
        walked: list[str] = []
        target: str | None = f"{PRODUCTS}?{query}&sort={sort}&limit=1&with_total=true"
        while target:
            answer = await api.nobody.get(target)
            walked += [product["sku"] for product in rows(answer)]
            assert answer.json()["total"] == 3
            target = answer.headers.get("Link", "")[1:].partition(">")[0] or None
        assert walked == [f"S-{n}" for n in found]


async def test_prices_are_of_the_shops_currency_and_leave_out_every_other(api: Api) -> None:
    await api.product(sku="FREE", price=usd("0"))
    await api.product(sku="CENT", price=usd("0.01"))
    await api.product(sku="DEAREST", price=usd("9999999999.99"))
    await api.product(sku="YEN", price=money("5", "JPY"))
    await api.product(sku="DINAR", price=money("0.010", "KWD"))
    for query, found in (
        ("min_price=0", ["FREE", "CENT", "DEAREST"]),
        ("min_price=0.00", ["FREE", "CENT", "DEAREST"]),
        ("max_price=0", ["FREE"]),
        ("min_price=0.01&max_price=0.01", ["CENT"]),
        ("min_price=0.1", ["DEAREST"]),
        ("max_price=9999999999.99", ["FREE", "CENT", "DEAREST"]),
        ("min_price=9999999999.99", ["DEAREST"]),
        ("in_stock=true", ["FREE", "CENT", "DEAREST", "YEN", "DINAR"]),
    ):
        assert await skus(api, query) == found, query


async def test_a_limit_of_prices_has_the_digits_of_the_shops_currency() -> None:
    async with opened_memory(currency="KWD") as opened:
        api = await api_of(opened)
        await api.product(sku="CHEAP", price=money("1.234", "KWD"))
        await api.product(sku="DEAR", price=money("1.235", "KWD"))
        await api.product(sku="FOREIGN", price=usd("1.23"))
        assert await skus(api, "min_price=1.235") == ["DEAR"]
        assert await skus(api, "max_price=1.234") == ["CHEAP"]
        refused = await api.nobody.get(f"{PRODUCTS}?min_price=1.2345")
        problem(refused, 422, "validation-error", "query min_price")


NO_PRICES: Final = (
    "", "-1", "-0.01", "1.005", "1.000", "0.001", "1e400", "1e2", "1E2", "NaN", "nan", "Infinity",
    "inf", "10000000000.00", "999999999999999", "9" * 16, "9" * 20, "9" * 21, "9" * 5_000, "1,5",
    "1.", ".5", "01", "%2B1", "%201", "1%20", "1_0", "0x1", "x", "%00", "%D9%A1", "%EF%BC%91",
    "5%20USD", "%24" + "5", "true", "null", "1;--",
)  # fmt: skip


@in_memory
@pytest.mark.parametrize("name", ["min_price", "max_price"])
@pytest.mark.parametrize("value", NO_PRICES, ids=lambda value: value[:20])
async def test_what_is_no_price_is_no_limit_of_one(api: Api, name: str, value: str) -> None:
    refused = await api.nobody.get(f"{PRODUCTS}?{name}={value}")
    problem(refused, 422, "validation-error", f"query {name}")
    both = await api.nobody.get(f"{PRODUCTS}?{name}=1&{name}=2")
    problem(both, 422, "validation-error", f"query {name}")


@in_memory
@pytest.mark.parametrize(
    ("query", "name"),
    [
        *((f"in_stock={value}", "in_stock") for value in ("1", "yes", "True", "", "null", "%00")),
        *((f"category_only={value}", "category_only") for value in ("1", "yes", "", "TRUE")),
        *((f"tag={value}", "tag") for value in ("", "Red", "a%20b", "%25", "_", "a" * 201, "%00")),
        ("tag=red&tag=%27", "tag"),
        ("&".join(f"tag=t{n}" for n in range(21)), "tag"),
        ("in_stock=true&in_stock=true", "in_stock"),
        ("category=a&category=a", "category"),
        ("category_only=true&category_only=true", "category_only"),
        ("tags=red", "tags"),
        ("tag[]=red", "tag[]"),
        ("price=5", "price"),
        ("name=x", "name"),
        ("category_id=x", "category_id"),
        ("currency=USD", "currency"),
        ("Q=x", "Q"),
        *(
            (f"sort={value}", "sort")
            for value in (
                "sku", "slug", "description", "is_active", "price_minor", "category", "tags",
                "-id", "created_at,name", "created_at%20desc", "relevance", "-relevance", "rank",
            )
        ),
    ],
    ids=lambda each: each[:30],
)  # fmt: skip
async def test_a_filter_is_taken_to_the_letter(api: Api, query: str, name: str) -> None:
    refused = await api.staff.get(f"{PRODUCTS}?{query}")
    problem(refused, 422, "validation-error", f"query {name}")


@in_memory
async def test_twenty_tags_and_a_hundred_skus_can_be_asked_for(api: Api) -> None:
    for n in range(20):
        await api.tag(f"t-{n}")
    await api.product(sku="ALL", tags=[f"t-{n}" for n in range(20)])
    await api.product(sku="FEW", tags=[f"t-{n}" for n in range(19)])
    every_tag = "&".join(f"tag=t-{n}" for n in range(20))
    assert await skus(api, every_tag) == ["ALL"]
    hundred = "&".join(f"sku=N-{n}" for n in range(98))
    assert await skus(api, f"{hundred}&sku=all&sku=few") == ["ALL", "FEW"]


CURSORS: Final = (
    "sort=name", "sort=-name", "sort=price", "sort=-price", "sort=created_at", "sort=-created_at",
    "sort=updated_at", "sort=-updated_at", "sort=stock", "sort=-stock", "sort=name&tag=red",
    "sort=name&in_stock=true", "sort=name&min_price=1", "sort=name&category=home", "q=mug",
    "sort=name&q=mug", "sort=name&category=home&category_only=true", "sort=name&category=mugs",
)  # fmt: skip


@in_memory
async def test_a_cursor_is_of_one_sort_and_one_set_of_filters(api: Api) -> None:
    await a_shop(api)
    cursors = {}
    for query in CURSORS:
        page = content(await api.nobody.get(f"{PRODUCTS}?{query}&limit=1"), 200)
        cursors[query] = page["next_cursor"]
    for (query, cursor), other in pairs(cursors.items(), CURSORS):
        answer = await api.nobody.get(f"{PRODUCTS}?{other}&cursor={cursor}")
        if query == other:
            assert rows(answer)
        else:
            problem(answer, 400, "invalid-cursor")


async def test_the_order_of_the_filters_is_no_part_of_a_cursor(api: Api) -> None:
    await a_shop(api)
    page = await api.nobody.get(f"{PRODUCTS}?tag=red&tag=new&in_stock=true&limit=1&sort=name")
    cursor = page.json()["next_cursor"]
    following = await api.nobody.get(
        f"{PRODUCTS}?cursor={cursor}&sort=name&in_stock=true&tag=new&tag=red"
    )
    assert [product["sku"] for product in rows(following)] == ["S-7"]


async def test_staff_see_what_is_off_sale_or_deleted_by_every_filter(api: Api) -> None:
    products = await a_shop(api)
    for sku in ("S-2", "S-3"):
        path = f"{PRODUCTS}/{products[sku]['id']}"
        await api.staff.patch(path, {"is_active": False})
    for sku in ("S-6", "S-7"):
        await api.staff.delete(f"{PRODUCTS}/{products[sku]['id']}")
    for query, found in (
        ("is_active=false", "23"),
        ("is_active=false&in_stock=true", "3"),
        ("is_active=false&category=home&tag=new", "23"),
        ("is_active=false&category=mugs", ""),
        ("is_active=false&q=mug&max_price=3", "2"),
        ("deleted=true", "67"),
        ("deleted=true&category=home", "67"),
        ("deleted=true&category=home&category_only=true", ""),
        ("deleted=true&tag=red&in_stock=true", "7"),
        ("deleted=true&q=mug&sort=-price", "76"),
        ("deleted=true&is_active=true", "67"),
        ("deleted=true&is_active=false", ""),
        ("tag=new", ""),
        ("category=mugs", "45"),
    ):
        assert await skus(api, query) == [f"S-{n}" for n in found], query


async def sorted_by(api: Api, sort: str) -> list[Any]:
    field = sort.removeprefix("-")
    listed = rows(await api.nobody.get(f"{PRODUCTS}?sort={sort}&limit=100&category=home"))
    return [product[field] for product in listed]


async def test_a_category_is_sorted_across_all_that_is_below_it(api: Api) -> None:
    home = await api.category(slug="home")
    shelves = [home, *[await api.category(parent_id=home["id"]) for _ in range(3)]]
    for n in range(16):
        product = await api.product(
            name=f"{n * 7 % 16:02}", stock=n * 5 % 16, category_id=shelves[n % 4]["id"]
        )
        if n % 3 == 0:
            await api.staff.patch(f"{PRODUCTS}/{product['id']}", {"description": "new"})
    for field in ("name", "stock", "created_at", "updated_at"):
        found = await sorted_by(api, field)
        assert found == sorted(found)
        assert len(found) == 16
        assert await sorted_by(api, f"-{field}") == found[::-1]
        for sort in (field, f"-{field}"):
            everything = await skus(api, f"category=home&sort={sort}")
            walked: list[str] = []
            target: str | None = f"{PRODUCTS}?category=home&sort={sort}&limit=3"
            while target:
                answer = await api.nobody.get(target)
                walked += [product["sku"] for product in rows(answer)]
                target = answer.headers.get("Link", "")[1:].partition(">")[0] or None
            assert walked == everything
            page = await skus(api, f"category=home&sort={sort}&offset=5&limit=4")
            assert page == everything[5:9]
