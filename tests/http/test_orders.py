"""Placing orders, seeing them, and moving them along."""

import asyncio
import re
from collections import Counter
from typing import Final

import pytest

from tests.http.api import (
    NOWHERE,
    Api,
    Json,
    an_address,
    at,
    basket,
    content,
    in_memory,
    money,
    problem,
    transitions,
    usd,
)

STATUSES: Final = ("pending", "confirmed", "shipped", "delivered", "cancelled")
PATHS: Final[dict[str, tuple[str, ...]]] = {
    "pending": (),
    "confirmed": ("confirmed",),
    "shipped": ("confirmed", "shipped"),
    "delivered": ("confirmed", "shipped", "delivered"),
    "cancelled": ("cancelled",),
}
NEXT: Final[dict[str, set[str]]] = {
    "pending": {"confirmed", "cancelled"},
    "confirmed": {"shipped", "cancelled"},
    "shipped": {"delivered"},
    "delivered": set(),
    "cancelled": set(),
}


async def test_an_order_takes_everything_at_its_price(api: Api) -> None:
    mug = await api.product(sku="MUG", name="Mug", price=usd("7.99"), stock=10)
    cup = await api.product(sku="CUP", name="Cup", price=usd("0.01"), stock=5)
    body = {
        "items": [{"product_id": mug["id"], "quantity": 3}, {"sku": "cup", "quantity": 5}],
        "shipping_address": an_address(
            line2="2nd floor", region="Greater London", postal_code="SW1"
        ),
        "note": "Ring\ntwice",
        "expected_total": usd("24.02"),
    }
    placed = await api.customer.post("/v1/orders", body)
    order = content(placed, 201)
    assert placed.headers["Location"] == f"/v1/orders/{order['id']}"
    assert placed.headers["ETag"] == '"1"'
    assert (order["status"], order["customer_id"]) == ("pending", api.customer.id)
    assert (order["total"], order["note"]) == (usd("24.02"), "Ring\ntwice")
    assert order["shipping_address"] == body["shipping_address"]
    assert order["tracking_number"] is None
    assert [
        (item["product_id"], item["sku"], item["name"], item["unit_price"], item["quantity"],
         item["line_total"])
        for item in order["items"]
    ] == [
        (mug["id"], "MUG", "Mug", usd("7.99"), 3, usd("23.97")),
        (cup["id"], "CUP", "Cup", usd("0.01"), 5, usd("0.05")),
    ]  # fmt: skip
    assert await api.stock(mug, cup) == [7, 0]
    assert content(await api.customer.get(f"/v1/orders/{order['id']}"), 200) == order


async def test_an_order_has_a_number_for_people(api: Api) -> None:
    orders = [await api.order() for _ in range(5)]
    numbers = [order["number"] for order in orders]
    day = f"{at(orders[0]['placed_at']):%Y%m%d}"
    assert all(re.fullmatch(rf"ORD-{day}-[0-9A-HJKMNP-TV-Z]{{8}}", number) for number in numbers)
    assert len({*numbers}) == 5


async def test_lines_of_the_same_product_are_one(api: Api) -> None:
    mug, cup = await api.product(stock=10), await api.product(stock=1)
    body = basket((mug, 2), (cup, 1), (mug, 3))
    body["items"].append({"sku": mug["sku"].lower(), "quantity": 5})
    order = content(await api.customer.post("/v1/orders", body), 201)
    items = [(item["product_id"], item["quantity"]) for item in order["items"]]
    assert items == [(mug["id"], 10), (cup["id"], 1)]
    assert await api.stock(mug, cup) == [0, 0]


async def test_every_product_that_is_short_is_listed_and_nothing_is_taken(api: Api) -> None:
    plenty, few, none, split = [await api.product(stock=stock) for stock in (9, 2, 0, 5)]
    body = basket((split, 3), (plenty, 9), (few, 3), (none, 1), (split, 3))
    async with api.unchanged():
        refused = await api.customer.post("/v1/orders", body)
    shortages = problem(refused, 409, "insufficient-stock")["shortages"]
    assert sorted(shortages, key=lambda shortage: shortage["available"]) == [
        {
            "product_id": each["id"],
            "sku": each["sku"],
            "requested": requested,
            "available": available,
        }
        for each, requested, available in ((none, 1, 0), (few, 3, 2), (split, 6, 5))
    ]


