"""The story of an order: what happened, when, by whom, why, and in which request."""

from typing import Any, Final

import pytest

from tests.http.api import (
    NOWHERE,
    Api,
    Json,
    at,
    basket,
    content,
    in_memory,
    money,
    payments,
    problem,
    refunds,
    rows,
    timeline,
    transitions,
    usd,
)

MEMBERS: Final = {"at", "type", "from", "to", "actor_id", "reason", "request_id"}


async def an_order(api: Api, total: str = "10.00") -> Json:
    return await api.order(await api.product(price=money(total, "USD")))


async def story(api: Api, order: Json, *members: str) -> list[Any]:
    """These members of all that happened; of a single one, its values."""
    told = [
        tuple(each[member] for member in members)
        for each in rows(await api.staff.get(timeline(order) + "?limit=100"))
    ]
    return [values[0] for values in told] if len(members) == 1 else told


async def test_an_order_tells_everything_that_happened_to_it(api: Api) -> None:
    product = await api.product(price=usd("10.00"))
    await api.account(holding="25.00")

    def called(name: str) -> dict[str, str]:
        return {"X-Request-Id": name}

    body = basket((product, 1))
    placed = await api.customer.post("/v1/orders", body, headers=called("placing-1"))
    order = content(placed, 201)
    part = {"method": "external", "amount": usd("4.00")}
    await api.staff.post(payments(order), part, headers=called("paying_1"))
    credit = {"method": "store_credit"}
    await api.customer.post(payments(order), credit, headers=called("paying.2"))
    back = {"amount": usd("1.00"), "reason": "scratched"}
    await api.admin.post(refunds(order), back, headers=called("R" * 64))
    for to, reason in (("shipped", None), ("delivered", "rang\ntwice")):
        move: Json = {"to": to, "reason": reason}
        await api.staff.post(transitions(order), move, headers=called(to))

    told = rows(await api.customer.get(timeline(order)))
    assert [{**each, "at": ""} for each in told] == [
        {
            "at": "",
            "type": type,
            "from": before,
            "to": after,
            "actor_id": who.id,
            "reason": reason,
            "request_id": request_id,
        }
        for type, before, after, who, reason, request_id in (
            ("order.placed", None, "pending", api.customer, None, "placing-1"),
            ("payment.received", None, None, api.staff, None, "paying_1"),
            ("payment.received", None, None, api.customer, None, "paying.2"),
            ("order.confirmed", "pending", "confirmed", api.customer, "paid in full", "paying.2"),
            ("refund.made", None, None, api.admin, "scratched", "R" * 64),
            ("order.shipped", "confirmed", "shipped", api.staff, None, "shipped"),
            ("order.delivered", "shipped", "delivered", api.staff, "rang\ntwice", "delivered"),
        )
    ]
    assert told[0]["at"] == order["placed_at"]
    moments = [at(each["at"]) for each in told]
    assert moments == sorted(moments)
    assert told[2]["at"] == told[3]["at"]  # both came of one payment
    assert rows(await api.staff.get(timeline(order))) == told


async def test_a_cancellation_tells_of_the_money_as_well(api: Api) -> None:
    await api.account(holding="25.00")
    order = await an_order(api)
    await api.pay(order, "4.00")
    await api.pay(order, "5.00", "store_credit")
    body = {"to": "cancelled", "reason": "too dear"}
    content(await api.customer.post(transitions(order), body), 200)
    told = await story(api, order, "type", "from", "to", "actor_id", "reason")
    assert told[:3] == [
        ("order.placed", None, "pending", api.customer.id, None),
        ("payment.received", None, None, api.staff.id, None),
        ("payment.received", None, None, api.staff.id, None),
    ]
    assert told[3:] == [
        ("order.cancelled", "pending", "cancelled", api.customer.id, "too dear"),
        ("refund.made", None, None, api.customer.id, "too dear"),
        ("payment.due_back", None, None, api.customer.id, None),
    ]
    requests = await story(api, order, "request_id")
    assert len({*requests[3:]}) == 1
    assert len({*requests}) == 4


async def test_what_staff_place_and_cancel_for_a_customer_is_theirs(api: Api) -> None:
    product = await api.product()
    body = basket((product, 1)) | {"customer_id": api.customer.id}
    order = content(await api.staff.post("/v1/orders", body), 201)
    content(await api.admin.post(transitions(order), {"to": "cancelled"}), 200)
    assert await story(api, order, "type", "actor_id") == [
        ("order.placed", api.staff.id),
        ("order.cancelled", api.admin.id),
    ]
    told = rows(await api.customer.get(timeline(order)))
    assert [each["to"] for each in told] == ["pending", "cancelled"]


async def test_a_request_that_names_itself_badly_or_not_at_all_gets_a_name(api: Api) -> None:
    product = await api.product(stock=9)
    for headers in ({}, {"X-Request-Id": "a b"}, {"X-Request-Id": "x" * 65}):
        placed = await api.customer.post("/v1/orders", basket((product, 1)), headers=headers)
        order = content(placed, 201)
        name = placed.headers["X-Request-Id"]
        assert name not in headers.values()
        assert await story(api, order, "request_id") == [name]


async def test_a_request_that_is_sent_again_is_told_of_once_by_its_first_name(api: Api) -> None:
    order = await an_order(api)
    for name in ("first", "second"):
        answer = await api.staff.post(
            payments(order), {"method": "external"}, key="k", headers={"X-Request-Id": name}
        )
        assert content(answer, 201)["amount"] == usd("10.00")
        assert answer.headers["X-Request-Id"] == name
    assert (await story(api, order, "request_id"))[1:] == ["first", "first"]


