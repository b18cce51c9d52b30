"""Tags: the words that products are found by."""

import asyncio
from collections import Counter
from typing import Any, Final

import pytest

from tests.http.api import (
    NOWHERE,
    Api,
    Json,
    a_product,
    at,
    content,
    in_memory,
    is_uuid7,
    problem,
    rows,
)

TAGS: Final = "/v1/tags"


async def change(api: Api, product: Json, **changes: Any) -> Json:
    return content(await api.staff.patch(f"/v1/products/{product['id']}", changes), 200)


async def listed(api: Api) -> dict[str, Json]:
    """Every tag as anybody sees it, by its slug."""
    return {tag["slug"]: tag for tag in rows(await api.nobody.get(f"{TAGS}?limit=100"))}


async def test_a_tag_is_kept_as_it_was_created(api: Api) -> None:
    created = content(await api.staff.post(TAGS, {"name": "On Sale!", "slug": "sale"}), 201)
    assert is_uuid7(created["id"])
    assert {name: value for name, value in created.items() if name != "id"} == {
        "name": "On Sale!",
        "slug": "sale",
        "product_count": 0,
        "post_count": 0,
        "version": 1,
    }
    assert rows(await api.nobody.get(TAGS)) == [created]


async def test_without_a_slug_it_gets_the_one_that_its_name_suggests(api: Api) -> None:
    for name, slug in (("On sale!", "on-sale"), ("Café Olé", "cafe-ole")):
        for body in ({"name": name}, {"name": f"{name} 2", "slug": None}):
            created = content(await api.staff.post(TAGS, body), 201)
            assert created["slug"] == slug + ("-2" if "slug" in body else "")
    nameless = content(await api.staff.post(TAGS, {"name": "日本"}), 201)
    assert nameless["slug"].startswith("tag-")


async def test_a_slug_belongs_to_one_tag_and_a_name_to_as_many_as_like(api: Api) -> None:
    await api.tag("sale", name="Sale")
    for body in ({"name": "Other", "slug": "sale"}, {"name": "SALE"}):
        async with api.unchanged():
            refused = await api.staff.post(TAGS, body)
        assert problem(refused, 409, "duplicate")["field"] == "slug"
    assert (await api.tag("sale-2", name="Sale"))["name"] == "Sale"


async def test_of_ten_tags_with_one_slug_one_is_made(api: Api) -> None:
    answers = await asyncio.gather(*(api.staff.post(TAGS, {"name": "Sale"}) for _ in range(10)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 9}
    assert await api.total(TAGS) == 1


@in_memory
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        *(({"name": name}, "/name") for name in (None, "", " ", "a\nb", "x" * 101, 5, ["x"])),
        *(({"name": "x", "slug": slug}, "/slug") for slug in ("", "A", "a b", "ä", "a" * 201, 5)),
        ({"name": "x", "product_count": 1}, "/product_count"),
        ({"name": "x", "id": NOWHERE}, "/id"),
    ],
    ids=lambda each: str(each)[:40],
)
async def test_what_is_no_tag_is_refused_where_it_is_wrong(
    api: Api, body: Any, pointer: str
) -> None:
    async with api.unchanged():
        refused = await api.staff.post(TAGS, body)
    problem(refused, 422, "validation-error", pointer)


async def test_the_longest_name_and_slug_fit_every_storage(api: Api) -> None:
    created = await api.tag("s" * 200, name="😀" * 100)
    assert rows(await api.nobody.get(TAGS)) == [created]


async def test_the_list_tells_how_many_products_on_sale_have_each(api: Api) -> None:
    for slug in ("new", "red", "idle"):
        await api.tag(slug)
    await api.product(tags=["new", "red"])
    await api.product(tags=["new"], stock=0)
    hidden = await api.product(tags=["new", "red"], is_active=False)
    gone = await api.product(tags=["red"])
    await api.staff.delete(f"/v1/products/{gone['id']}")
    counts = {slug: tag["product_count"] for slug, tag in (await listed(api)).items()}
    assert counts == {"new": 2, "red": 1, "idle": 0}
    await change(api, hidden, is_active=True)
    counts = {slug: tag["product_count"] for slug, tag in (await listed(api)).items()}
    assert counts == {"new": 3, "red": 2, "idle": 0}
    assert {tag["post_count"] for tag in (await listed(api)).values()} == {0}


async def test_tags_are_listed_by_name(api: Api) -> None:
    for slug, name in (("a", "z"), ("b", "Z"), ("c", "ä"), ("d", "日"), ("e", "z")):
        await api.tag(slug, name=name)
    names = [tag["name"] for tag in rows(await api.nobody.get(TAGS))]
    assert names == sorted(names)
    backwards = rows(await api.nobody.get(f"{TAGS}?sort=-name"))
    assert backwards == [*reversed(rows(await api.nobody.get(f"{TAGS}?sort=name")))]
    first = content(await api.nobody.get(f"{TAGS}?limit=2&with_total=true"), 200)
    rest = content(await api.nobody.get(f"{TAGS}?cursor={first['next_cursor']}"), 200)
    assert [tag["name"] for tag in first["items"] + rest["items"]] == names
    assert (first["total"], rest["next_cursor"]) == (5, None)


async def test_a_product_has_each_of_its_tags_once_in_the_order_of_the_alphabet(api: Api) -> None:
    for slug in ("c", "a", "b"):
        await api.tag(slug)
    product = await api.product(tags=["c", "a", "c"])
    assert product["tags"] == ["a", "c"]
    assert await api.product_now(product) == product
    same = await change(api, product, tags=["c", "c", "a"])
    assert same == product
    other = await change(api, product, tags=["b"])
    assert (other["tags"], other["version"]) == (["b"], 2)
    assert (await change(api, product, tags=None))["tags"] == []
    await change(api, product, tags=["a", "b"])
    assert (await change(api, product, tags=[]))["tags"] == []
    assert await api.product_now(product) == await change(api, product, tags=[])