async def test_what_is_not_on_sale_is_named(api: Api) -> None:
    shown, hidden, away = [await api.product(is_active=active) for active in (True, False, False)]
    async with api.unchanged():
        refused = await api.customer.post("/v1/orders", basket((hidden, 1), (shown, 1), (away, 99)))
    assert problem(refused, 409, "product-unavailable")["products"] == [
        {"product_id": each["id"], "sku": each["sku"]} for each in (hidden, away)
    ]


async def test_what_is_not_there_is_named(api: Api) -> None:
    product = await api.product()
    for item, named in (
        ({"product_id": NOWHERE, "quantity": 1}, NOWHERE),
        ({"sku": "no-mug", "quantity": 1}, "NO-MUG"),
    ):
        async with api.unchanged():
            body = basket((product, 1))
            body["items"].append(item)
            refused = await api.customer.post("/v1/orders", body)
        assert problem(refused, 404, "product-not-found")["product"] == named


async def test_an_order_is_in_one_currency(api: Api) -> None:
    dollars, yen = await api.product(), await api.product(price=money("500", "JPY"))
    async with api.unchanged():
        refused = await api.customer.post("/v1/orders", basket((dollars, 1), (yen, 1)))
    assert problem(refused, 422, "currency-mismatch")["currencies"] == ["JPY", "USD"]
    assert (await api.order(yen, quantity=3))["total"] == money("1500", "JPY")


@pytest.mark.parametrize(
    "expected",
    [usd("9.98"), usd("0.00"), usd("-9.99"), money("9.99", "EUR"), money("10", "JPY")],
)
async def test_an_order_at_another_price_than_expected_is_not_placed(
    api: Api, expected: Json
) -> None:
    product = await api.product(price=usd("9.99"))
    async with api.unchanged():
        refused = await api.customer.post(
            "/v1/orders", basket((product, 1)) | {"expected_total": expected}
        )
    found = problem(refused, 409, "price-changed")
    assert (found["expected_total"], found["total"]) == (expected, usd("9.99"))


async def test_what_costs_nothing_can_be_ordered(api: Api) -> None:
    free = await api.product(price=usd("0"))
    assert (await api.order(free, quantity=10))["total"] == usd("0.00")


async def test_five_hundred_lines_are_the_most(api: Api) -> None:
    items = [{"sku": f"S-{n}", "name": "x", "price": usd("1"), "stock": 2} for n in range(500)]
    for start in range(0, 500, 50):
        few = {"items": items[start : start + 50]}
        content(await api.staff.post("/v1/products/bulk", few), 200)
    lines = [{"sku": item["sku"], "quantity": 2} for item in items]
    async with api.unchanged():
        refused = await api.customer.post("/v1/orders", {"items": [*lines, lines[0]]})
    problem(refused, 422, "validation-error", "/items")
    order = content(await api.customer.post("/v1/orders", {"items": lines}), 201)
    assert (len(order["items"]), order["total"]) == (500, usd("1000.00"))
    assert [item["sku"] for item in order["items"]] == [line["sku"] for line in lines]


async def test_no_more_is_sold_than_there_is_however_many_want_it(api: Api) -> None:
    product = await api.product(stock=20)
    answers = await asyncio.gather(
        *(api.customer.post("/v1/orders", basket((product, 1 + n % 2))) for n in range(40))
    )
    assert {answer.status_code for answer in answers} == {201, 409}
    sold = sum(
        answer.json()["items"][0]["quantity"] for answer in answers if answer.status_code == 201
    )
    assert await api.stock(product) == [20 - sold] == [0]


async def test_orders_of_the_same_products_in_any_order_do_not_block_each_other(api: Api) -> None:
    products = [await api.product(stock=100) for _ in range(4)]
    lines = [(product, 1) for product in products]
    answers = await asyncio.gather(
        *(
            api.customer.post("/v1/orders", basket(*lines[n % 4 :], *lines[: n % 4]))
            for n in range(40)
        )
    )
    assert {answer.status_code for answer in answers} == {201}
    assert await api.stock(*products) == [60] * 4
    orders = [answer.json() for answer in answers]
    moved = await asyncio.gather(
        *(api.staff.post(transitions(order), {"to": "cancelled"}) for order in orders * 2)
    )
    assert Counter(answer.status_code for answer in moved) == {200: 40, 409: 40}
    assert await api.stock(*products) == [100] * 4


async def test_staff_may_order_for_a_customer(api: Api) -> None:
    product = await api.product()
    body = basket((product, 1)) | {"customer_id": api.other.id}
    order = content(await api.staff.post("/v1/orders", body), 201)
    assert order["customer_id"] == api.other.id
    assert content(await api.other.get(f"/v1/orders/{order['id']}"), 200)["id"] == order["id"]
    own = basket((product, 1)) | {"customer_id": api.customer.id}
    assert (
        content(await api.customer.post("/v1/orders", own), 201)["customer_id"] == api.customer.id
    )


