"""Many products changed in one request: all or none, or every one that can be."""

import asyncio
import json
from typing import Any, Final

import httpx
import pytest

from tests.http.api import (
    NOWHERE,
    Api,
    Json,
    a_product,
    content,
    in_memory,
    problem,
    rows,
    usd,
)

BULK: Final = "/v1/products/bulk"


async def send(
    api: Api, *items: Any, on_error: str | None = None, query: str = ""
) -> httpx.Response:
    body = {"items": [*items]} | ({"on_error": on_error} if on_error else {})
    return await api.staff.patch(BULK + query, body)


async def test_every_row_changes_what_it_names(api: Api) -> None:
    category = await api.category()
    await api.tag("red")
    products = [
        await api.product(stock=7, metadata={"size": "L", "colour": "red"}) for _ in range(4)
    ]
    changes: list[Json] = [
        {"price": usd("1.00")},
        {"category_id": category["id"], "tags": ["red"], "sku": "new"},
        {"is_active": False, "metadata": {"size": None, "weight": "3 kg"}},
        {},
    ]
    items = [{"id": p["id"], **c} for p, c in zip(products, changes, strict=True)]
    done = content(await send(api, *items), 200)
    assert (done["succeeded"], done["failed"]) == (4, 0)
    assert done["results"] == [
        {"index": n, "status": "updated", "id": product["id"], "problem": None}
        for n, product in enumerate(products)
    ]
    now = [await api.product_now(product) for product in products]
    assert (now[0]["price"], now[0]["version"]) == (usd("1.00"), 2)
    assert (now[1]["category"]["id"], now[1]["tags"]) == (category["id"], ["red"])
    assert now[1]["sku"] == "NEW"
    assert (now[2]["is_active"], now[2]["metadata"]) == (
        False,
        {"colour": "red", "weight": "3 kg"},
    )
    assert now[3] == products[3]
    assert [product["stock"] for product in now] == [7] * 4
    found = rows(await api.nobody.get("/v1/products?tag=red&sku=NEW"))
    assert found == [now[1]]


FAULTS: Final[dict[str, tuple[Json, int, str, list[str]]]] = {
    "its form": ({"sku": ""}, 422, "validation-error", ["/items/2/sku"]),
    "its price": ({"price": usd("1.005")}, 422, "validation-error", ["/items/2/price/amount"]),
    "a price beyond": ({"price": usd("-1")}, 422, "validation-error", ["/items/2/price"]),
    "its stock": ({"stock": 5}, 422, "validation-error", ["/items/2/stock"]),
    "two members": (
        {"name": "", "slug": None}, 422, "validation-error", ["/items/2/name", "/items/2/slug"],
    ),
    "no id": ({"id": None}, 422, "validation-error", ["/items/2/id"]),
    "no such product": ({"id": NOWHERE}, 404, "product-not-found", ["/items/2"]),
    "no such category": ({"category_id": NOWHERE}, 404, "category-not-found", ["/items/2"]),
    "no such tag": ({"tags": ["no"]}, 404, "tag-not-found", ["/items/2"]),
    "a sku that is taken": ({"sku": "taken"}, 409, "duplicate", ["/items/2/sku"]),
    "a slug that is taken": ({"slug": "taken"}, 409, "duplicate", ["/items/2/slug"]),
    "the sku of another row": ({"sku": "same"}, 409, "duplicate", ["/items/2/sku"]),
    "the slug of another row": ({"slug": "same"}, 409, "duplicate", ["/items/2/slug"]),
    "too many pairs": (
        {"metadata": {f"n{n}": "x" for n in range(30)}}, 422, "invalid-value",
        ["/items/2/metadata"],
    ),
}  # fmt: skip
Fault = pytest.mark.parametrize(
    ("fault", "status", "code", "pointers"), FAULTS.values(), ids=FAULTS
)


async def three_rows(api: Api, fault: Json) -> list[Json]:
    """The first two are good; the third has the fault."""
    await api.product(sku="TAKEN", slug="taken")
    metadata = {f"k{n}": "x" for n in range(30)}
    ids = [(await api.product(metadata=metadata))["id"] for _ in range(3)]
    return [
        {"id": ids[0], "sku": "SAME", "slug": "same"},
        {"id": ids[1], "name": "New"},
        {"id": ids[2], "description": "New"} | fault,
    ]


@Fault
@pytest.mark.parametrize("on_error", [None, "abort"])
async def test_one_bad_row_and_nothing_is_changed(
    api: Api, fault: Json, status: int, code: str, pointers: list[str], on_error: str | None
) -> None:
    items = await three_rows(api, fault)
    last = await api.product()
    async with api.unchanged():
        refused = await send(api, *items, {"id": last["id"], "name": "New"}, on_error=on_error)
    blamed = [place["pointer"] for place in refused.json()["errors"]]
    problem(refused, status, code, *blamed)
    assert [pointer for pointer in blamed if not pointer.startswith(tuple(pointers))] == []
    assert len(blamed) == len(pointers)