async def test_what_was_refused_or_rehearsed_is_not_told(api: Api) -> None:
    order = await an_order(api)
    async with api.unchanged():
        for path, body, status in (
            (payments(order), {"method": "store_credit"}, 409),
            (payments(order), {"method": "external", "amount": usd("0")}, 422),
            (payments(order) + "?dry_run=true", {"method": "external"}, 200),
            (refunds(order), {"reason": "x"}, 409),
            (transitions(order), {"to": "delivered"}, 409),
            (transitions(order) + "?dry_run=true", {"to": "cancelled"}, 200),
        ):
            answer = await api.staff.post(path, body)
            assert answer.status_code == status, answer.text
        assert await story(api, order, "type") == ["order.placed"]


async def test_every_order_tells_of_itself_alone(api: Api) -> None:
    product = await api.product(stock=9)
    first, second = await api.order(product), await api.order(product)
    await api.move(second, "confirmed")
    assert await story(api, first, "type") == ["order.placed"]
    assert await story(api, second, "type") == ["order.placed", "order.confirmed"]


async def test_the_story_is_for_the_owner_and_for_staff(api: Api) -> None:
    order = await an_order(api)
    for who in (api.customer, api.staff, api.admin):
        assert [{*each} for each in rows(await who.get(timeline(order)))] == [MEMBERS]
    for answer in (
        await api.other.get(timeline(order)),
        await api.other.get(timeline({"id": NOWHERE})),
        await api.staff.get(timeline({"id": NOWHERE})),
    ):
        found = problem(answer, 404, "order-not-found")
        assert found["detail"] == "there is no such order"
    problem(await api.nobody.get(timeline(order)), 401, "unauthenticated")


async def a_long_story(api: Api) -> tuple[Json, list[Json]]:
    """Fifteen happenings of an order, the last two of them in one moment."""
    order = await an_order(api)
    for _ in range(6):
        await api.pay(order, "1.00")
        await api.refund(order, "0.50")
    await api.pay(order)
    assert len(await story(api, order, "type")) == 15
    return order, rows(await api.staff.get(timeline(order)))


@pytest.mark.parametrize("sort", ["at", "-at"])
@pytest.mark.parametrize("limit", [1, 4])
async def test_a_walk_by_cursor_tells_each_thing_once_in_the_order_it_happened(
    api: Api, sort: str, limit: int
) -> None:
    order, whole = await a_long_story(api)
    target: str | None = timeline(order) + f"?sort={sort}&limit={limit}"
    walked: list[Json] = []
    while target:
        page = await api.customer.get(target)
        assert len(rows(page)) <= limit
        walked += rows(page)
        link = page.headers.get("Link")
        assert (link is None) is (page.json()["next_cursor"] is None)
        target = link and link[1:].partition(">")[0]
    assert walked == (whole if sort == "at" else whole[::-1])


async def test_a_walk_that_has_begun_goes_on_to_what_happens_since(api: Api) -> None:
    order = await an_order(api)
    await api.pay(order, "1.00")
    page = await api.customer.get(timeline(order) + "?limit=1")
    cursor = page.json()["next_cursor"]
    await api.pay(order, "2.00")
    rest = rows(await api.customer.get(timeline(order) + f"?cursor={cursor}"))
    assert [each["type"] for each in rest] == ["payment.received"] * 2


async def test_pages_are_counted_as_anywhere(api: Api) -> None:
    order, whole = await a_long_story(api)
    page = await api.customer.get(timeline(order) + "?limit=5&offset=7&with_total=true")
    assert (rows(page), page.json()["total"]) == (whole[7:12], 15)
    beyond = await api.customer.get(timeline(order) + "?offset=15&with_total=true")
    assert (rows(beyond), beyond.json()["total"]) == ([], 15)
    assert "total" not in (await api.customer.get(timeline(order))).json()


async def test_a_cursor_of_one_story_is_none_of_another(api: Api) -> None:
    product = await api.product(stock=9)
    first, second = [await api.move(await api.order(product), "confirmed") for _ in range(2)]
    page = await api.staff.get(timeline(first) + "?limit=1")
    cursor = page.json()["next_cursor"]
    for elsewhere in (
        timeline(second) + f"?cursor={cursor}",
        payments(first) + f"?cursor={cursor}",
        timeline(first) + f"?sort=-at&cursor={cursor}",
        timeline(first) + f"?cursor=x{cursor}",
    ):
        problem(await api.staff.get(elsewhere), 400, "invalid-cursor")


@in_memory
@pytest.mark.parametrize(
    "query", ["sort=created_at", "sort=type", "type=order.placed", "from=2026-01-01T00:00:00Z"]
)
async def test_happenings_are_looked_for_by_nothing_else(api: Api, query: str) -> None:
    order = await an_order(api)
    refused = await api.staff.get(f"{timeline(order)}?{query}")
    problem(refused, 422, "validation-error", f"query {query.partition('=')[0]}")


@in_memory
async def test_nothing_that_happened_can_be_changed(api: Api) -> None:
    order = await an_order(api)
    async with api.unchanged():
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            refused = await api.admin.send(method, timeline(order))
            problem(refused, 405, "method-not-allowed")