async def test_a_customer_may_not_order_for_another(api: Api) -> None:
    product = await api.product()
    for customer_id in (api.other.id, NOWHERE):
        async with api.unchanged():
            body = basket((product, 1)) | {"customer_id": customer_id}
            refused = await api.customer.post("/v1/orders", body)
        problem(refused, 403, "forbidden")


async def test_nobody_orders_for_somebody_who_is_not_there(api: Api) -> None:
    product = await api.product()
    async with api.unchanged():
        body = basket((product, 1)) | {"customer_id": NOWHERE}
        refused = await api.staff.post("/v1/orders", body)
    problem(refused, 404, "user-not-found")


async def test_staff_see_every_order_and_customers_their_own(api: Api) -> None:
    mine, theirs = await api.order(), await api.order(by=api.other)
    for who, order in (
        (api.customer, mine),
        (api.other, theirs),
        (api.staff, mine),
        (api.admin, theirs),
    ):
        found = content(await who.get(f"/v1/orders/{order['id']}"), 200)
        assert (found["id"], found["customer_id"]) == (order["id"], order["customer_id"])
    for who, order in ((api.customer, theirs), (api.other, mine)):
        problem(await who.get(f"/v1/orders/{order['id']}"), 404, "order-not-found")
    problem(await api.nobody.get(f"/v1/orders/{mine['id']}"), 401, "unauthenticated")


@pytest.mark.parametrize("target", STATUSES[1:])
@pytest.mark.parametrize("start", STATUSES)
async def test_an_order_moves_along_the_table_and_no_other_way(
    api: Api, start: str, target: str
) -> None:
    product = await api.product(stock=5)
    order = await api.move(await api.order(product, quantity=2), *PATHS[start])
    if target in NEXT[start]:
        moved = content(await api.staff.post(transitions(order), {"to": target}), 200)
        assert (moved["status"], moved["version"]) == (target, order["version"] + 1)
        assert at(moved["updated_at"]) > at(order["updated_at"])
        assert content(await api.customer.get(f"/v1/orders/{order['id']}"), 200)["status"] == target
    else:
        async with api.unchanged():
            refused = await api.staff.post(transitions(order), {"to": target})
        found = problem(refused, 409, "invalid-transition")
        assert (found["from"], found["to"], {*found["allowed"]}) == (start, target, NEXT[start])
    final = content(await api.staff.get(f"/v1/orders/{order['id']}"), 200)["status"]
    assert await api.stock(product) == [5 if final == "cancelled" else 3]


async def test_a_shipment_may_have_a_tracking_number(api: Api) -> None:
    order = await api.move(await api.order(), "confirmed")
    body = {"to": "shipped", "tracking_number": "1Z 999", "reason": "ready"}
    shipped = content(await api.staff.post(transitions(order), body), 200)
    assert shipped["tracking_number"] == "1Z 999"
    delivered = await api.move(shipped, "delivered")
    assert delivered["tracking_number"] == "1Z 999"
    other = await api.move(await api.order(), "confirmed", "shipped")
    assert other["tracking_number"] is None


@pytest.mark.parametrize("to", ["confirmed", "cancelled"])
async def test_what_is_not_shipped_has_none(api: Api, to: str) -> None:
    order = await api.order()
    async with api.unchanged():
        refused = await api.staff.post(transitions(order), {"to": to, "tracking_number": "1"})
    problem(refused, 422, "invalid-value", "/tracking_number")


async def test_a_customer_may_cancel_while_the_order_is_pending(api: Api) -> None:
    product = await api.product(stock=3)
    order = await api.order(product, quantity=3)
    assert await api.stock(product) == [0]
    cancelled = await api.customer.post(transitions(order), {"to": "cancelled", "reason": "dear"})
    assert content(cancelled, 200)["status"] == "cancelled"
    assert await api.stock(product) == [3]
    async with api.unchanged():
        refused = await api.customer.post(transitions(order), {"to": "cancelled"})
    problem(refused, 409, "invalid-transition")


async def test_once_it_is_confirmed_only_staff_may(api: Api) -> None:
    order = await api.move(await api.order(), "confirmed")
    async with api.unchanged():
        refused = await api.customer.post(transitions(order), {"to": "cancelled"})
    problem(refused, 403, "forbidden")
    assert (await api.move(order, "cancelled"))["status"] == "cancelled"