@Fault
async def test_if_asked_to_skip_it_changes_the_others(
    api: Api, fault: Json, status: int, code: str, pointers: list[str]
) -> None:
    items = await three_rows(api, fault)
    last = await api.product()
    before = await api.staff.get(f"/v1/products/{items[2]['id']}")
    done = content(await send(api, *items, {"id": last["id"], "name": "New"}, on_error="skip"), 200)
    assert (done["succeeded"], done["failed"]) == (3, 1)
    statuses = [result["status"] for result in done["results"]]
    assert statuses == ["updated", "updated", "failed", "updated"]
    failed = done["results"][2]
    assert (failed["index"], failed["id"]) == (2, None)
    found = failed["problem"]
    assert (found["status"], found["code"], found["instance"]) == (status, code, BULK)
    assert len(found["errors"]) == len(pointers)
    for place in found["errors"]:
        assert place["pointer"].startswith(tuple(pointers))
    names = [(await api.product_now(item))["name"] for item in (items[1], last)]
    assert names == ["New", "New"]
    if before.status_code == 200:
        after = content(await api.staff.get(f"/v1/products/{items[2]['id']}"), 200)
        assert after == before.json()
    same = await api.product_now(items[0])
    assert (same["sku"], same["slug"]) == ("SAME", "same")


async def test_a_row_may_take_the_name_that_an_earlier_one_gave_up(api: Api) -> None:
    one, other = await api.product(sku="ONE", slug="one"), await api.product(sku="TWO", slug="two")
    items = [
        {"id": one["id"], "sku": "THREE", "slug": "three"},
        {"id": other["id"], "sku": "ONE", "slug": "one"},
        {"id": one["id"], "sku": "TWO"},
    ]
    done = content(await send(api, *items), 200)
    assert done["succeeded"] == 3
    assert [(await api.product_now(each))["sku"] for each in (one, other)] == ["TWO", "ONE"]


async def test_rows_about_one_product_follow_each_other(api: Api) -> None:
    product = await api.product(metadata={"a": "1"})
    await api.product(sku="TAKEN")
    items = [
        {"id": product["id"], "name": "First", "metadata": {"b": "2"}},
        {"id": product["id"], "name": "Bad", "sku": "TAKEN"},
        {"id": product["id"], "description": "Third", "metadata": {"a": None}},
    ]
    done = content(await send(api, *items, on_error="skip"), 200)
    assert [result["status"] for result in done["results"]] == ["updated", "failed", "updated"]
    now = await api.product_now(product)
    assert (now["name"], now["description"], now["metadata"]) == ("First", "Third", {"b": "2"})
    assert now["sku"] == product["sku"]


async def test_a_deleted_product_is_no_row_that_can_be_changed(api: Api) -> None:
    gone, kept = await api.product(), await api.product()
    await api.staff.delete(f"/v1/products/{gone['id']}")
    items = [{"id": gone["id"], "name": "x"}, {"id": kept["id"], "name": "x"}]
    async with api.unchanged():
        refused = await send(api, *items)
    assert (refused.status_code, refused.json()["code"]) == (404, "product-not-found")
    done = content(await send(api, *items, on_error="skip"), 200)
    assert [result["status"] for result in done["results"]] == ["failed", "updated"]


@pytest.mark.parametrize("on_error", ["abort", "skip"])
async def test_many_changes_can_be_rehearsed(api: Api, on_error: str) -> None:
    items = await three_rows(api, {"name": "New"})
    async with api.unchanged():
        rehearsed = await send(api, *items, on_error=on_error, query="?dry_run=true")
    assert content(rehearsed, 200)["succeeded"] == 3
    assert content(await send(api, *items, on_error=on_error), 200) == rehearsed.json()


@in_memory
@pytest.mark.parametrize("row", [5, None, "row", [], True, 1.5, {}, {"name": "x"}, {"id": "x"}])
async def test_a_row_that_is_no_patch_fails_alone(api: Api, row: Any) -> None:
    product = await api.product()
    good = {"id": product["id"], "name": "New"}
    async with api.unchanged():
        refused = await send(api, good, row)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation-error")
    done = content(await send(api, row, good, on_error="skip"), 200)
    assert [result["status"] for result in done["results"]] == ["failed", "updated"]
    for place in done["results"][0]["problem"]["errors"]:
        assert place["pointer"].startswith("/items/0")


