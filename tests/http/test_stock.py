"""The stock of a product: set right by hand, and every change of it kept with its cause."""

import asyncio
import json
from collections import Counter
from typing import Any, Final

import pytest

from tests.http.api import (
    NOWHERE,
    Api,
    Json,
    a_product,
    at,
    basket,
    content,
    in_memory,
    is_uuid7,
    problem,
    rows,
    transitions,
)

LARGEST: Final = 2_147_483_647
MEMBERS: Final = {
    "id", "product_id", "change", "stock_after", "cause", "actor_id", "reason", "order_id", "at",
}  # fmt: skip


def path(product: Json) -> str:
    return f"/v1/products/{product['id']}/stock"


async def changed(api: Api, product: Json, **body: Any) -> Json:
    return content(await api.staff.post(path(product), body), 200)


async def movements(api: Api, product: Json, query: str = "sort=at") -> list[Json]:
    return rows(await api.staff.get(f"{path(product)}-movements?limit=100&{query}"))


def moved(movement: Json) -> tuple[Any, ...]:
    """What a movement says of itself, but for who and when."""
    return tuple(movement[name] for name in ("cause", "change", "stock_after", "reason"))


async def test_stock_goes_up_and_down_by_a_change(api: Api) -> None:
    product = await api.product(stock=10)
    less = await changed(api, product, change=-3, reason="damaged")
    assert (less["stock"], less["version"]) == (7, 2)
    assert at(less["updated_at"]) > at(product["updated_at"])
    more = await api.staff.post(path(product), {"change": 5, "reason": None})
    assert (content(more, 200)["stock"], more.headers["ETag"]) == (12, '"3"')
    own = ("stock", "version", "updated_at")
    assert more.json() | {name: product[name] for name in own} == product
    assert await api.product_now(product) == more.json()


async def test_stock_is_set_to_what_was_counted(api: Api) -> None:
    category = await api.category()
    product = await api.product(stock=37, category_id=category["id"])
    counted = await changed(api, product, set=40, expected=37, reason="count")
    assert (counted["stock"], counted["category"]["id"]) == (40, category["id"])
    assert (await changed(api, product, set=0))["stock"] == 0
    assert (await changed(api, product, set=LARGEST, expected=0))["stock"] == LARGEST
    assert (await changed(api, product, change=-LARGEST))["stock"] == 0


async def test_a_count_that_finds_what_there_is_changes_nothing(api: Api) -> None:
    product = await api.product(stock=40)
    async with api.unchanged():
        for body in ({"set": 40}, {"set": 40, "expected": 40, "reason": "count"}):
            assert await changed(api, product, **body) == product


async def test_no_more_can_go_than_there_is(api: Api) -> None:
    product = await api.product(stock=3)
    async with api.unchanged():
        for change in (-4, -LARGEST):
            refused = await api.staff.post(path(product), {"change": change})
            assert problem(refused, 409, "insufficient-stock")["shortages"] == [
                {
                    "product_id": product["id"],
                    "sku": product["sku"],
                    "requested": -change,
                    "available": 3,
                }
            ]


async def test_a_count_that_expected_another_stock_is_told_so(api: Api) -> None:
    product = await api.product(stock=36)
    async with api.unchanged():
        for set, expected in ((40, 37), (36, 37), (37, 37), (40, 0)):
            refused = await api.staff.post(path(product), {"set": set, "expected": expected})
            found = problem(refused, 409, "stock-changed")
            assert (found["expected"], found["stock"]) == (expected, 36)


async def test_no_stock_exceeds_its_limit(api: Api) -> None:
    product = await api.product(stock=1)
    async with api.unchanged():
        refused = await api.staff.post(path(product), {"change": LARGEST})
    assert problem(refused, 409, "stock-too-large")["largest"] == LARGEST
    assert (await changed(api, product, change=LARGEST - 1))["stock"] == LARGEST


