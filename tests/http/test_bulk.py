"""Many products in one request: all or none, or every one that can be."""

import asyncio
from typing import Any, Final

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


async def send(api: Api, *items: Any, on_error: str | None = None, **options: Any) -> Any:
    body = {"items": [*items]} | ({"on_error": on_error} if on_error else {})
    return await api.staff.post(BULK, body, **options)


async def test_all_rows_are_created_in_their_order(api: Api) -> None:
    items = [a_product() for _ in range(5)]
    done = content(await send(api, *items), 200)
    assert (done["succeeded"], done["failed"]) == (5, 0)
    results = done["results"]
    assert [result["index"] for result in results] == [0, 1, 2, 3, 4]
    assert {(result["status"], result["problem"]) for result in results} == {("created", None)}
    for item, result in zip(items, results, strict=True):
        found = content(await api.nobody.get(f"/v1/products/{result['id']}"), 200)
        assert {name: found[name] for name in item} == item


FAULTS: Final[dict[str, tuple[Json, int, str, list[str]]]] = {
    "its form": ({"sku": ""}, 422, "validation-error", ["/items/2/sku"]),
    "its price": ({"price": usd("1.005")}, 422, "validation-error", ["/items/2/price/amount"]),
    "two members": (
        {"name": "", "stock": -1}, 422, "validation-error", ["/items/2/name", "/items/2/stock"],
    ),
    "an unknown member": ({"a/b": 1}, 422, "validation-error", ["/items/2/a~1b"]),
    "a sku that is taken": ({"sku": "taken"}, 409, "duplicate", ["/items/2/sku"]),
    "a slug that is taken": ({"slug": "taken"}, 409, "duplicate", ["/items/2/slug"]),
    "the sku of another row": ({"sku": "same"}, 409, "duplicate", ["/items/2/sku"]),
    "the slug of another row": ({"slug": "same"}, 409, "duplicate", ["/items/2/slug"]),
}  # fmt: skip


async def three_rows(api: Api, fault: Json) -> list[Json]:
    """The first two are good; the third has the fault."""
    await api.product(sku="TAKEN", slug="taken")
    return [a_product(sku="SAME", slug="same"), a_product(), a_product() | fault]


@pytest.mark.parametrize("on_error", [None, "abort"])
@pytest.mark.parametrize("key", [None, "key"])
@pytest.mark.parametrize(("fault", "status", "code", "pointers"), FAULTS.values(), ids=FAULTS)
async def test_one_bad_row_and_none_is_written(
    api: Api, fault: Json, status: int, code: str, pointers: list[str], on_error: str | None,
    key: str | None,
) -> None:  # fmt: skip
    items = await three_rows(api, fault)
    before = await api.contents()
    refused = await send(api, *items, a_product(), on_error=on_error, key=key)
    problem(refused, status, code, *pointers)
    after = await api.contents()
    if key and status == 409:
        # The refusal is kept with its key, and nothing else.
        keys = {"keys", "idempotency_keys"} & {*after}
        after, before = [
            {name: part for name, part in contents.items() if name not in keys}
            for contents in (after, before)
        ]
    assert after == before


@pytest.mark.parametrize(("fault", "status", "code", "pointers"), FAULTS.values(), ids=FAULTS)
async def test_if_asked_to_skip_it_creates_the_others(
    api: Api, fault: Json, status: int, code: str, pointers: list[str]
) -> None:
    items = [*await three_rows(api, fault), a_product()]
    done = content(await send(api, *items, on_error="skip"), 200)
    assert (done["succeeded"], done["failed"]) == (3, 1)
    statuses = [result["status"] for result in done["results"]]
    assert statuses == ["created", "created", "failed", "created"]
    failed = done["results"][2]
    assert (failed["index"], failed["id"]) == (2, None)
    found = failed["problem"]
    assert (found["status"], found["code"], found["type"]) == (status, code, f"/problems/{code}")
    assert sorted(place["pointer"] for place in found["errors"]) == pointers
    assert found["instance"] == BULK
    assert await api.total("/v1/products") == 4