@in_memory
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"items": []}, "/items"),
        ({"items": None}, "/items"),
        ({"items": {}}, "/items"),
        ({}, "/items"),
        ({"items": [{"id": NOWHERE}] * 1_001}, "/items"),
        ({"items": [{"id": NOWHERE}], "on_error": "ignore"}, "/on_error"),
        ({"items": [{"id": NOWHERE}], "on_error": None}, "/on_error"),
        ({"items": [{"id": NOWHERE}], "name": "x"}, "/name"),
    ],
    ids=lambda each: str(each)[:30],
)
async def test_the_request_as_a_whole_has_a_form_too(api: Api, body: Any, pointer: str) -> None:
    async with api.unchanged():
        problem(await api.staff.patch(BULK, body), 422, "validation-error", pointer)


@in_memory
@pytest.mark.parametrize("number", ["1e400", "-1e400", "7.999", "-0.01", "1e1000000", "9" * 400])
async def test_a_price_that_is_no_price_fails_its_row_alone(api: Api, number: str) -> None:
    product = await api.product()
    items = [
        {"id": product["id"], "price": usd("$")},
        {"id": product["id"], "name": "New"},
    ]
    body = json.dumps({"items": items, "on_error": "skip"}).replace('"$"', number)
    done = content(await api.staff.patch(BULK, content=body.encode()), 200)
    assert [result["status"] for result in done["results"]] == ["failed", "updated"]
    [place] = done["results"][0]["problem"]["errors"]
    assert place["pointer"].startswith("/items/0/price")
    async with api.unchanged():
        refused = await api.staff.patch(BULK, content=body.replace("skip", "abort").encode())
    problem(refused, 422, "validation-error", place["pointer"])


@in_memory
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "01", "1.", "+1"])
async def test_what_is_no_number_of_json_fails_them_all(api: Api, number: str) -> None:
    product = await api.product()
    path = f"/v1/products/{product['id']}"
    whole = {"sku": "A", "name": "x", "price": usd("$")}
    for method, to, sent in (
        ("PATCH", BULK, {"items": [{"id": product["id"], "price": usd("$")}], "on_error": "skip"}),
        ("PATCH", path, {"price": usd("$")}),
        ("PUT", path, whole),
        ("POST", f"{path}/stock", {"change": "$"}),
        ("POST", BULK, {"items": [whole], "on_error": "skip"}),
    ):
        body = json.dumps(sent).replace('"$"', number).encode()
        async with api.unchanged():
            problem(await api.staff.send(method, to, content=body), 400, "malformed-json")


async def test_a_thousand_rows_can_be_changed(api: Api) -> None:
    new = [{"sku": f"S-{n}", "name": "x", "price": usd("1")} for n in range(1_000)]
    made = content(await api.staff.post(BULK, {"items": new}), 200)
    patches = [{"id": result["id"], "name": "Mug"} for result in made["results"]]
    done = content(await send(api, *patches), 200)
    assert done["succeeded"] == 1_000
    assert await api.total("/v1/products?q=mug&category_only=true") == 1_000


async def test_two_bulks_of_the_same_products_do_not_block_each_other(api: Api) -> None:
    ids = [(await api.product())["id"] for _ in range(10)]
    there = [{"id": id, "name": "There"} for id in ids]
    back = [{"id": id, "name": "Back"} for id in reversed(ids)]
    answers = await asyncio.gather(*(send(api, *each) for each in (there, back, there, back)))
    assert {answer.status_code for answer in answers} == {200}
    names = {product["name"] for product in rows(await api.nobody.get("/v1/products"))}
    assert len(names) == 1


async def test_new_products_of_a_bulk_have_the_tags_that_are_there(api: Api) -> None:
    for tag in ("red", "new"):
        await api.tag(tag)
    category = await api.category()
    items = [
        a_product(tags=["red", "new", "red"], category_id=category["id"]),
        a_product(tags=["no"]),
        a_product(tags=["A"]),
        a_product(),
    ]
    async with api.unchanged():
        refused = await api.staff.post(BULK, {"items": items[:2]})
        [place] = refused.json()["errors"]
        assert problem(refused, 404, "tag-not-found", place["pointer"])["tags"] == ["no"]
        assert place["pointer"].startswith("/items/1")
    done = content(await api.staff.post(BULK, {"items": items, "on_error": "skip"}), 200)
    assert [result["status"] for result in done["results"]] == [
        "created", "failed", "failed", "created",
    ]  # fmt: skip
    assert done["results"][1]["problem"]["tags"] == ["no"]
    [tagged] = rows(await api.nobody.get("/v1/products?tag=red&tag=new"))
    assert (tagged["id"], tagged["tags"]) == (done["results"][0]["id"], ["new", "red"])
    counts = {tag["slug"]: tag["product_count"] for tag in rows(await api.nobody.get("/v1/tags"))}
    assert counts == {"red": 1, "new": 1}