@in_memory
@pytest.mark.parametrize("start", STATUSES)
@pytest.mark.parametrize("target", ["confirmed", "shipped", "delivered"])
async def test_a_customer_may_do_nothing_else(api: Api, start: str, target: str) -> None:
    order = await api.move(await api.order(), *PATHS[start])
    async with api.unchanged():
        refused = await api.customer.post(transitions(order), {"to": target})
    problem(refused, 403, "forbidden")


@pytest.mark.parametrize("status", STATUSES)
async def test_the_actions_are_those_that_the_guard_allows(api: Api, status: str) -> None:
    """Whatever `actions` says for whoever asks is what happens when it is tried."""
    for who in (api.staff, api.customer):
        order = await api.move(await api.order(), *PATHS[status])
        seen = content(await who.get(f"/v1/orders/{order['id']}"), 200)
        assert {action["to"] for action in seen["actions"]} == NEXT[status]
        for action in seen["actions"]:
            tried = await who.post(transitions(order) + "?dry_run=true", {"to": action["to"]})
            assert (tried.status_code == 200) is action["allowed"]
            if action["allowed"]:
                assert action["reason"] is None
            else:
                assert tried.json()["detail"] == action["reason"]
        listed = content(await who.get("/v1/orders?limit=1"), 200)["items"]
        assert listed[0]["actions"] == seen["actions"]


async def test_a_cancellation_puts_every_line_back(api: Api) -> None:
    mug, cup = await api.product(stock=10), await api.product(stock=10)
    order = await api.order(mug, cup, quantity=4)
    await api.order(mug, quantity=1)
    await api.move(order, "confirmed", "cancelled")
    assert await api.stock(mug, cup) == [9, 10]


@in_memory
async def test_a_stock_never_exceeds_what_fits(api: Api) -> None:
    most = 2_147_483_647
    product = await api.product(stock=1)
    order = await api.order(product)
    content(await api.staff.post(f"/v1/products/{product['id']}/stock", {"change": most}), 200)
    async with api.unchanged():
        refused = await api.staff.post(transitions(order), {"to": "cancelled"})
    assert problem(refused, 409, "stock-too-large")["largest"] == most


@in_memory
async def test_what_happens_after_placing_is_told_to_the_one_who_asks(api: Api) -> None:
    order = await api.order()
    for who, may_confirm in ((api.customer, False), (api.staff, True)):
        seen = content(await who.get(f"/v1/orders/{order['id']}"), 200)["actions"]
        allowed = {action["to"]: action["allowed"] for action in seen}
        assert allowed == {"confirmed": may_confirm, "cancelled": True}


async def test_orders_are_listed_by_number_product_and_the_time_they_were_placed(api: Api) -> None:
    mug, pot = await api.product(stock=10), await api.product(stock=10)
    first = content(await api.customer.post("/v1/orders", basket((mug, 1))), 201)
    second = content(await api.customer.post("/v1/orders", basket((pot, 1))), 201)

    async def found(query: str) -> list[str]:
        answer = content(await api.customer.get(f"/v1/orders?sort=placed_at&{query}"), 200)
        return [order["id"] for order in answer["items"]]

    assert await found(f"number={first['number']}") == [first["id"]]
    assert await found(f"product_id={pot['id']}") == [second["id"]]
    assert await found(f"from={second['placed_at']}") == [second["id"]]
    assert await found(f"to={second['placed_at']}") == [first["id"]]
    assert await found(f"from={first['placed_at']}&to={first['placed_at']}") == []
    assert await found("from=2000-01-01T00:00:00%2B02:00") == [first["id"], second["id"]]
    by_number = await api.customer.get(f"/v1/orders/by-number/{first['number']}")
    assert content(by_number, 200) == first
    assert by_number.headers["ETag"] == '"1"'


@pytest.mark.parametrize(
    "moment",
    [
        *("2026-11-21", "2026-11-21T09:30:00", "2026-02-30T00:00:00Z", "1700000000", "now", ""),
        *("2026-11-21T09:30:00.1234567Z", "2026-11-21T25:00:00Z", "2026-11-21T09:30:00+99:00"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),  # in no year of UTC
    ],
)
async def test_a_moment_has_its_date_its_time_and_its_offset(api: Api, moment: str) -> None:
    moment = moment.replace("+", "%2B")
    answer = await api.customer.get(f"/v1/orders?from={moment}")
    problem(answer, 422, "validation-error", "query from")