@in_memory
@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, [""]),
        ({"reason": "count"}, [""]),
        ({"change": None, "set": None}, [""]),
        ({"change": 1, "set": 1}, [""]),
        ({"change": 1, "expected": 10}, [""]),
        ({"expected": 10}, [""]),
        ({"change": 0}, ["/change"]),
        ({"change": 0, "set": 1}, ["/change"]),
        *(({"change": value}, ["/change"]) for value in ("1", 1.5, True, [1], LARGEST + 1)),
        *(({"change": value}, ["/change"]) for value in (-LARGEST - 1, 2**63, -(2**64), 10**400)),
        *(({"set": value}, ["/set"]) for value in (-1, "1", 1.5, False, LARGEST + 1, 2**64)),
        *(({"set": 1, "expected": n}, ["/expected"]) for n in (-1, "1", 1.5, LARGEST + 1)),
        ({"change": 1, "reason": "x" * 501}, ["/reason"]),
        ({"set": 1, "reason": "😀" * 501}, ["/reason"]),
        ({"change": 1, "reason": "a\x00b"}, ["/reason"]),
        ({"change": 1, "reason": 5}, ["/reason"]),
        ({"change": 1, "counted": 1}, ["/counted"]),
        ({"change": 1, "cause": "order"}, ["/cause"]),
        ({"stock": 5}, ["/stock"]),
        ({"set": -1, "expected": "x"}, ["/set", "/expected"]),
    ],
    ids=lambda each: str(each)[:40],
)
async def test_what_is_no_change_of_stock_is_refused_where_it_is_wrong(
    api: Api, body: Any, pointers: list[str]
) -> None:
    product = await api.product()
    async with api.unchanged():
        refused = await api.staff.post(path(product), body)
    problem(refused, 422, "validation-error", *pointers)


@in_memory
@pytest.mark.parametrize("text", ["1e2", "1.0", "-0.0", "1e400", "-1e400", "9" * 400])
async def test_nor_is_a_number_with_a_point_or_an_exponent_or_without_end(
    api: Api, text: str
) -> None:
    product = await api.product()
    for member in ("change", "set"):
        body = json.dumps({member: 7777}).replace("7777", text).encode()
        async with api.unchanged():
            refused = await api.staff.post(path(product), content=body)
        problem(refused, 422, "validation-error", f"/{member}")


async def test_the_longest_reason_is_kept(api: Api) -> None:
    product = await api.product(stock=0)
    reason = "Zwei\nZeilen " + "😀" * 488
    await changed(api, product, change=1, reason=reason)
    [movement] = await movements(api, product)
    assert movement["reason"] == reason


@in_memory
async def test_stock_is_no_part_of_a_patch_or_of_a_replacement(api: Api) -> None:
    product = await api.product(stock=5)
    whole = {name: product[name] for name in ("sku", "name", "price")}
    async with api.unchanged():
        for refused in (
            await api.staff.patch(f"/v1/products/{product['id']}", {"stock": 5}),
            await api.staff.put(f"/v1/products/{product['id']}", whole | {"stock": 5}),
        ):
            problem(refused, 422, "validation-error", "/stock")


async def test_what_is_deleted_has_no_stock_to_change(api: Api) -> None:
    gone = await api.product()
    await api.staff.delete(f"/v1/products/{gone['id']}")
    async with api.unchanged():
        for id in (gone["id"], NOWHERE):
            refused = await api.staff.post(f"/v1/products/{id}/stock", {"change": 1})
            problem(refused, 404, "product-not-found")


async def test_every_change_is_kept_with_its_cause(api: Api) -> None:
    product = await api.product(stock=10)
    await changed(api, product, change=-3, reason="damaged")
    order = await api.order(product, quantity=2)
    await changed(api, product, set=9, expected=5, reason="count")
    moved_order = await api.staff.post(transitions(order), {"to": "cancelled"})
    content(moved_order, 200)
    found = await movements(api, product)
    assert [moved(movement) for movement in found] == [
        ("adjustment", 10, 10, None),
        ("adjustment", -3, 7, "damaged"),
        ("order", -2, 5, None),
        ("adjustment", 4, 9, "count"),
        ("cancellation", 2, 11, None),
    ]
    assert [movement["actor_id"] for movement in found] == [
        *[api.staff.id] * 2,
        api.customer.id,
        *[api.staff.id] * 2,
    ]
    assert [movement["order_id"] for movement in found] == [
        *[None] * 2,
        order["id"],
        None,
        order["id"],
    ]
    for movement in found:
        assert {*movement} == MEMBERS
        assert (movement["product_id"], is_uuid7(movement["id"])) == (product["id"], True)
    times = [at(movement["at"]) for movement in found]
    assert times == sorted(times)
    assert found[0]["at"] == product["created_at"]
    assert await movements(api, product, "sort=-at") == [*reversed(found)]
    assert await movements(api, product, "") == [*reversed(found)]