async def test_a_category_that_is_not_there_fails_its_row_alone(api: Api) -> None:
    items = [a_product(), a_product(category_id=NOWHERE)]
    async with api.unchanged():
        refused = await send(api, *items)
    assert (refused.status_code, refused.json()["code"]) == (404, "category-not-found")
    [place] = refused.json()["errors"]
    assert place["pointer"] in ("/items/1", "/items/1/category_id")
    done = content(await send(api, *items, on_error="skip"), 200)
    assert [result["status"] for result in done["results"]] == ["created", "failed"]
    assert done["results"][1]["problem"]["errors"] == [place]


async def test_if_every_row_is_skipped_nothing_is_written(api: Api) -> None:
    await api.product(sku="TAKEN")
    async with api.unchanged():
        refused = await send(api, a_product(sku=""), a_product(sku="TAKEN"), 5, on_error="skip")
    assert (content(refused, 200)["succeeded"], refused.json()["failed"]) == (0, 3)


@in_memory
@pytest.mark.parametrize("row", [5, None, "row", [], True, 1.5, {}, [{}]])
async def test_a_row_that_is_no_product_fails_alone(api: Api, row: Any) -> None:
    done = content(await send(api, a_product(), row, a_product(), on_error="skip"), 200)
    assert [result["status"] for result in done["results"]] == ["created", "failed", "created"]
    pointers = {place["pointer"] for place in done["results"][1]["problem"]["errors"]}
    assert all(pointer.startswith("/items/1") for pointer in pointers)
    async with api.unchanged():
        refused = await send(api, a_product(), row)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation-error")


async def test_rows_of_one_name_get_slugs_of_their_own(api: Api) -> None:
    await api.product(name="White mug")
    done = content(await send(api, *(a_product(name="White Mug!") for _ in range(5))), 200)
    assert done["succeeded"] == 5
    slugs = {row["slug"] for row in rows(await api.nobody.get("/v1/products"))}
    assert len(slugs) == 6
    assert all(slug.startswith("white-mug") for slug in slugs)


async def test_a_thousand_rows_are_taken_and_one_more_is_not(api: Api) -> None:
    items = [{"sku": f"S-{n}", "name": "x", "price": usd("1")} for n in range(1_001)]
    async with api.unchanged():
        refused = await send(api, *items)
    problem(refused, 422, "validation-error", "/items")
    done = content(await send(api, *items[:1_000]), 200)
    assert (done["succeeded"], len(done["results"])) == (1_000, 1_000)
    assert await api.total("/v1/products") == 1_000


@in_memory
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"items": []}, "/items"),
        ({"items": {}}, "/items"),
        ({"items": None}, "/items"),
        ({}, "/items"),
        ({"items": [a_product()], "on_error": "ignore"}, "/on_error"),
        ({"items": [a_product()], "on_error": None}, "/on_error"),
        ({"items": [a_product()], "on_error": True}, "/on_error"),
    ],
)
async def test_the_request_as_a_whole_has_a_form_too(api: Api, body: Any, pointer: str) -> None:
    async with api.unchanged():
        refused = await api.staff.post(BULK, body)
    problem(refused, 422, "validation-error", pointer)


@in_memory
async def test_a_thousand_bad_rows_make_no_endless_answer(api: Api) -> None:
    row = {f"u{n}": 1 for n in range(60)}
    answer = await send(api, *[row] * 1_000, on_error="skip")
    assert content(answer, 200)["failed"] == 1_000
    assert len(answer.content) < 10_000_000
    refused = await send(api, *[row] * 1_000)
    assert len(refused.content) < 20_000


async def test_two_bulks_of_the_same_skus_leave_each_once(api: Api) -> None:
    items = [a_product(sku=f"MUG-{n}") for n in range(20)]
    answers = await asyncio.gather(
        send(api, *items, on_error="skip"), send(api, *reversed(items), on_error="skip")
    )
    created = sum(answer.json()["succeeded"] for answer in answers if answer.status_code == 200)
    assert all(answer.status_code == 200 for answer in answers), [a.text[:200] for a in answers]
    assert created == await api.total("/v1/products") == 20