async def test_only_a_tag_that_is_there_can_be_put_on_a_product(api: Api) -> None:
    await api.tag("red")
    product = await api.product(tags=["red"])
    path = f"/v1/products/{product['id']}"
    whole = {name: product[name] for name in ("sku", "name", "price")}
    async with api.unchanged():
        for refused in (
            await api.staff.post("/v1/products", a_product(tags=["red", "no", "nor-this"])),
            await api.staff.patch(path, {"tags": ["nor-this", "no"]}),
            await api.staff.put(path, whole | {"tags": ["red", "no", "nor-this", "no"]}),
        ):
            assert problem(refused, 404, "tag-not-found")["tags"] == ["no", "nor-this"]


@in_memory
@pytest.mark.parametrize(
    ("tags", "pointer"),
    [
        (["A"], "/tags/0"),
        (["a", "b c"], "/tags/1"),
        ([5], "/tags/0"),
        ([None], "/tags/0"),
        ("a", "/tags"),
        ({"a": "b"}, "/tags"),
        ([f"t-{n}" for n in range(51)], "/tags"),
    ],
    ids=lambda each: str(each)[:20],
)
async def test_tags_are_a_list_of_slugs(api: Api, tags: Any, pointer: str) -> None:
    product = await api.product()
    async with api.unchanged():
        for refused in (
            await api.staff.post("/v1/products", a_product(tags=tags)),
            await api.staff.patch(f"/v1/products/{product['id']}", {"tags": tags}),
        ):
            problem(refused, 422, "validation-error", pointer)


async def test_a_tag_that_goes_is_taken_off_every_product(api: Api) -> None:
    red = await api.tag("red")
    await api.tag("new")
    both, only, neither = [
        await api.product(tags=["red", "new"]),
        await api.product(tags=["red"], is_active=False),
        await api.product(tags=["new"]),
    ]
    gone = await api.product(tags=["red"])
    await api.staff.delete(f"/v1/products/{gone['id']}")
    removed = await api.staff.delete(f"{TAGS}/{red['id']}")
    assert (removed.status_code, removed.content) == (204, b"")

    for product, left in ((both, ["new"]), (only, [])):
        now = await api.staff.get(f"/v1/products/{product['id']}")
        assert content(now, 200)["tags"] == left
        assert (now.json()["version"], now.headers["ETag"]) == (2, '"2"')
        assert at(now.json()["updated_at"]) > at(product["updated_at"])
    assert await api.product_now(neither) == neither
    [deleted] = rows(await api.staff.get("/v1/products?deleted=true"))
    assert (deleted["tags"], deleted["version"]) == ([], 3)
    assert {*await listed(api)} == {"new"}
    assert rows(await api.nobody.get("/v1/products?tag=red")) == []
    problem(await api.staff.delete(f"{TAGS}/{red['id']}"), 404, "tag-not-found")


async def test_the_slug_of_a_tag_that_went_is_free_again(api: Api) -> None:
    red = await api.tag("red")
    product = await api.product(tags=["red"])
    await api.staff.delete(f"{TAGS}/{red['id']}")
    again = await api.tag("red")
    assert (again["id"] != red["id"], again["product_count"]) == (True, 0)
    assert (await change(api, product, tags=["red"]))["tags"] == ["red"]
    assert (await listed(api))["red"]["product_count"] == 1


async def test_of_five_who_delete_a_tag_one_does(api: Api) -> None:
    red = await api.tag("red")
    product = await api.product(tags=["red"])
    answers = await asyncio.gather(*(api.staff.delete(f"{TAGS}/{red['id']}") for _ in range(5)))
    assert Counter(answer.status_code for answer in answers) == {204: 1, 404: 4}
    assert (await api.product_now(product))["version"] == 2


async def test_who_had_read_the_product_is_told_that_a_tag_went(api: Api) -> None:
    red = await api.tag("red")
    product = await api.product(tags=["red"])
    path = f"/v1/products/{product['id']}"
    await api.staff.delete(f"{TAGS}/{red['id']}")
    assert (await api.nobody.get(path, headers={"If-None-Match": '"1"'})).status_code == 200
    async with api.unchanged():
        refused = await api.staff.patch(path, {"name": "x"}, if_match='"1"')
    assert problem(refused, 412, "stale-version")["version"] == 2


async def test_a_tag_goes_while_products_get_it_and_none_keeps_it(api: Api) -> None:
    red = await api.tag("red")
    products = [await api.product() for _ in range(8)]
    removed, *tagged = await asyncio.gather(
        api.staff.delete(f"{TAGS}/{red['id']}"),
        *(api.staff.patch(f"/v1/products/{one['id']}", {"tags": ["red"]}) for one in products),
    )
    assert removed.status_code in (204, 409), removed.text
    for answer in tagged:
        assert answer.status_code in (200, 404, 409), answer.text
    kept = {tag for one in products for tag in (await api.product_now(one))["tags"]}
    assert kept <= {*await listed(api)}


@in_memory
@pytest.mark.parametrize("query", ["product_count", "-slug", "created_at", "relevance", "post"])
async def test_tags_are_sorted_by_nothing_else(api: Api, query: str) -> None:
    problem(await api.nobody.get(f"{TAGS}?sort={query}"), 422, "validation-error", "query sort")
    problem(await api.nobody.get(f"{TAGS}?{query}=x"), 422, "validation-error", f"query {query}")