async def test_movements_add_up_to_the_stock_whatever_happens_at_once(api: Api) -> None:
    product = await api.product(stock=20)
    orders = [await api.order(product) for _ in range(4)]
    whatever: list[Any] = [
        *(api.staff.post(path(product), {"change": n}) for n in (-5, 7, -2, 11, -30)),
        *(api.staff.post(path(product), {"set": n}) for n in (17, 3)),
        *(api.staff.post(path(product), {"set": 8, "expected": 16}) for _ in range(3)),
        *(api.customer.post("/v1/orders", basket((product, n))) for n in (1, 2, 3)),
        *(api.customer.post(transitions(order), {"to": "cancelled"}) for order in orders),
        *(api.staff.post(f"{path(product)}?dry_run=true", {"change": n}) for n in (1, 2)),
        api.staff.patch(f"/v1/products/{product['id']}", {"name": "New"}),
    ]
    answers = await asyncio.gather(*whatever)
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    found = await movements(api, product)
    stock = (await api.product_now(product))["stock"]
    assert sum(movement["change"] for movement in found) == stock
    # Each continues where one before it ended: no change was lost, none was counted twice.
    steps = Counter(movement["stock_after"] - movement["change"] for movement in found)
    ends = Counter(movement["stock_after"] for movement in found)
    assert steps + Counter([stock]) == ends + Counter([0])


async def test_an_order_of_two_lines_of_one_product_is_one_movement(api: Api) -> None:
    mug, cup = await api.product(stock=10), await api.product(stock=10)
    order = content(
        await api.customer.post("/v1/orders", basket((mug, 2), (cup, 1), (mug, 3))), 201
    )
    [_, taken] = await movements(api, mug)
    assert (taken["change"], taken["order_id"]) == (-5, order["id"])
    [_, other] = await movements(api, cup)
    assert (other["change"], other["order_id"]) == (-1, order["id"])


async def test_what_did_not_happen_leaves_no_movement(api: Api) -> None:
    product = await api.product(stock=3)
    empty = await api.product(stock=0)
    before = await movements(api, product)
    await api.staff.post(path(product), {"change": -4})
    await api.staff.post(f"{path(product)}?dry_run=true", {"change": -1})
    await api.staff.post(path(product), {"change": 1}, if_match='"7"')
    await api.customer.post("/v1/orders", basket((product, 1), (empty, 1)))
    assert await movements(api, product) == before
    assert await movements(api, empty) == []


async def test_movements_can_be_walked_both_ways(api: Api) -> None:
    product = await api.product(stock=100)
    other = await api.product(stock=5)
    for n in range(1, 12):
        await changed(api, product, change=-n)
    for sort in ("at", "-at"):
        everything = await movements(api, product, f"sort={sort}")
        found: list[Json] = []
        target: str | None = f"{path(product)}-movements?sort={sort}&limit=5&with_total=true"
        while target:
            answer = await api.staff.get(target)
            found += rows(answer)
            assert answer.json()["total"] == 12
            link = answer.headers.get("Link", "")
            target = link[1:].partition(">")[0] or None
        assert found == everything
        assert len(found) == 12
    page = await api.staff.get(f"{path(product)}-movements?limit=5")
    cursor = page.json()["next_cursor"]
    refused = await api.staff.get(f"{path(other)}-movements?limit=5&cursor={cursor}")
    problem(refused, 400, "invalid-cursor")
    refused = await api.staff.get(f"{path(product)}-movements?sort=at&cursor={cursor}")
    problem(refused, 400, "invalid-cursor")


async def test_movements_of_what_is_deleted_can_still_be_read(api: Api) -> None:
    product = await api.product(stock=7)
    before = await movements(api, product)
    await api.staff.delete(f"/v1/products/{product['id']}")
    assert await movements(api, product) == before
    assert len(before) == 1
    never_any = await api.product(stock=0)
    assert await movements(api, never_any) == []
    refused = await api.staff.get(f"/v1/products/{NOWHERE}/stock-movements")
    problem(refused, 404, "product-not-found")


async def test_products_of_a_bulk_have_their_movements_too(api: Api) -> None:
    items = [a_product(stock=4), a_product(stock=0), a_product(sku="")]
    done = content(
        await api.staff.post("/v1/products/bulk", {"items": items, "on_error": "skip"}), 200
    )
    found = [await movements(api, result) for result in done["results"][:2]]
    assert [[moved(one) for one in each] for each in found] == [[("adjustment", 4, 4, None)], []]
    assert found[0][0]["actor_id"] == api.staff.id


async def test_of_ten_counts_that_expect_the_same_stock_one_holds(api: Api) -> None:
    product = await api.product(stock=10)
    answers = await asyncio.gather(
        *(api.staff.post(path(product), {"set": 20 + n, "expected": 10}) for n in range(10))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 9}
    [winner] = [answer.json() for answer in answers if answer.status_code == 200]
    assert await api.product_now(product) == winner
    assert {answer.json()["stock"] for answer in answers} == {winner["stock"]}


async def test_one_key_changes_the_stock_once(api: Api) -> None:
    product = await api.product(stock=10)
    answers = await asyncio.gather(
        *(api.staff.post(path(product), {"change": -3}, key="k") for _ in range(5))
    )
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (200, answers[0].content)
    }
    assert await api.stock(product) == [7]
    assert len(await movements(api, product)) == 2
